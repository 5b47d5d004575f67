"""Tables in files: text with separators, JSON, Parquet, Arrow, ARFF, spreadsheets."""

from __future__ import annotations

import codecs
import contextlib
import csv
import re
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from smoothlab.data.table.archives import BINARY, read_sheet
from smoothlab.data.table.arff import read_arff
from smoothlab.data.table.json_lines import read_json, read_json_lines
from smoothlab.errors import InvalidArgument, UserMistake, reason_of
from smoothlab.unpacking import unpacked, zip_members

TEXT = (".csv", ".tsv", ".txt", ".data", ".tab")
COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
JSON_LINES = (".jsonl", ".ndjson")
SHEETS = ".xlsx"
SUFFIXES = (*TEXT, *JSON_LINES, ".json", ".arff", *BINARY, SHEETS)
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MISSING_WORDS = ("?",)  # beside those of pandas; the one of UCI and of ARFF
EMPTY_WORDS = (*MISSING_WORDS, "")  # of files whose cells have types
SNIFFED = 65_536  # characters that a separator is judged by
DECIMAL_COMMA = re.compile(r"\s*-?\d+,\d+\s*")
DECIMAL_POINT = re.compile(r"\s*-?\d*\.\d+\s*")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
UNNAMED = re.compile(r"Unnamed: \d+$")  # what pandas calls a column without a name

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
    verbatim: Sequence[str] = (),
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
        verbatim: columns of a text file in which the usual words, such as NA and None, are words like any other.

    Raises:
        UserMistake: no such file, another kind of file, or one that cannot be read, in one line.
    """
    path = Path(path)
    suffix = suffix_of(path, key)
    if path.is_dir() or not path.exists():
        raise UserMistake(f"{key} = {str(path)!r}: {'a folder, expected a file' if path.is_dir() else 'no such file'}")
    try:
        if suffix in BINARY or suffix == SHEETS:
            frame = _read_binary(path, suffix, header, names)
        else:
            text = decode(unpacked(path, _member(path)), encoding, f"{key} = {str(path)!r}")
            if not text.strip():
                raise UserMistake(f"{key} = {str(path)!r}: the file is empty")
            if suffix == ".arff":
                frame = read_arff(text, where=f"{key} = {str(path)!r}")
            elif suffix in JSON_LINES:
                frame = read_json_lines(text, where=f"{key} = {str(path)!r}")
            elif suffix == ".json":
                frame = read_json(text, where=f"{key} = {str(path)!r}")
            else:
                text, separator = without_sep_line(text, separator)
                chosen = chosen_separator(text, separator, suffix)
                frame = _parse(text, chosen, decimal, header, names, missing_words, verbatim)
    except (UserMistake, InvalidArgument):
        raise
    except (OSError, ValueError, EOFError, MemoryError, NotImplementedError, KeyError) as error:
        raise UserMistake(f"{key} = {str(path)!r}: not readable as {suffix[1:]} ({reason_of(error)})") from None
    except Exception as error:  # decompressors and pyarrow have kinds of their own: zlib.error, lzma.LZMAError, ...
        raise UserMistake(f"{key} = {str(path)!r}: not readable ({reason_of(error)})") from None
    if frame.empty:
        raise UserMistake(f"{key} = {str(path)!r}: the file has no rows")
    if suffix not in TEXT:
        frame = _renamed(frame, None if suffix == SHEETS else names)
        frame = with_missing(usually_emptied(frame, verbatim), missing_words)
    return frame


def usually_emptied(frame: pd.DataFrame, verbatim: Sequence[str] = ()) -> pd.DataFrame:
    """Cells of words that are empty, or hold the word that means "missing" in files of text, emptied."""
    words = [name for name in frame.columns if _of_words(frame[name]) and name not in verbatim]
    return emptied(frame, dict.fromkeys(words, EMPTY_WORDS))


def _of_words(cells: pd.Series) -> bool:
    words = cells.dtype == object or pd.api.types.is_string_dtype(cells.dtype)
    return bool(words or isinstance(cells.dtype, pd.CategoricalDtype))


def _read_binary(path: Path, suffix: str, header: int | None, names: Sequence[str] | None) -> pd.DataFrame:
    """A file that is no text, or the only one of a .zip."""
    if path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"table{suffix}")
            file.write_bytes(unpacked(path, _member(path)))
            return _read_binary(file, suffix, header, names)
    return read_sheet(path, header=header, names=names) if suffix == SHEETS else BINARY[suffix](path)


def _member(path: Path) -> str | None:
    """The one table in a .zip; None of another file, or where there is no such one."""
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return None
    members = zip_members(path)
    tables = [name for name in members if Path(name).suffix.lower() in SUFFIXES]
    readable = [name for name in tables if not re.match(r"(?i)(readme|licen[cs]e)", Path(name).name)]
    if len(members) > 1 and len(readable) != 1:
        named = ", ".join(members[:4]) + (", ..." if len(members) > 4 else "")
        raise ValueError(f"a .zip of {len(members)} files ({named}); expected one table, so unpack it")
    return readable[0] if readable else members[0] if members else None


def suffix_of(path: Path, key: str = "path") -> str:
    """The ending that says what a file is, such as ``.csv`` for ``a.csv.gz``.

    Raises:
        UserMistake: an ending that is not known.
    """
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSED:
        inner = None
        if path.is_file():
            with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile):  # reading says what is wrong with it
                inner = _member(path)
        packed = endings.pop()
        if inner is not None and Path(inner).suffix.lower() in SUFFIXES:
            return Path(inner).suffix.lower()
        if packed != ".zip" and endings and endings[-1] in BINARY:
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
        likely = "utf-16" if b"\0" in content[:SNIFFED] else "latin-1"
        raise UserMistake(
            f"{where}: not {encoding}, the first wrong byte is {content[error.start]:#04x} in line {line}; say "
            f"encoding={likely}, or what it is"
        ) from None
    if "\0" in text:
        raise UserMistake(f"{where}: holds zero bytes, it is no text in {encoding}; say encoding=utf-16, or what it is")
    return text


def sniff(text: str) -> str:
    """The separator of a table's text: the one that cuts most of the first rows into the same number of cells, > 1.

    A separator within quotes does not count. A text in which none occurs, and whose lines have white space between as
    many cells each, is separated by that; else it is a table of one column: a comma.
    """
    best, best_separator = (0.0, 0), ","
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
            best, best_separator = score, separator
    if best[0] == 0.0:
        widths = [len(line.split()) for line in sample.splitlines() if line.strip()]
        numbers = any(NUMBER.fullmatch(cell) for line in sample.splitlines()[1:20] for cell in line.split())
        if widths and min(widths) == max(widths) > 1 and len(widths) > 2 and numbers:
            return " "
    return best_separator


def without_sep_line(text: str, given: str) -> tuple[str, str]:
    """The text without the line ``sep=;`` that Excel writes and reads, and the separator, which that line may tell."""
    line = re.match(r"sep=(.)\r?\n", text)
    return (text, given) if line is None else (text[line.end() :], line[1] if given == "auto" else given)


def chosen_separator(text: str, given: str, suffix: str) -> str:
    """The separator that is given, or that a text shows."""
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
    """The decimal sign: a comma where, between other separators, more cells are such as 1,5 than such as 1.5."""
    if given == "auto":
        if separator == ",":  # numbers in quotes are understood by column
            return "."
        try:
            cells = [cell for row in csv.reader(text[:SNIFFED].splitlines(True), delimiter=separator) for cell in row]
        except csv.Error:  # pandas' reader says what is wrong
            return "."
        commas, points = (sum(map(bool, map(sign.fullmatch, cells))) for sign in (DECIMAL_COMMA, DECIMAL_POINT))
        return "," if commas > points else "."
    decimal = {"comma": ",", "point": "."}.get(given, given)
    if decimal not in (".", ","):
        raise InvalidArgument("decimal", given, "auto, point or comma")
    return decimal


def _parse(
    text: str,
    separator: str,
    decimal: str,
    header: int | None,
    names: Sequence[str] | None,
    missing_words: MissingWords,
    verbatim: Sequence[str],
) -> pd.DataFrame:
    by_column = isinstance(missing_words, Mapping)
    words: Any = [*MISSING_WORDS, *map(str, () if by_column else missing_words)]
    options = csv_options(text, separator, decimal, header, names, words)
    frame = _read_csv(text, options)
    if names is not None and len(frame) and frame.iloc[:, -1].isna().all():
        raise ValueError(f"{len(names)} names, and no row has so many cells")
    if verbatim:
        raw = _read_csv(text, {**options, "dtype": str, "keep_default_na": False, "na_values": ["", *words]})
        for name in [name for name in frame.columns if str(name).strip() in verbatim]:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), raw[name].str.strip())
    if names is None and header is not None:
        # A separator at the end of each line makes a column that has neither name nor cells.
        frame = frame.drop(columns=[name for name in frame if UNNAMED.match(str(name)) and frame[name].isna().all()])
        twice = _twice(text, options)
        frame.columns = [str(name).strip() for name in frame.columns]
        frame.attrs["twice"] = twice
    frame.columns = [str(name).strip() for name in frame.columns]
    return with_missing(frame, missing_words) if by_column else frame


def csv_options(
    text: str, separator: str, decimal: str, header: int | None, names: Sequence[str] | None, words: Sequence[str]
) -> dict[str, Any]:
    """What pandas' reader is told.

    Args:
        text: of the file, or its beginning.
        separator: one character.
        decimal: see :func:`read_table`, as ``header`` and ``names``.
        header: line of the column names.
        names: of the columns.
        words: that mean "missing" beside those of pandas.
    """
    between = r"\s+" if separator == " " else separator  # several spaces are one separator
    options: dict[str, Any] = {"sep": between, "decimal": _decimal(text, decimal, separator), "header": header}
    options |= {"na_values": list(words), "skipinitialspace": True, "index_col": False, "low_memory": False}
    options["quotechar"] = _quote(text, separator)
    if names is not None:
        skipped = 0 if header is None else header + 1  # a header that names take the place of, however wide it is
        options |= {"names": list(map(str, names)), "header": None, "skiprows": skipped}
    return options


def _read_csv(text: str, options: Mapping[str, Any]) -> pd.DataFrame:
    """pandas' reader; what it does not take is a ValueError that says where, and what may be meant."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(StringIO(text), **options)
    except pd.errors.ParserWarning:
        raise ValueError(
            "rows have more cells than there are column names; header=<number> leaves out the lines above the names"
        ) from None
    except pd.errors.ParserError as error:
        wide = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if wide is not None:
            raise ValueError(
                f"line {wide[2]} has {wide[3]} cells, the lines before it {wide[1]}; a separator within a cell needs "
                "quotes around the cell, and header=<number> leaves out the lines above the names"
            ) from None
        still = re.search(r"EOF inside string starting at row (\d+)", str(error))
        if still is not None:
            raise ValueError(f"the quote that is opened in row {int(still[1])} is never closed") from None
        raise


