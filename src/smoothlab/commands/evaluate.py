"""`smoothlab evaluate run=<directory> [input=<file>]`: score a run's data again, or new rows with labels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoothlab.commands.predict import check_text
from smoothlab.config.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake


def run(words: Sequence[str]) -> int:
    """The command: prints the metrics, and writes them where ``output`` says."""
    values = plain(compose_config("evaluate", no_sweep("evaluate", words)))

    from smoothlab.rundir.atomic import write_json
    from smoothlab.rundir.writable import check_output
    from smoothlab.tracking.console import results_table, run_log
    from smoothlab.training.evaluating import evaluate

    for key in ("run", "checkpoint", *(key for key in ("output", "input") if values[key] is not None)):
        check_text(key, values[key])
    output = Path(values["output"]) if values["output"] is not None else None
    if output is not None:
        check_output(output, (".json",))
    if values["input"] is not None:
        return _new_rows(values, output)
    splits = values["splits"]
    if not isinstance(splits, list) or not splits or any(split not in ("train", "val", "test") for split in splits):
        raise UserMistake(f"splits = {splits!r}: expected a list of train, val, test")
    with run_log(None):
        metrics = evaluate(values["run"], checkpoint=values["checkpoint"], splits=splits, code=values["code"])
    print(results_table(metrics))
    if output is not None:
        write_json(output, {"run": values["run"], "checkpoint": values["checkpoint"], "metrics": metrics})
    return 0


def _new_rows(values: dict[str, Any], output: Path | None) -> int:
    """Score a new file, and say how far it is from the training rows."""
    from smoothlab.models.new_rows import evaluate_file
    from smoothlab.rundir.atomic import write_json
    from smoothlab.tracking.console import drift_table, new_rows_table, run_log

    with run_log(None):
        evaluation = evaluate_file(
            values["run"], Path(values["input"]), checkpoint=values["checkpoint"], code=values["code"]
        )
    print(new_rows_table(evaluation.metrics, evaluation.intervals, evaluation.test, evaluation.test_intervals))
    print(f"\n{evaluation.rows} rows of {values['input']}; test: the run's own test rows")
    if evaluation.columns is not None:
        print("\n" + drift_table(evaluation.columns))
    if evaluation.label_shift is not None:
        index, chance = evaluation.label_shift
        print(f"\nlabels: stability index {index:.3f} ({chance:.3f} is exceeded by chance once in a hundred times)")
    if len(evaluation.classes):
        print(evaluation.classes.to_string(index=False, max_rows=20, float_format=lambda number: f"{number:.3f}"))
    for note in evaluation.notes:
        print(note, file=sys.stderr)
    if output is not None:
        about = {key: values[key] for key in ("run", "checkpoint", "input")}
        write_json(output, {**about, **evaluation.to_json()})
    return 0
