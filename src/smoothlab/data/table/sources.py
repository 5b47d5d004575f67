"""The rows of a table: from one file or function, or from one for each split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from smoothlab.data.parts.reading import Reading
from smoothlab.data.table.hashing import row_hashes
from smoothlab.data.table.kinds import check_columns
from smoothlab.data.table.reading import MissingWords, missing_as_written, read_table, with_missing
from smoothlab.errors import InvalidArgument, UserMistake

Source = Callable[[], Any]
Paths = str | Mapping[str, str] | None
SPLITS = ("train", "val", "test")


class TableSource:
    """The rows of a file or a function, or of one for each split.

    Args:
        source: makes a table, or tables by split; or such functions by split.
        path: a file, or files by split, in place of it.
        reading: how files are read.
    """

    def __init__(self, source: Source | Mapping[str, Source] | None, path: Paths, reading: Reading) -> None:
        self.source = source
        self.path = path
        self.reading = reading

    def rows(self) -> tuple[pd.DataFrame, np.ndarray | None, list[str]]:
        """See :class:`smoothlab.data.rows.RowSource`."""
        frame, splits = read_rows(self.path, self.source, self.reading.options())
        notes = []
        if self.reading.without is not None:
            there, attrs = ~np.isin(frame.index, row_numbers(self.reading.without, frame)), frame.attrs
            notes.append(f"{int((~there).sum())} rows are left out, which {self.reading.without} names")
            frame, splits = frame[there], None if splits is None else splits[there]
            frame.attrs = attrs
        if self.reading.deduplicate:
            twins, attrs = pd.Series(row_hashes(frame)).duplicated().to_numpy(), frame.attrs
            if twins.any():
                notes.append(f"{int(twins.sum())} rows that are equal to another one are left out")
                frame, splits = frame[~twins], None if splits is None else splits[~twins]
                frame.attrs = attrs
        check_columns("verbatim", self.reading.verbatim, frame)
        for name in frame.attrs.get("twice", ()):
            notes.append(f"two columns are called {name!r}; the second one is {name + '.1'!r} here")
        if sheets := frame.attrs.get("sheets"):
            notes.append(f"the sheet {sheets[0]!r} is read; others have rows too: {', '.join(sheets[1:])}")
        for name in frame.attrs.get("nested", ()):
            notes.append(f"column {name!r} is left out: it holds lists or objects")
        return frame, splits, notes

    def lost_labels(self, frame: pd.DataFrame, column: str) -> list[str]:
        """See :class:`smoothlab.data.rows.RowSource`."""
        if not isinstance(self.path, str) or column not in frame.columns:
            return []
        return missing_as_written(frame, self.path, column, self.reading.options())


def row_numbers(path: str, frame: pd.DataFrame) -> np.ndarray:
    """The rows that a file names by their numbers.

    Args:
        path: a CSV file with the column ``row``.
        frame: the rows, whose index numbers them.

    Raises:
        UserMistake: it cannot be read, or names rows that are not there.
    """
    where = f"data.without = {path!r}"
    named = read_table(path, key="data.without")
    if "row" not in named.columns:
        raise UserMistake(
            f"{where}: no column 'row'; expected the numbers of rows, from 0, as smoothlab suspects writes"
        )
    numbers = pd.to_numeric(named["row"], errors="coerce")
    unknown = named["row"][~numbers.isin(frame.index)]
    if len(unknown):
        raise UserMistake(f"{where}: the data have no row {unknown.iloc[0]!s}; is the file of other data?")
    return np.asarray(numbers, dtype=np.int64)


def read_rows(path: Paths, source: Any, reading: Mapping[str, Any]) -> tuple[pd.DataFrame, np.ndarray | None]:
    """All rows, and which split each is from: ``(N,)`` words, or None where they are all from one place.

    Args:
        path: a file, or files by split.
        source: makes a table, or tables by split; or such functions by split.
        reading: how to read files.

    Raises:
        UserMistake: neither or both are given, or the tables do not fit together.
    """
    if (path is None) == (source is None):
        got = "nothing" if path is None else "both"
        raise UserMistake(f"data.path, data.source: got {got}; expected one of them, such as data.path=my.csv")
    if isinstance(path, Mapping):
        _check_splits("path", path)
        made: Any = {split: read_table(inner, key=f"data.path.{split}", **reading) for split, inner in path.items()}
    elif path is not None:
        made = read_table(path, key="data.path", **reading)
    elif isinstance(source, Mapping):
        _check_splits("source", source)
        made = {split: made_by(inner, f"source.{split}") for split, inner in source.items()}
    else:
        made = made_by(source, "source")
    words = reading["missing_words"] if path is None else ()  # a file was read with them
    if not isinstance(made, Mapping):
        return _checked(made, "data", words), None
    _check_splits("source", made)
    frames = {split: _checked(made[split], split, words) for split in SPLITS if split in made}
    first = frames["train"]
    for split, frame in frames.items():
        lost = [name for name in first.columns if name not in frame.columns]
        if lost:
            raise UserMistake(f"data: the {split} table lacks the column {lost[0]!r} of the train table")
    joined = pd.concat([frame[list(first.columns)] for frame in frames.values()], ignore_index=True)
    joined.attrs = dict(first.attrs)
    return joined, np.repeat(list(frames), [len(frame) for frame in frames.values()])


def made_by(source: Any, key: str) -> Any:
    """What a function makes.

    Raises:
        InvalidArgument: it is none.
    """
    if not callable(source):
        raise InvalidArgument(key, source, "a function that makes a table: {_target_: ..., _partial_: true}")
    return source()


def _check_splits(key: str, parts: Mapping[str, Any]) -> None:
    if not {"train", "test"} <= set(parts) <= set(SPLITS):
        raise InvalidArgument(key, list(parts), "train and test, and val or not")


def _checked(frame: Any, where: str, missing_words: MissingWords) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise UserMistake(f"{where}: the source made a {type(frame).__name__}, expected a pandas DataFrame")
    if not len(frame):
        raise UserMistake(f"{where}: the table has no rows")
    attrs = frame.attrs
    frame = frame.reset_index(drop=True).set_axis([str(name) for name in frame.columns], axis=1)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise UserMistake(f"{where}: column {twice[0]!r} is there twice; name each column once")
    frame.attrs = attrs
    return with_missing(frame, missing_words)
