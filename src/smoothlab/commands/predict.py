"""`smoothlab predict run=<directory> input=<table or folder> output=<table>`: probabilities for raw rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smoothlab.commands.compose import compose_config, no_sweep, plain
from smoothlab.errors import UserMistake

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".parquet")


def run(words: Sequence[str]) -> int:
    """The command: everything that can be wrong is checked before the model reads a row."""
    values = plain(compose_config("predict", no_sweep("predict", words)))

    from smoothlab.runs.atomic import write_atomically
    from smoothlab.runs.model import load
    from smoothlab.runs.writable import check_output

    for key in ("run", "input", "output", "checkpoint"):
        check_text(key, values[key])
    source, output = Path(values["input"]), Path(values["output"])
    batch_size = values["batch_size"]
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise UserMistake(f"batch_size = {batch_size!r}: expected an integer of at least 1")
    check_output(output, TABLES)
    if source.resolve() == output.resolve() or (source.exists() and output.exists() and source.samefile(output)):
        raise UserMistake(f"output = {str(output)!r}: is the input itself; expected another file")
    model = load(values["run"], checkpoint=values["checkpoint"], code=values["code"])
    frame = model.encoder.read(source) if hasattr(model.encoder, "read") else read_table(source)
    table = model.predict(frame, batch_size=batch_size, where=str(source))
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


def read_table(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file as a DataFrame.

    Raises:
        UserMistake: no such file, another kind of file, not readable, or without rows.
    """
    import pandas as pd

    if path.suffix not in TABLES:
        raise UserMistake(f"input = {str(path)!r}: expected a file ending in {' or '.join(TABLES)}")
    if not path.is_file():
        raise UserMistake(f"input = {str(path)!r}: no such file")
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except pd.errors.EmptyDataError:
        raise UserMistake(f"input = {str(path)!r}: the file is empty") from None
    except (OSError, ValueError) as error:  # pandas' and pyarrow's parse errors are ValueErrors
        reason = str(error).strip().splitlines()[0]
        raise UserMistake(f"input = {str(path)!r}: not readable as {path.suffix[1:]} ({reason})") from None
    if frame.empty:
        raise UserMistake(f"input = {str(path)!r}: the file has no rows")
    return frame