def _quote(text: str, separator: str) -> str:
    """The sign around cells: single quotes where every cell of the first line stands in them."""
    cells = [cell.strip() for cell in text.lstrip().split("\n", 1)[0].split(separator)]
    return "'" if all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in cells) else '"'


def _twice(text: str, options: Mapping[str, Any]) -> list[str]:
    """Names that the line of names has more than once; pandas calls the second ``name.1``."""
    line = {**options, "header": None, "skiprows": options["header"], "nrows": 1, "dtype": str}
    names = [str(name).strip() for name in _read_csv(text, line).iloc[0].dropna()]
    return [name for name, times in Counter(names).items() if times > 1]


def missing_as_written(frame: pd.DataFrame, path: str | Path, column: str, reading: Mapping[str, Any]) -> list[str]:
    """The words that stand for "missing" in a column of a text file, the commonest first; none for other files."""
    path = Path(path)
    if suffix_of(path) not in TEXT or not frame[column].isna().any():
        return []
    raw = read_table(path, **{**reading, "verbatim": [column]})[column]
    return [str(word) for word in raw[frame[column].isna()].dropna().value_counts().index]


def _renamed(frame: pd.DataFrame, names: Sequence[str] | None) -> pd.DataFrame:
    frame.columns = [str(name).strip() for name in frame.columns]
    if names is None:
        return frame
    if len(names) != len(frame.columns):
        raise InvalidArgument("names", f"{len(names)} names", f"{len(frame.columns)}, one a column of the file")
    frame.columns = list(map(str, names))
    return frame


def with_missing(frame: pd.DataFrame, missing_words: MissingWords) -> pd.DataFrame:
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
