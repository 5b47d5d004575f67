"""`smoothlab report <directories>`: compare finished runs, and write a page that says what helped."""

from __future__ import annotations

import contextlib
import difflib
import gc
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smoothlab.errors import UserMistake

if TYPE_CHECKING:
    from smoothlab.reports.records import Records

OPTIONS = ("--out", "--format", "--title", "--baseline")
FORMATS = ("html", "md")
WORTH_THREADS = 2**22  # bytes of a file of predictions
NAMES = 5  # runs that the command names; the page names all


def run(words: Sequence[str]) -> int:
    """The command: exit code 0 when the report is written."""
    gc.disable()  # what is read stays until the end, and to look through all of it again and again takes a fifth
    try:
        path, sentences, left_out = written(*_read(words))
    finally:
        gc.enable()
    print("\n".join([*sentences, *left_out]))
    print(f"report {path}")
    return 0


def written(places: Sequence[Path], options: Mapping[str, str]) -> tuple[Path, list[str], list[str]]:
    """Write the report of runs.

    Args:
        places: run directories, or folders of them.
        options: by their names on the command line.

    Returns:
        The page, what it says first, and a line for each run that it leaves out.

    Raises:
        UserMistake: no finished run, or no such arm.
    """
    for place in places:
        if not place.is_dir():
            raise UserMistake(f"report {place}: no such directory; expected run directories or folders of them")

    from smoothlab.reports.comparison import Comparison
    from smoothlab.reports.page import write_markdown, write_page
    from smoothlab.reports.page.writing import check_folder
    from smoothlab.reports.records import read_records

    records = read_records(places)
    records, tried = _chosen(records, places)
    _check(records, places, options.get("--baseline"))
    folder = Path(options["--out"]) if "--out" in options else _beside(records)
    check_folder(folder)
    with _threads_for(records):
        comparison = Comparison.of(records.records, baseline=options.get("--baseline"))
        write = write_markdown if options.get("--format") == "md" else write_page
        path = write(comparison, records, folder, title=options.get("--title") or _title(records))
    left_out = _left_out(records)
    if tried:
        left_out.append(f"left out: {tried} runs that a comparison tried and did not choose")
    return path, list(comparison.verdict.sentences), left_out


@contextlib.contextmanager
def _threads_for(records: Records) -> Iterator[None]:
    """One thread where no run has many predictions: sharing out small tensors costs more than it saves."""
    import torch

    threads = torch.get_num_threads()
    if max((run.bytes_of_predictions for run in records.records), default=0) < WORTH_THREADS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _read(words: Sequence[str]) -> tuple[list[Path], dict[str, str]]:
    """Directories, and options with their values."""
    places: list[Path] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            places.append(Path(word))
            continue
        name, equals, value = word.partition("=")
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, n=1)
            hint = f"; nearest: {near[0]}" if near else ""
            raise UserMistake(f"report {name}: no such option{hint}; options: {', '.join(OPTIONS)}")
        given = value if equals else next(rest, None)
        if not given:
            raise UserMistake(f"report {name}: expected a value after it")
        options[name] = given
    if not places:
        raise UserMistake("report: expected directories of runs, such as outputs/medical")
    if (form := options.get("--format", FORMATS[0])) not in FORMATS:
        raise UserMistake(f"report --format {form}: expected {' or '.join(FORMATS)}")
    return places, options


def _beside(records: Records) -> Path:
    """``report/`` in the folder that holds all runs."""
    common = os.path.commonpath([record.path.resolve().parent for record in records.records])
    return Path(os.path.relpath(common)) / "report"


def _chosen(records: Records, places: Sequence[Path]) -> tuple[Records, int]:
    """Without the runs that a comparison made only to choose settings by, unless they were named; and how many."""
    from smoothlab.reports.records import Records, arms_of

    arms = {folder: arms_of(folder) for folder in {record.path.parent for record in records.records}}
    named = {place.resolve() for place in places}
    chosen = tuple(
        record
        for record in records.records
        if not record.done
        or not arms[record.path.parent]
        or record.path.name in arms[record.path.parent]
        or record.path.resolve() in named
    )
    return Records(chosen, records.problems), len(records.records) - len(chosen)


def _check(records: Records, places: Sequence[Path], baseline: str | None) -> None:
    """Refuse what no report can be made of.

    Raises:
        UserMistake: no finished run, or no such arm.
    """
    arms = list(dict.fromkeys(record.arm for record in records.records if record.done))
    if not arms:
        states = [f"{record.path.name}: {record.says}" for record in records.problems]
        states += [f"{record.path.name}: {record.state}" for record in records.records]
        what = f"found {'; '.join(states[:NAMES])}" if states else "expected folders with results.json in them"
        raise UserMistake(f"report {' '.join(map(str, places))}: no finished run; {what}")
    if baseline is not None and baseline not in arms:
        near = difflib.get_close_matches(baseline, arms, n=1)
        hint = f"; nearest: {near[0]}" if near else ""
        raise UserMistake(f"report --baseline {baseline}: no such arm{hint}; arms: {'; '.join(arms)}")


def _title(records: Records) -> str:
    """The experiments, and the question."""
    names = Counter(record.name for record in records.records if record.done)
    shown = ", ".join(name for name, _ in names.most_common(3))
    several = len({record.arm for record in records.records if record.done}) > 1
    return f"{shown}: does smoothing help?" if several else shown


def _left_out(records: Records) -> list[str]:
    """A line for each run that the report leaves out, up to a few."""
    lines = [f"left out: {record.path}: {record.says}" for record in records.problems]
    lines += [f"left out: {record.path}: {record.state}" for record in records.records if not record.done]
    more = len(lines) - NAMES
    return lines[:NAMES] + ([f"left out: {more} more, named in the report"] if more > 0 else [])
