"""What a comparison leaves: comparison.json, the page, and what stands on the terminal."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothlab.comparing.answer import Answer, Chosen
from smoothlab.comparing.choosing import choose
from smoothlab.comparing.plan import Places, Plan, PlannedRun
from smoothlab.comparing.planning import Level
from smoothlab.errors import UserMistake
from smoothlab.rundir.atomic import make_folders, write_json
from smoothlab.rundir.reading import UnreadableFile, read_json

if TYPE_CHECKING:
    from smoothlab.comparing.question import Question
    from smoothlab.reports.comparison import Comparison
    from smoothlab.reports.records import Records

FORMAT = 1
FILE = "comparison.json"
PAGE = "report"  # the folder of the page
CODE = ("comparing", "reports", "statistics", "calibration", "metrics")  # what makes an answer of results


def write_answer(question: Question, plan: Plan, places: Places, failed: Mapping[PlannedRun, str]) -> None:
    """Choose each arm's settings, compare, write comparison.json and the page, and print.

    Where nothing has changed since they were written, what was printed then is printed again.

    Args:
        question: what was asked.
        plan: with the runs.
        places: where they stand.
        failed: why runs failed.
    """
    if plan.level is not None:  # the interval of a look is one of several that hold together
        question = replace(question, judging=replace(question.judging, level=plan.level))
    levels = [_choose(question, plan, places, level) for level in question.levels]
    file = question.answers / FILE
    made_from = _made_from(question, levels, places)
    before = _read(file)
    if before.get("made_from") == made_from and Path(before.get("page", "")).is_file() and not failed:
        print(before["shown"])
        return
    make_folders(question.answers)
    left_out = dict(plan.left_out)
    for chosen in levels:
        chosen.arms.update(_derive(question, chosen, places, left_out))
    answers = [_compare(question, plan, chosen, places) for chosen in levels if chosen.by_arm.get(question.baseline)]
    if not answers:
        raise UserMistake(f"no run of {question.baseline} is done: nothing to compare with")
    _map(answers, places)
    from smoothlab.comparing.shown import show

    shown, numbers = show(question, answers)
    content: dict[str, Any] = {
        "format": FORMAT,
        "baseline": question.baseline,
        **(levels[0].to_json() if len(levels) == 1 else {"levels": [chosen.to_json() for chosen in levels]}),
        "left_out": left_out,
        **({"looks": plan.looks, "dropped": plan.dropped} if plan.looks else {}),
        "failed": [{"run": places.of(run).path.name, "arm": run.arm, "error": why} for run, why in failed.items()],
        **numbers,
        **_verdicts(answers),
        "roles": {arm.name: arm.role for answer in answers for arm in answer.compared.arms},
        "made_from": made_from,
        "page": str(answers[-1].page),
        "shown": shown,
    }
    write_json(file, content)
    print(shown)


def judged(question: Question, plan: Plan, places: Places, level: float) -> Comparison:
    """The comparison of the runs that are done, by intervals of a level; nothing is written but which arm a run is.

    Args:
        question: what was asked, of a single level of its condition.
        plan: with the runs.
        places: where they stand.
        level: of the intervals.

    Raises:
        UserMistake: no run of the baseline is done.
    """
    chosen = _choose(question, plan, places, question.levels[0])
    if not chosen.by_arm.get(question.baseline):
        raise UserMistake(f"no run of {question.baseline} is done: nothing to compare with")
    asked = replace(question, judging=replace(question.judging, level=level))
    return _judge(asked, plan, chosen, places)[1]


def _choose(question: Question, plan: Plan, places: Places, level: Level) -> Chosen:
    chosen = Chosen(level, {}, {}, {})
    for name in question.arms:
        runs = [run for run in plan.runs if run.arm == name and run.level == level.name]
        if not runs:
            continue
        best, chosen.tried[name] = choose(runs, places)
        if best is not None:
            chosen.by_arm[name] = best
            chosen.arms.update({places.of(run).path.name: name for run in best.runs})
    return chosen


def _derive(question: Question, chosen: Chosen, places: Places, left_out: dict[str, str]) -> dict[str, str]:
    """Directories of the arms that are made from another one's predictions, by name; what cannot be is left out."""
    from smoothlab.comparing.derived import make_derived

    arms: dict[str, str] = {}
    for name, arm in question.arms.items():
        if arm.made_of is None:
            continue
        source = chosen.by_arm.get(arm.source or question.baseline)
        if source is None:
            if arm.source in left_out:
                left_out[name] = f"{arm.source} is left out"
            continue
        try:
            made = make_derived(arm, source.runs, places)
        except UserMistake as mistake:
            left_out[name] = str(mistake)
            print(f"left out: {name}: {mistake}", file=sys.stderr)
            continue
        arms |= {directory.path.name: name for directory in made}
    return arms


