"""`smoothlab evaluate run=<directory>`: score a run's data again with its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smoothlab.commands.compose import compose_config, no_sweep, plain
from smoothlab.commands.predict import check_text
from smoothlab.errors import UserMistake


def run(words: Sequence[str]) -> int:
    """The command: prints the metrics, and writes them where ``output`` says."""
    values = plain(compose_config("evaluate", no_sweep("evaluate", words)))

    from smoothlab.runs.atomic import write_json
    from smoothlab.runs.evaluating import evaluate
    from smoothlab.runs.writable import check_output
    from smoothlab.tracking.console import results_table, run_log

    for key in ("run", "checkpoint", *(["output"] if values["output"] is not None else [])):
        check_text(key, values[key])
    output = Path(values["output"]) if values["output"] is not None else None
    if output is not None:
        check_output(output, (".json",))
    splits = values["splits"]
    if not isinstance(splits, list) or not splits or any(one not in ("train", "val", "test") for one in splits):
        raise UserMistake(f"splits = {splits!r}: expected a list of train, val, test")
    with run_log(None):
        metrics = evaluate(values["run"], checkpoint=values["checkpoint"], splits=splits, code=values["code"])
    print(results_table(metrics))
    if output is not None:
        write_json(output, {"run": values["run"], "checkpoint": values["checkpoint"], "metrics": metrics})
    return 0
