"""`smoothlab ensemble runs=[<directory>,...] output=<folder>`: the mean of several runs as one model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from smoothlab.config.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake


def run(words: Sequence[str]) -> int:
    """The command: prints the metrics of the mean; ``predict run=<folder>`` uses it."""
    values = plain(compose_config("ensemble", no_sweep("ensemble", words)))

    from smoothlab.commands.predict import check_text
    from smoothlab.models.ensemble import ENSEMBLE, make_ensemble
    from smoothlab.rundir.reading import read_json
    from smoothlab.rundir.writable import check_no_run
    from smoothlab.tracking.console import results_table

    runs = values["runs"]
    if not isinstance(runs, list) or not all(isinstance(path, str) for path in runs):
        raise UserMistake(f"runs = {runs!r}: expected a list of run directories, such as [outputs/a,outputs/b]")
    check_text("output", values["output"])
    output = Path(values["output"])
    check_no_run(output, key="output")
    metrics = make_ensemble(runs, output)
    if metrics:
        print(results_table(metrics))
    for note in read_json(output / ENSEMBLE)["notes"]:
        print(note, file=sys.stderr)
    print(f"{output / ENSEMBLE} written; use it as smoothlab predict run={output} ...", file=sys.stderr)
    return 0
