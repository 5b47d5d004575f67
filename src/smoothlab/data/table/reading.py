"""Tables in files: text with separators, JSON lines, Parquet, Arrow, ARFF."""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.data.table.archives import BINARY, open_bytes
from smoothlab.data.table.arff import read_arff
from smoothlab.data.table.json_lines import read_json_lines
from smoothlab.errors import InvalidArgument, UserMistake

TEXT = (".csv", ".tsv", ".txt", ".data", ".tab")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
JSON_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*TEXT, *JSON_LINES, ".arff", *BINARY)
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MISSING_WORDS = ("?",)  # beside those of pandas; the one of UCI and of ARFF
SNIFFED = 65_536  # characters that a separator is judged by
# A number of its own, not a part of 1.234.567, 31.12.2024 or 1,2,3.
DECIMAL_COMMA = re.compile(r"(?<![\w.,-])-?\d+,\d+(?![\w.,])")
DECIMAL_POINT = re.compile(r"(?<![\w.,-])-?\d+\.\d+(?![\w.,])")

MissingWords = Sequence[str] | Mapping[str, Sequence[str]]


def read_table(
    path: str | Path,
    *,
    key: str = "path",
    separator: str = "auto",
    encoding: str = "utf-8",
    decimal: str = "auto",
    header: int | None = 0,
    names: Sequence[str] | None = None,
    missing_words: MissingWords = (),
) -> pd.DataFrame:
    """A table from a file; its ending says of which kind. Only Parquet and Arrow files know the types of their columns.

    Args:
        path: the file.
        key: what to call the path in an error.
        separator: between the cells of a text file, or ``"auto"``.
        encoding: of a text file; a byte order mark is left out.
        decimal: between whole and fraction of a text file's numbers, ``"."``, ``","`` or ``"auto"``.
        header: number of the line with the column names, from 0; None: there is none.
        names: of the columns, in place of the file's; None: the file's, or 0, 1, 2, ...
        missing_words: what means "missing" beside the usual words, in every column, or by column.

    Raises:
        UserMistake: no such file, another kind of file, or one that cannot be read, in one line.
    """
    path = Path(path)
    suffix = suffix_of(path, key)
    if path.is_dir() or not path.exists():
        raise UserMistake(f"{key} = {str(path)!r}: {'a folder, expected a file' if path.is_dir() else 'no such file'}")
    try:
        if suffix in BINARY:
            frame = BINARY[suffix](path)
        else:
            text = decode(open_bytes(path), encoding, f"{key} = {str(path)!r}")
            if not text.strip():
                raise UserMistake(f"{key} = {str(path)!r}: the file is empty")
            if suffix == ".arff":
                frame = read_arff(text, where=f"{key} = {str(path)!r}")
            elif suffix in JSON_LINES:
                frame = read_json_lines(text, where=f"{key} = {str(path)!r}")
            else:
                chosen = _separator(text, separator, suffix)
                frame = _parse(text, chosen, decimal, header, names, missing_words)
    except (UserMistake, InvalidArgument):
        raise
    except (OSError, ValueError, EOFError, MemoryError, NotImplementedError, KeyError) as error:
        raise UserMistake(f"{key} = {str(path)!r}: not readable as {suffix[1:]} ({_reason(error)})") from None
    except Exception as error:  # decompressors and pyarrow have kinds of their own: zlib.error, lzma.LZMAError, ...
        raise UserMistake(f"{key} = {str(path)!r}: not readable ({_reason(error)})") from None
    if frame.empty:
        raise UserMistake(f"{key} = {str(path)!r}: the file has no rows")
    if suffix not in TEXT:
        frame = _with_missing(_renamed(frame, names), missing_words)
    return frame


def suffix_of(path: Path, key: str = "path") -> str:
    """The ending that says what a file is, such as ``.csv`` for ``a.csv.gz``.

    Raises:
        UserMistake: an ending that is not known.
    """
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSED:
        endings.pop()
        if endings and endings[-1] in BINARY:
            raise UserMistake(f"{key} = {str(path)!r}: {endings[-1]} files are compressed inside; unpack it")
        if not endings:
            return ".csv"
    if not endings or endings[-1] not in SUFFIXES:
        raise UserMistake(f"{key} = {str(path)!r}: expected a file ending in one of {', '.join(SUFFIXES)}")
    return endings[-1]


def decode(content: bytes, encoding: str, where: str) -> str:
    """Text of bytes, without a byte order mark.

    Raises:
        UserMistake: the encoding is not known, or not that of the text.
    """
    for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            encoding = "utf-8-sig" if name == "utf-8" else name  # the file says it itself
    try:
        text = content.decode(encoding)
    except LookupError:
        raise UserMistake(f"{where}: encoding={encoding!r} is not known; usual ones: utf-8, latin-1, cp1252") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserMistake(
            f"{where}: not {encoding}, the first wrong byte is {content[error.start]:#04x} in line {line}; say "
            "encoding=latin-1, or what it is"
        ) from None
    if "\0" in text:
        raise UserMistake(f"{where}: holds zero bytes, it is no text in {encoding}; say encoding=utf-16, or what it is")
    return text


