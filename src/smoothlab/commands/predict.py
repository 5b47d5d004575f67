"""`smoothlab predict run=<directory> input=<table or folder> output=<table>`: probabilities for raw rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from smoothlab.commands.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake

TABLES = (".csv", ".parquet")
LINES = ".txt"  # of translations


def run(words: Sequence[str]) -> int:
    """The command: everything that can be wrong is checked before the model reads a row."""
    values = plain(compose_config("predict", no_sweep("predict", words)))

    from smoothlab.data import read_table
    from smoothlab.runs.atomic import write_atomically, write_text
    from smoothlab.runs.model import load
    from smoothlab.runs.writable import check_output

    for key in ("run", "input", "output", "checkpoint"):
        check_text(key, values[key])
    source, output = Path(values["input"]), Path(values["output"])
    batch_size = values["batch_size"]
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise UserMistake(f"batch_size = {batch_size!r}: expected an integer of at least 1")
    check_output(output, (*TABLES, LINES))
    if source.resolve() == output.resolve() or (source.exists() and output.exists() and source.samefile(output)):
        raise UserMistake(f"output = {str(output)!r}: is the input itself; expected another file")
    model = load(values["run"], checkpoint=values["checkpoint"], code=values["code"])
    if output.suffix == LINES and model.kind != "translation":
        raise UserMistake(f"output = {str(output)!r}: expected a file ending in {' or '.join(TABLES)}")
    frame = model.encoder.read(source) if hasattr(model.encoder, "read") else read_table(source, key="input")
    table = model.predict(frame, batch_size=batch_size, where=str(source))
    for note in model.notes:
        print(note, file=sys.stderr)
    if output.suffix == LINES:
        lines = "".join(f"{' '.join(one.split())}\n" for one in table["translation"])
        write_text(output, lines)
        print(f"{len(table)} lines written to {output}", file=sys.stderr)
        return 0
    if table.index.name is not None:  # what rows are called, where they are no rows of a table
        table = table.reset_index()
    if output.suffix == ".csv":
        write_atomically(output, lambda temporary: table.to_csv(temporary, index=False))
    else:
        write_atomically(output, lambda temporary: table.to_parquet(temporary, index=False))
    print(f"{len(table)} rows written to {output}", file=sys.stderr)
    return 0


def check_text(key: str, value: object) -> None:
    """Refuse what Hydra read as something else than text: null, a number, a list.

    Raises:
        UserMistake: not text, or empty.
    """
    if not isinstance(value, str) or not value.strip():
        raise UserMistake(f"{key} = {value!r}: expected text that is not empty")
