"""`smoothlab export run=<directory> output=<folder or file>`: a run's model as one file that runs elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoothlab.config.compose import compose_config, no_sweep, plain
from smoothlab.errors import RunFailed, UserMistake

MLFLOW = "mlflow"


def run(words: Sequence[str]) -> int:
    """The command: exit code 0, or 1 where the graph differs from the checkpoint, and nothing was written."""
    values = plain(compose_config("export", no_sweep("export", words)))

    from smoothlab.commands.predict import check_text
    from smoothlab.export.exporting import SUFFIXES, TOLERANCE, export
    from smoothlab.rundir.writable import check_folder, check_output

    for key in ("run", "output", "checkpoint"):
        check_text(key, values[key])
    kind = values["format"]
    if kind not in (*SUFFIXES, MLFLOW):
        raise UserMistake(f"format = {kind!r}: expected {', '.join(SUFFIXES)} or {MLFLOW}")
    output = Path(values["output"])
    if kind == MLFLOW:
        return _of_mlflow(values, output)
    if output.suffix in SUFFIXES.values():
        if output.suffix != SUFFIXES[kind]:
            raise UserMistake(f"output = {str(output)!r}: expected a folder, or a file ending in {SUFFIXES[kind]}")
        check_output(output, (SUFFIXES[kind],))
    elif output.is_file():
        raise UserMistake(
            f"output = {str(output)!r}: is a file; expected a folder, or a file ending in {SUFFIXES[kind]}"
        )
    else:
        check_folder(output, key="output")
    try:
        written = export(values["run"], output, kind, checkpoint=values["checkpoint"], code=values["code"])
    except RunFailed as error:
        print(f"smoothlab: {error}", file=sys.stderr)
        return 1
    print(
        f"{written.path} and {written.metadata.name} written; on {written.rows} made-up rows its probabilities are "
        f"{written.difference:.1g} off the checkpoint's at most ({TOLERANCE:g} is allowed); graph {written.graph}",
        file=sys.stderr,
    )
    return 0


def _of_mlflow(values: dict[str, Any], output: Path) -> int:
    """A folder for MLflow."""
    from smoothlab.export.mlflow_folder import export_mlflow
    from smoothlab.rundir.writable import check_folder

    check_folder(output.parent, key="output")
    try:
        written = export_mlflow(values["run"], output, checkpoint=values["checkpoint"], code=values["code"])
    except RunFailed as error:
        print(f"smoothlab: {error}", file=sys.stderr)
        return 1
    print(
        f"{output} written; its probabilities are {written.difference:.1g} off the checkpoint's at most. Try it: "
        f"mlflow models serve -m {output} --env-manager local",
        file=sys.stderr,
    )
    return 0