def _judge(question: Question, plan: Plan, chosen: Chosen, places: Places) -> tuple[Records, Comparison]:
    """Compare the runs of a level."""
    from smoothlab.comparing.advice import advice_of
    from smoothlab.reports.comparison import Comparison
    from smoothlab.reports.records import read_records

    write_json(places.folder / FILE, {"format": FORMAT, "arms": chosen.arms})  # by which the records know their arms
    records = read_records([places.folder / name for name in chosen.arms])
    for problem in records.problems:
        print(f"left out: {problem.path}: {problem.says}", file=sys.stderr)
    return records, Comparison.of(
        records.records,
        baseline=question.baseline,
        level=question.judging.level,
        margin=question.judging.margin,
        advice=advice_of(question, plan, chosen, records.records),
        dropped=plan.dropped,
        looks=(plan.looks, len(question.judging.looks)) if plan.looks else None,
    )


def _compare(question: Question, plan: Plan, chosen: Chosen, places: Places) -> Answer:
    """Compare the runs of a level, and write its page."""
    from smoothlab.reports.page import write_page
    from smoothlab.reports.verdict import NO_ANSWER

    records, compared = _judge(question, plan, chosen, places)
    if question.judging.trial:
        compared = replace(compared, verdict=NO_ANSWER)
    folder, title = question.answers / PAGE, f"{question.title}: does smoothing help?"
    if question.judging.trial:
        title = f"{question.title}: does it run? (debug, no answer)"
    if chosen.level.name is not None and question.condition is not None:
        folder /= re.sub(r"[^\w.=+-]+", "_", chosen.level.name)
        title = f"{title} {question.condition.axis} {chosen.level.name}"
    return Answer(chosen, records, compared, write_page(compared, records, folder, title=title))


def _verdicts(answers: list[Answer]) -> dict[str, Any]:
    """The verdict as data; with several levels one for each, by the level's name."""
    from smoothlab.reports.comparison import plain_values

    made = {answer.chosen.level.name: plain_values(asdict(answer.compared.verdict)) for answer in answers}
    return {"verdict": next(iter(made.values()))} if len(made) == 1 else {"verdicts": made}


def _map(answers: list[Answer], places: Places) -> None:
    """Tell whoever reads the run directories later which arm each one is, and at which level."""
    arms = {
        run: arm if answer.chosen.level.name is None else f"{arm}, {answer.chosen.level.name}"
        for answer in answers
        for run, arm in answer.chosen.arms.items()
    }
    write_json(places.folder / FILE, {"format": FORMAT, "arms": arms})


def _made_from(question: Question, levels: list[Chosen], places: Places) -> str:
    """A hash of the runs' results and of the code that makes the answer of them."""
    folders = [Path(__file__).parent.parent / name for name in CODE]
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix not in (".pyc", "")]
    runs = [run for level in levels for point in level.by_arm.values() for run in point.runs]
    stats = [(str(path), path.stat().st_mtime_ns) for path in (*(places.of(run).results for run in runs), *files)]
    asked: list[Any] = [question.baseline, repr(question.judging), question.title, list(question.typed)]
    asked += [list(question.arms), repr(question.condition)]
    return hashlib.sha256(json.dumps([asked, stats]).encode()).hexdigest()


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_json(file)
    except UnreadableFile:
        return {}
