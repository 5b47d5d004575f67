"""Tables in files, a part of the rows after the other: in memory that does not grow with the file."""

from __future__ import annotations

import codecs
import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from smoothlab.data.table.archives import with_index
from smoothlab.data.table.reading import (
    MISSING_WORDS,
    SNIFFED,
    TEXT,
    chosen_separator,
    csv_options,
    emptied,
    read_table,
    suffix_of,
    usually_emptied,
    without_sep_line,
)
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.unpacking import OPENERS

MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


def table_parts(
    path: str | Path,
    rows: int,
    *,
    words: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    key: str = "input",
    **reading: Any,
) -> Iterator[pd.DataFrame]:
    """The rows of a file in parts, whose cells are those that :func:`read_table` would give.

    Text files, packed ones too, and Parquet are read in parts; others whole, then cut. A column of words is read twice:
    what its cells are (3 or "03") depends on all of them.

    Args:
        path: the file.
        rows: of a part at most.
        words: columns whose cells are taken as words.
        columns: that are needed; others may be left out. None: all.
        key: what to call the path in an error.
        reading: see :func:`read_table`.

    Raises:
        UserMistake: as of :func:`read_table`, perhaps after some parts.
    """
    path = Path(path)
    suffix = suffix_of(path, key)
    in_text = suffix in TEXT and path.suffix.lower() != ".zip" and not set(reading.get("verbatim", ())) & set(words)
    if path.is_file() and suffix in (".parquet", ".pq") and reading.get("names") is None:
        parts: Iterator[pd.DataFrame] = _parquet(path, rows, columns)
    elif path.is_file() and in_text:
        parts = _text(path, suffix, rows, words, reading)
    else:
        frame = read_table(path, key=key, **reading)
        yield from (frame.iloc[start : start + rows] for start in range(0, len(frame), rows))
        return
    missing_words, seen = reading.get("missing_words", ()), 0
    try:
        for part in parts:
            part.columns = [str(name).strip() for name in part.columns]
            part.index = pd.RangeIndex(seen, seen + len(part))
            seen += len(part)
            if len(part):
                if suffix not in TEXT:
                    part = usually_emptied(part, reading.get("verbatim", ()))
                yield (
                    part if suffix in TEXT and not isinstance(missing_words, Mapping) else emptied(part, missing_words)
                )
    except (UserMistake, InvalidArgument):
        raise
    except Exception as error:  # of whichever reader; the other way of reading knows what to say
        read_table(path, key=key, **reading)
        raise UserMistake(f"{key} = {str(path)!r}: not readable in parts ({error})") from None
    if not seen:
        read_table(path, key=key, **reading)


def _parquet(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        chosen = None if columns is None or not set(columns) <= set(names) else list(columns)
        floats = [name for name in _with_nulls(file) if chosen is None or name in chosen]
        for batch in file.iter_batches(batch_size=rows, columns=chosen):
            frame = with_index(pa.Table.from_batches([batch]).to_pandas(ignore_metadata=False))
            plain = [name for name in floats if isinstance(frame[name].dtype, np.dtype)]  # pandas' Int64 stays whole
            yield frame.astype(dict.fromkeys(plain, "float64"))


def _with_nulls(file: Any) -> list[str]:
    """Columns of whole numbers with an empty cell somewhere: as a whole they would be floats."""
    import pyarrow as pa

    groups, names = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)], []
    for place in range(file.metadata.num_columns):
        name = file.schema.column(place).path
        at = file.schema_arrow.get_field_index(name)
        if at < 0 or not pa.types.is_integer(file.schema_arrow.field(at).type):
            continue
        counts = [group.column(place).statistics for group in groups]
        if any(part is not None and part.has_null_count and part.null_count for part in counts):
            names.append(name)
    return names


def _text(
    path: Path, suffix: str, rows: int, words: Sequence[str], reading: Mapping[str, Any]
) -> Iterator[pd.DataFrame]:
    missing_words = reading.get("missing_words", ())
    empty = [*MISSING_WORDS, *map(str, () if isinstance(missing_words, Mapping) else missing_words)]
    with _opened(path, reading) as file:
        sample = file.read(2 * SNIFFED)
    if "\0" in sample or not sample.strip():
        raise ValueError("no text")
    body, separator = without_sep_line(sample, reading.get("separator", "auto"))
    separator = chosen_separator(body, separator, suffix)
    names, header = reading.get("names"), reading.get("header", 0)
    options = csv_options(body, separator, reading.get("decimal", "auto"), header, names, empty)
    skips = body is not sample and len(body) < len(sample)
    if words:
        chosen = {**options, "usecols": lambda name: str(name).strip() in words}
        kinds: dict[str, set[str]] = {}
        for part in _chunks(path, reading, skips, chosen, rows):
            for name in part.columns:
                kinds.setdefault(name, set()).add(_kind(part[name]))
        options["dtype"] = {name: kind for name in kinds if (kind := _whole(kinds[name])) is not None}
    yield from _chunks(path, reading, skips, options, rows)


def _chunks(
    path: Path, reading: Mapping[str, Any], skips: bool, options: dict[str, Any], rows: int
) -> Iterator[pd.DataFrame]:
    with _opened(path, reading) as file:
        if skips:  # a line such as sep=;
            file.readline()
        with pd.read_csv(file, chunksize=rows, **options) as reader:
            while True:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", pd.errors.ParserWarning)
                    try:
                        part = next(reader)
                    except StopIteration:
                        return
                yield part


@contextlib.contextmanager
def _opened(path: Path, reading: Mapping[str, Any]) -> Iterator[IO[str]]:
    opened = OPENERS.get(path.suffix.lower(), open)
    with opened(path, "rb") as file:
        start = file.read(4)
    encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), reading.get("encoding", "utf-8"))
    with opened(path, "rt", encoding=encoding, newline="") as file:
        yield file


def _kind(cells: pd.Series) -> str:
    """What the cells of a part were taken as."""
    present = cells.dropna()
    if not len(present):
        return "empty"
    if pd.api.types.is_bool_dtype(cells) or (cells.dtype == object and all(isinstance(cell, bool) for cell in present)):
        return "truth"
    if pd.api.types.is_integer_dtype(cells):
        return "whole"
    return "number" if pd.api.types.is_float_dtype(cells) else "word"


def _whole(kinds: Iterable[str]) -> str | None:
    """How the column is to be read so that each part has what the whole column would be; None: as it comes."""
    there = set(kinds) - {"empty"}
    if "word" in there or ("truth" in there and len(there) > 1):
        return "str"
    if "number" in there or ("whole" in there and "empty" in kinds):
        return "float64"
    return None
