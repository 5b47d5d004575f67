"""Parquet files and the row groups in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as types

from smoothlab.data.module import SPLITS
from smoothlab.data.table.reading import EMPTY_WORDS
from smoothlab.errors import InvalidArgument, UserMistake, readable
from smoothlab.unpacking import check_rows

ERRORS = (OSError, ValueError, KeyError, pa.ArrowException)  # of pyarrow, on a file that is none

SUFFIXES = (".parquet", ".pq")


@dataclass(frozen=True)
class RowGroup:
    """Rows that are read together.

    Args:
        path: of the file.
        index: of the group in the file.
        first: number of its first row in all files.
        rows: how many there are.
        split: of a file that is one split's own; else None.
    """

    path: str
    index: int
    first: int
    rows: int
    split: str | None

    @property
    def place(self) -> str:
        """What to call it in an error."""
        return f"row group {self.index + 1} of {self.path!r}"


class ParquetFiles:
    """The row groups of a file, of all files in a folder, or of one of these for each split.

    Columns that stand in the names of folders (``year=2024/``) are not read.

    Args:
        path: a file, a folder, or a mapping of ``train``, ``test`` and, or not, ``val``.

    Attributes:
        groups: in the order of the files' names.
        types: of the columns by name.
        num_rows: of all files.

    Raises:
        UserMistake: a file cannot be read, they do not fit together, or there is no row.
    """

    def __init__(self, path: str | Mapping[str, str]) -> None:
        if isinstance(path, Mapping):
            if not {"train", "test"} <= set(path) <= set(SPLITS):
                raise InvalidArgument("path", list(path), "train and test, and val or not")
            of_split: dict[str | None, str] = {split: path[split] for split in SPLITS if split in path}
        else:
            of_split = {None: path}
        self.paths: list[str] = []
        self.groups: list[RowGroup] = []
        self.types: dict[str, pa.DataType] = {}
        self.num_rows = 0
        for split, place in of_split.items():
            key = "data.path" if split is None else f"data.path.{split}"
            before = self.num_rows
            for file in _files_of(Path(place), key):
                self._add(file, split, key)
            if self.num_rows == before:
                raise UserMistake(f"{key} = {str(place)!r}: there are no rows in it")

    def _add(self, path: Path, split: str | None, key: str) -> None:
        with readable(f"{key} = {str(path)!r}", "Parquet", ERRORS), pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
            check_rows(max(sizes, default=0), schema)
        index_columns = (schema.pandas_metadata or {}).get("index_columns", [])  # names, or dicts of ranges
        types = {field.name: field.type for field in schema if field.name not in index_columns}
        twice = [name for name in schema.names if schema.names.count(name) > 1]
        if twice:
            raise UserMistake(f"{key} = {str(path)!r}: column {twice[0]!r} is there twice; name each column once")
        lost = [name for name in self.types if name not in types]
        if lost:
            raise UserMistake(f"{key} = {str(path)!r}: lacks the column {lost[0]!r}, which {self.paths[0]!r} has")
        self.types = self.types or types
        self.paths.append(str(path))
        for index, rows in enumerate(sizes):
            if rows:
                self.groups.append(RowGroup(str(path), index, self.num_rows, rows, split))
                self.num_rows += rows

    def fingerprint(self) -> str:
        """A hash of the files' contents: 64 hexadecimal digits."""
        digest = hashlib.sha256()
        splits = {group.path: group.split for group in self.groups}
        for path in self.paths:
            with open(path, "rb") as file:
                digest.update(f"{splits.get(path)} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()

    def rows_with(self, column: str) -> RowGroup | None:
        """A row group in which a column is not empty, as far as the files' own statistics tell."""
        for group in self.groups:
            with readable(group.place, "Parquet", ERRORS):
                metadata = pq.read_metadata(group.path).row_group(group.index)
            for place in range(metadata.num_columns):
                chunk = metadata.column(place)
                statistics = chunk.statistics
                known = statistics is not None and statistics.has_null_count
                if chunk.path_in_schema == column and not (known and statistics.null_count == group.rows):
                    return group
        return None


class Reader:
    """Reads row groups; the last file stays open. Each process and thread needs one of its own.

    A word that means "missing" in any file, such as ``?``, is an empty cell here too.

    Args:
        columns: to be read.
        dictionaries: those of them, of words, that are kept as codes and their dictionary, which is faster.
        threads: whether columns are decoded in several threads.
    """

    def __init__(self, columns: Sequence[str], *, dictionaries: Sequence[str] = (), threads: bool = True) -> None:
        self._columns = list(columns)
        self._dictionaries = list(dictionaries)
        self._threads = threads
        self._path = ""
        self._file: pq.ParquetFile | None = None

    def read(self, group: RowGroup) -> pa.Table:
        """The rows of a group.

        Raises:
            UserMistake: the file cannot be read, in one line.
        """
        with readable(group.place, "Parquet", ERRORS):
            if self._file is None or self._path != group.path:
                self.close()
                self._file = pq.ParquetFile(group.path, read_dictionary=self._dictionaries)
                self._path = group.path
            table = self._file.read_row_group(group.index, columns=self._columns, use_threads=self._threads)
        if table.num_rows != group.rows:
            raise UserMistake(f"{group.place}: the file changed while it was read")
        return emptied(table)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def emptied(table: pa.Table) -> pa.Table:
    """Cells of words that are empty, or hold a word that means "missing", emptied."""
    for place, field in enumerate(table.schema):
        coded = types.is_dictionary(field.type)
        kind = field.type.value_type if coded else field.type
        if not (types.is_string(kind) or types.is_large_string(kind)):
            continue
        words, cells = pa.array(EMPTY_WORDS, kind), table.column(place)
        chunks = [_emptied_codes(chunk, words) if coded else _emptied_words(chunk, words) for chunk in cells.chunks]
        if any(made is not chunk for made, chunk in zip(chunks, cells.chunks, strict=True)):
            table = table.set_column(place, field.name, pa.chunked_array(chunks, field.type))
    return table


def _emptied_codes(cells: pa.DictionaryArray, words: pa.Array) -> pa.DictionaryArray:
    empty = pc.is_in(cells.dictionary, value_set=words).to_numpy(zero_copy_only=False).nonzero()[0]
    if not len(empty):
        return cells
    hit = pc.is_in(cells.indices, value_set=pa.array(empty, cells.indices.type))
    codes = pc.if_else(hit, pa.scalar(None, cells.indices.type), cells.indices)
    return pa.DictionaryArray.from_arrays(codes, cells.dictionary)


def _emptied_words(cells: pa.Array, words: pa.Array) -> pa.Array:
    hit = pc.is_in(cells, value_set=words)
    return pc.if_else(hit, pa.scalar(None, cells.type), cells) if pc.any(hit).as_py() else cells


def _files_of(path: Path, key: str) -> list[Path]:
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith((".", "_"))
        )
        if not files:
            raise UserMistake(f"{key} = {str(path)!r}: no {' or '.join(SUFFIXES)} file in this folder")
        return files
    if not path.exists():
        raise UserMistake(f"{key} = {str(path)!r}: no such file or folder")
    if path.suffix.lower() not in SUFFIXES:
        raise UserMistake(f"{key} = {str(path)!r}: only Parquet is streamed ({', '.join(SUFFIXES)}); try data=table")
    return [path]
