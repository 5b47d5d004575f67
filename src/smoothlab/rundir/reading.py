"""Read files of a run directory, which may come from elsewhere or be damaged, without harm to whoever reads."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from smoothlab.rundir.content import MissingFile, UnreadableFile, content_of
from smoothlab.yaml_limits import load_yaml

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["MissingFile", "UnreadableFile", "read_columns", "read_csv", "read_json", "read_parquet", "read_yaml"]

MOST_OF_TABLE = 2**34  # bytes of a table
MOST_CELLS = 10**8  # of a table of any size; a larger one has at least a byte for so many:
MANY_BYTES = 2**22  # from which on threads read a table faster than one
CELLS_PER_BYTE = 64  # equal values take next to nothing in a Parquet file, and 8 bytes each once they are read


def read_json(path: Path, *, verified: bool = True) -> dict[str, Any]:
    """The object in a JSON file; ``verified`` is that of :func:`smoothlab.rundir.content.content_of`.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, no JSON, or no object; infinities, NaN and whole numbers beyond 64 bits are no
            JSON here.
    """
    try:
        content = json.loads(
            _text(path, verified), parse_constant=_refuse_constant, parse_int=_whole, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path}: not readable as JSON ({_reason(error)})") from None
    return _mapping(content, path, "a JSON object")


def read_yaml(path: Path, load: Callable[[str], Any] = load_yaml) -> dict[str, Any]:
    """The mapping in a YAML file, of plain values.

    Args:
        path: of the file.
        load: what parses its text; that of :class:`smoothlab.yaml_limits.AlikeTexts` where many files are alike.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, too deep, no YAML, or no mapping.
    """
    text = _text(path)
    try:
        content = load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UnreadableFile(f"{path}: not readable as YAML ({_reason(error)})") from None
    return _mapping(content, path, "a mapping")


def read_parquet(path: Path, wanted: Callable[[str], bool] | None = None) -> pa.Table:
    """The table in a Parquet file of predictions.

    Args:
        path: of the file.
        wanted: which columns, by name; None: all.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, packed or not, no Parquet, or not what was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = content_of(path, MOST_OF_TABLE)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            cells = file.metadata.num_rows * file.metadata.num_columns
            if cells > max(MOST_CELLS, CELLS_PER_BYTE * len(content)):
                raise ValueError(f"{cells:,} cells in {len(content):,} bytes")
            columns = None if wanted is None else [name for name in file.schema_arrow.names if wanted(name)]
            table = file.read(columns, use_threads=len(content) > MANY_BYTES)
            table.validate(full=True)
            return table
    except Exception as error:  # whatever a damaged file makes its reader say
        raise UnreadableFile(f"{path}: not readable as predictions ({_reason(error)})") from None


def read_csv(path: Path) -> pd.DataFrame:
    """The table in metrics.csv.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, no such table, or not what was written.
    """
    import pandas as pd

    content = content_of(path)
    try:
        return pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise UnreadableFile(f"{path}: not readable as CSV ({_reason(error)})") from None


def read_columns(path: Path, wanted: Collection[str]) -> dict[str, list[float]]:
    """Some columns of metrics.csv as numbers, those that are there; NaN where a cell is no number.

    Raises:
        MissingFile: there is no such file.
        UnreadableFile: it is too large, no such table, or not what was written.
    """
    text = _text(path)
    try:
        head, *rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row] or [[]]
        if not head:
            raise ValueError("no columns")
        places = {name: head.index(name) for name in wanted if name in head}
        for row in rows:
            if len(row) > len(head):
                raise ValueError(f"{len(row)} cells below {len(head)} names")
    except (ValueError, csv.Error) as error:
        raise UnreadableFile(f"{path}: not readable as CSV ({_reason(error)})") from None
    return {
        name: [_number(row[place]) if place < len(row) else math.nan for row in rows] for name, place in places.items()
    }


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _text(path: Path, verified: bool = True) -> str:
    try:
        return content_of(path, verified=verified).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{path}: not readable ({_reason(error)})") from None


def _whole(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"a number of {len(digits)} digits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _mapping(content: Any, path: Path, expected: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UnreadableFile(f"{path}: expected {expected}, found {type(content).__name__}")
    return content


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    return re.sub(r"\s+", " ", str(error).strip().splitlines()[0]) if str(error).strip() else type(error).__name__