def sniff(text: str) -> str:
    """The separator of a table's text: the one that cuts most of the first rows into the same number of cells, > 1.

    A separator within quotes does not count. A text in which none occurs is a table of one column: a comma.
    """
    best, found = (0.0, 0), ","
    sample = text[:SNIFFED]
    if len(text) > SNIFFED:  # the last line may be cut
        sample = sample.rsplit("\n", 1)[0]
    for separator in SEPARATORS:
        try:
            widths = [len(row) for row in csv.reader(sample.splitlines(keepends=True), delimiter=separator) if row]
        except csv.Error:
            continue
        if not widths:
            continue
        width, times = Counter(widths).most_common(1)[0]
        score = (times / len(widths), width)
        if width > 1 and score > best:
            best, found = score, separator
    return found


def _separator(text: str, given: str, suffix: str) -> str:
    if given == "auto":
        return "\t" if suffix == ".tsv" else sniff(text)
    separator = separator_named(given)
    if len(separator) != 1:
        raise InvalidArgument("separator", given, "one character, or auto")
    return separator


def separator_named(given: str) -> str:
    """A separator, which may be given by its name, since some mean something else on a command line."""
    names = {name: separator for separator, name in SEPARATORS.items()} | {"\\t": "\t", "space": " "}
    return names.get(given, given)


def _decimal(text: str, given: str, separator: str) -> str:
    """The decimal sign: a comma where numbers such as 1,5 stand between other separators, and none such as 1.5."""
    if given == "auto":
        if separator == ",":
            return "."
        sample = text[:SNIFFED]
        return "," if DECIMAL_COMMA.search(sample) and not DECIMAL_POINT.search(sample) else "."
    decimal = {"comma": ",", "point": "."}.get(given, given)
    if decimal not in (".", ",") or decimal == separator:
        raise InvalidArgument("decimal", given, f"auto, point or comma, and not the separator {separator!r}")
    return decimal


def _parse(
    text: str,
    separator: str,
    decimal: str,
    header: int | None,
    names: Sequence[str] | None,
    missing_words: MissingWords,
) -> pd.DataFrame:
    from io import StringIO

    decimal = _decimal(text, decimal, separator)
    by_column = isinstance(missing_words, Mapping)
    words: Any = [*MISSING_WORDS, *map(str, () if by_column else missing_words)]
    options: dict[str, Any] = {"sep": separator, "decimal": decimal, "header": header, "skipinitialspace": True}
    if names is not None:
        skipped = 0 if header is None else header + 1  # a header that names take the place of, however wide it is
        options |= {"names": list(map(str, names)), "header": None, "skiprows": skipped}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(StringIO(text), na_values=words, low_memory=False, index_col=False, **options)
    except pd.errors.ParserWarning:
        raise ValueError("rows have more cells than there are column names") from None
    if names is not None and len(frame) and frame.iloc[:, -1].isna().all():
        raise ValueError(f"{len(names)} names, and no row has so many cells")
    frame.columns = [str(name).strip() for name in frame.columns]
    return _with_missing(frame, missing_words) if by_column else frame


def _renamed(frame: pd.DataFrame, names: Sequence[str] | None) -> pd.DataFrame:
    frame.columns = [str(name).strip() for name in frame.columns]
    if names is None:
        return frame
    if len(names) != len(frame.columns):
        raise InvalidArgument("names", f"{len(names)} names", f"{len(frame.columns)}, one a column of the file")
    frame.columns = list(map(str, names))
    return frame


def _with_missing(frame: pd.DataFrame, missing_words: MissingWords) -> pd.DataFrame:
    """Cells that hold a word for "missing" emptied.

    Raises:
        InvalidArgument: words for a column that is not there.
    """
    if isinstance(missing_words, Mapping):
        for column in missing_words:
            if column not in frame.columns:
                raise InvalidArgument("missing_words", column, f"columns of the table ({', '.join(frame.columns[:8])})")
    return emptied(frame, missing_words)


def emptied(frame: pd.DataFrame, missing_words: MissingWords) -> pd.DataFrame:
    """Cells that hold a word for "missing" emptied, in the columns that are there; a number is met by its text."""
    by_column = isinstance(missing_words, Mapping)
    for column in list(missing_words) if by_column else list(frame.columns):
        words = missing_words[column] if isinstance(missing_words, Mapping) else missing_words
        if not len(words) or column not in frame.columns:
            continue
        cells = frame[column]
        numbers = [float(word) for word in words if _is_number(word)]
        hit = cells.isin(list(map(str, words)))
        if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
            hit = cells.isin(numbers)
        frame[column] = cells.mask(hit)
    return frame


def _is_number(word: object) -> bool:
    try:
        float(str(word))
    except ValueError:
        return False
    return True


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
