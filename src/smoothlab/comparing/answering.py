"""What a comparison leaves: comparison.json, the page, and what stands on the terminal."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.comparing.choosing import Tried, choose
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.errors import UserMistake
from smoothlab.runs.atomic import write_json

if TYPE_CHECKING:
    from smoothlab.comparing.comparison import Question
    from smoothlab.reports.comparison import Comparison

FORMAT = 1
FILE = "comparison.json"
PAGE = "report"  # the folder of the page
CODE = ("comparing", "reports", "statistics", "calibration", "metrics")  # what makes an answer of results
SHOWN = ("nll", "accuracy", "ece", "aurc")


def write_answer(question: Question, plan: Plan, places: Places, failed: Mapping[PlannedRun, str]) -> None:
    """Choose each arm's settings, compare, write comparison.json and the page, and print.

    Where nothing has changed since they were written, what was printed then is printed again.

    Args:
        question: what was asked.
        plan: with the runs.
        places: where they stand.
        failed: why runs failed.
    """
    chosen, tried = _choose(question, plan, places)
    file = question.folder / FILE
    made_from = _made_from(question, chosen, places)
    before = _read(file)
    if before.get("made_from") == made_from and Path(before.get("page", "")).is_file() and not failed:
        print(before["shown"])
        return
    arms = {places.of(run).path.name: name for name, one in chosen.items() for run in one.runs}
    left_out = dict(plan.left_out)
    arms |= _derive(question, chosen, places, left_out)
    told: dict[str, Any] = {
        "format": FORMAT,
        "baseline": question.baseline,
        "arms": arms,
        "chosen": {name: dict(one.settings) for name, one in chosen.items()},
        "tried": {name: [one.to_json() for one in points] for name, points in tried.items()},
        "left_out": left_out,
        "failed": [{"run": places.of(run).path.name, "arm": run.arm, "error": why} for run, why in failed.items()],
        "made_from": made_from,
    }
    write_json(places.folder / FILE, {"format": FORMAT, "arms": arms})
    page, shown = _compare(question, [places.folder / name for name in arms])
    write_json(file, {**told, "page": str(page), "shown": shown})
    print(shown)


def _choose(question: Question, plan: Plan, places: Places) -> tuple[dict[str, Tried], dict[str, list[Tried]]]:
    chosen: dict[str, Tried] = {}
    tried: dict[str, list[Tried]] = {}
    for name in question.arms:
        runs = [run for run in plan.runs if run.arm == name]
        if not runs:
            continue
        best, tried[name] = choose(runs, places)
        if best is not None:
            chosen[name] = best
    return chosen, tried


def _derive(
    question: Question, chosen: Mapping[str, Tried], places: Places, left_out: dict[str, str]
) -> dict[str, str]:
    """Directories of the arms that are made from the baseline's predictions, by name; what cannot be is left out."""
    from smoothlab.comparing.derived import make_derived

    arms: dict[str, str] = {}
    for name, arm in question.arms.items():
        if arm.made_of is None:
            continue
        baseline = chosen.get(question.baseline)
        try:
            made = make_derived(arm, baseline.runs if baseline else (), places)
        except UserMistake as mistake:
            left_out[name] = str(mistake)
            print(f"left out: {name}: {mistake}", file=sys.stderr)
            continue
        arms |= {one.path.name: name for one in made}
    return arms


def _made_from(question: Question, chosen: Mapping[str, Tried], places: Places) -> str:
    """A hash of the runs' results and of the code that makes the answer of them."""
    folders = [Path(__file__).parent.parent / name for name in CODE]
    files = [one for folder in folders for one in sorted(folder.rglob("*")) if one.suffix not in (".pyc", "")]
    results = [places.of(run).results for one in chosen.values() for run in one.runs]
    stats = [(str(one), one.stat().st_mtime_ns) for one in (*results, *files)]
    asked = [question.baseline, question.level, question.title, list(question.arms)]
    return hashlib.sha256(json.dumps([asked, stats]).encode()).hexdigest()


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _compare(question: Question, runs: list[Path]) -> tuple[Path, str]:
    """Write the page; returns its path and what to print."""
    from smoothlab.reports.comparison import Comparison
    from smoothlab.reports.page import write_page
    from smoothlab.reports.records import read_records

    found = read_records(runs)
    for problem in found.problems:
        print(f"left out: {problem.path}: {problem.says}", file=sys.stderr)
    compared = Comparison.of(found.records, baseline=question.baseline, level=question.level)
    page = write_page(compared, found, question.folder / PAGE, title=f"{question.title}: does smoothing help?")
    return page, "\n".join([_table(compared, question.level), *compared.verdict.sentences, "", f"page: {page}"])


def _table(compared: Comparison, level: float) -> str:
    """The arms' test metrics as they are, and the difference of the NLL to the baseline."""
    import io

    from rich.console import Console
    from rich.table import Table

    rows = compared.table[compared.table["variant"] == "raw"].set_index(["arm", "metric"])
    metrics = [name for name in SHOWN if name in compared.metrics]
    shown = Table(title="test data", title_justify="left", box=None, pad_edge=False)
    shown.add_column("arm")
    shown.add_column("runs", justify="right")
    for name in metrics:
        shown.add_column(name, justify="right")
    shown.add_column(f"nll - {compared.arms[0].name} ({level:.0%})", justify="right")
    shown.add_column("p (Holm)", justify="right")
    for arm in compared.arms:
        cells = [arm.name, str(arm.runs), *(f"{rows.loc[(arm.name, one), 'mean']:.4f}" for one in metrics)]
        if not arm.is_baseline and "nll" in metrics:
            row = rows.loc[(arm.name, "nll")]
            cells.append(f"{row['difference']:+.4f} ({row['difference_low']:+.4f} to {row['difference_high']:+.4f})")
            cells.append(f"{row['p_holm']:.3f}")
        shown.add_row(*cells)
    text = io.StringIO()
    Console(file=text, width=120, highlight=False, color_system=None).print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
