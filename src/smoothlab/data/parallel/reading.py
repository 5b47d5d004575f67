"""Sentence pairs in files: two files with a sentence a line, or a table with two columns."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.data.parallel.lines import lines_of, read_text
from smoothlab.data.table.archives import BINARY
from smoothlab.data.table.json_lines import read_json_lines
from smoothlab.errors import InvalidArgument, UserMistake, readable

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
TABLES = (*SEPARATORS, *JSON_LINES, *BINARY)


def read_pairs(given: Any, key: str, columns: Sequence[str], header: int | None) -> pd.DataFrame:
    """Columns ``source`` and ``target`` of text, a row a pair, in the order of the file.

    Args:
        given: a table's path, or two paths of files with a sentence a line, the source first.
        key: what to call it in an error.
        columns: of the table, the source's first.
        header: number of a .csv or .tsv file's line with the names of its columns, from 0; None: 0, 1, ...

    Raises:
        UserMistake: files that cannot be read, or two of unequal length.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        return two_columns(read_sentence_table(path, key, header), columns, f"{key} = {str(path)!r}")
    both = list(given) if isinstance(given, Sequence) else []
    if len(both) != 2 or not all(isinstance(path, str | Path) for path in both):
        raise InvalidArgument(key.removeprefix("data."), given, "[source file, target file], or one table")
    source, target = (lines_of(read_text(path, key)) for path in both)
    if len(source) != len(target):
        raise UserMistake(
            f"{key}: {both[0]} has {len(source):,} lines and {both[1]} has {len(target):,}; "
            "expected as many, line by line"
        )
    return pd.DataFrame({"source": source, "target": target}, dtype=object)


def read_sentence_table(path: Path, key: str, header: int | None = 0) -> pd.DataFrame:
    """A table of sentences; in .tsv quotes are letters like all others, and no word means "missing".

    Raises:
        UserMistake: another kind of file, or one that cannot be read.
    """
    ending, where = table_ending(path), f"{key} = {str(path)!r}"
    if ending is None:
        raise UserMistake(f"{where}: expected [source file, target file], or a table ending in {', '.join(TABLES)}")
    with readable(where, ending[1:]):
        if ending in BINARY:
            if not path.is_file():
                raise UserMistake(f"{where}: no such file")
            frame = BINARY[ending](path)
        elif ending in JSON_LINES:
            frame = read_json_lines(read_text(path, key), where=where)
        else:
            frame = _separated(read_text(path, key).replace("\r\n", "\n"), SEPARATORS[ending], header)
    return frame.set_axis([str(name) for name in frame.columns], axis=1)


def table_ending(path: Path) -> str | None:
    """The ending that says which kind of table a file is, such as ``.tsv`` for ``a.tsv.gz``; None: it is none."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSED:
        endings.pop()
    return endings[-1] if endings and endings[-1] in TABLES else None


def two_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> pd.DataFrame:
    """The columns ``source`` and ``target`` of a table, as texts; an empty cell is an empty text.

    Raises:
        UserMistake: a column is not there.
    """
    return pd.DataFrame(
        {
            side: texts_in(frame, name, f"data.{side}_column", where)
            for side, name in zip(("source", "target"), columns, strict=True)
        },
        dtype=object,
    )


def texts_in(frame: pd.DataFrame, name: str, key: str, where: str) -> list[str]:
    """A column as texts; an empty cell is an empty text.

    Raises:
        UserMistake: the column is not there, or a text has half a character, which UTF-8 does not know.
    """
    if name not in frame.columns:
        shown = ", ".join(map(str, frame.columns[:8])) + (", ..." if len(frame.columns) > 8 else "")
        raise UserMistake(f"{where}: {key} = {name!r} is no column; the table has {shown}")
    cells = frame[name]
    texts = [
        cell if isinstance(cell, str) else "" if empty else str(cell)
        for cell, empty in zip(cells, cells.isna(), strict=True)
    ]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        row = next(row for row, text in enumerate(texts) if any("\ud800" <= letter <= "\udfff" for letter in text))
        raise UserMistake(
            f"{where}: column {name!r}, data row {row + 1}: half a surrogate pair is no character"
        ) from None
    return texts


def _separated(text: str, separator: str, header: int | None) -> pd.DataFrame:
    options: dict[str, Any] = {"sep": separator, "header": header, "dtype": str, "na_filter": False}
    if separator == "\t":
        options |= {"quoting": csv.QUOTE_NONE}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(StringIO(text), lineterminator="\n", skip_blank_lines=False, index_col=False, **options)
        except pd.errors.ParserWarning:
            raise ValueError("rows have more cells than there are column names") from None
