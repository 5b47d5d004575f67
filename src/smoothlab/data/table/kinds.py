"""What the columns of a table are."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from smoothlab.data.table.dates import (
    DIGITS,
    LIKE_A_DATE,
    MONTHS,
    NO_DATE,
    ORDERS,
    SPREADSHEET,
    UNIX,
    date_formats,
    like_dates,
    number_format,
)
from smoothlab.data.table.places import row_number
from smoothlab.data.table.spellings import spellings
from smoothlab.data.table.words import as_word, text_of
from smoothlab.data.table.written import MORE_CODES, Writing, number_share, ways_to_write, with_signs, writing_of
from smoothlab.errors import InvalidArgument, UserMistake

KINDS = ("numeric", "boolean", "categorical", "date", "text", "id")

ID_NAME = re.compile(
    r"(?i:(^|[\s_.\-])(p?id|ids|uuid|guid|rowid|(p|pat)?id[\s_.\-]?(num|no|nr|number)|identifier)$"
    r"|^(id|uuid|guid)[\s_.\-]|^(row[\s_.\-]?)?index$|^unnamed: \d+$)"
    r"|[a-z](Id|ID)$"
)
# Whom or what several rows may be of.
GROUP_NAME = re.compile(
    r"(?i:(^|[\s_.\-])(patient|customer|merchant|session|subject|participant|respondent|client|user|account|household"
    r"|student|employee|speaker|player|driver|donor|animal|volunteer|person|individual|member|recording)"
    r"([\s_.\-]?(?P<numbered>id|name|no|nr|nbr|num|number|key|code|hash))?$)"
    r"|(?i:^mrn$|(^|[\s_.\-])(store|shop|site|clinic|hospital|school|device|machine|vehicle|family|case)"
    r"[\s_.\-]?(id|no|nr|nbr|num|number|key|code)$)"
)
MANY_GROUPS = 20
FEW_GROUPS = 8  # where the name leaves no doubt, such as patient_id
# What a column of numbers that are moments may be called.
TIME_NAME = re.compile(r"(?i:date|time|stamp|created|updated|epoch|[_ ]at$|(^|[_ ])ts$)")
# What whole numbers that are names may be called.
CODE_NAME = re.compile(r"(?i:(zip|postal|post)[\s_.\-]?code|(^|[\s_.\-])(zip|plz|fips)$|(code|type|_cd)\d?$)")
ID_DIGITS = 8  # of whole numbers, equally many in each row, from which they look like an id
NUMBER_AS_NAME = re.compile(r"-?\d*\.?\d+(\.\d+)?(e-?\d+)?")  # 5.1, or 5.1.1 of a second such column
MOSTLY_NUMBERS = 0.8  # a column of words in which so many cells are numbers is a column of numbers with mistakes in it
MANY_NUMBERS = 20  # unless these are few: then they are categories such as 0, 1, 2, 3+
MOSTLY_UNIQUE = 0.95
LONG_TEXT = 3.0  # words a cell
MOSTLY_DATES = 0.5
HEAD_LINES = 20  # lines among which the one with the names is looked for
HEAD = 1_000  # rows that are looked at for the names of their columns
FEW_TEXTS = 0.3  # different texts a row, below which they are categories
SOME_NUMBERS = 0.2  # share of the cells, from which a column of words is said to hold numbers
MANY_CATEGORIES = 50  # of which there are few rows each, where they are more than a tenth of the rows
TWO_NUMBERS = re.compile(
    r"\(?-?\d+(\.\d+)?(?:\s*[^\d\s.,+%]{1,3}\s*|,\s+)-?\d+(\.\d+)?\s*[^\d\s]{0,2}"
)  # 120/80, 5'7", 10-19
FEW_WORDS = 3  # beside many numbers, that may all be codes however often they stand there
FEW_WAYS = 4  # units and signs in one column, up to which they are a mixture and not words behind a number


@dataclass(frozen=True)
class Note:
    """What there is to say of a column.

    Args:
        column: its name.
        reason: the column is ``dropped``, an ``id``, ``constant`` or ``unreadable``, or its kind is a ``guess``.
        words: the same for people.
    """

    column: str
    reason: Literal["constant", "dropped", "guess", "id", "unreadable"]
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass
class Column:
    """What is understood of a column.

    Args:
        name: of the column.
        kind: one of ``KINDS``, ``constant``, ``empty`` or ``unreadable``.
        role: what it is used as: feature, target, metadata, split, weight, tree, or ignored.
        missing: empty cells.
        distinct: different values.
        example: one of them, as text.
        note: why it is ignored, or what was guessed; None where there is nothing to say.
        style: the format of dates that are text; None: of other columns.
        writing: how numbers that are text are written; None: as plain numbers, or of other columns.
    """

    name: str
    kind: str
    role: str
    missing: int
    distinct: int
    example: str
    note: Note | None = None
    style: str | None = None
    writing: Writing | None = None

    def be_constant(self) -> None:
        """Leave the column out: all its cells are alike."""
        self.kind, self.role = "constant", "ignored"
        self.note = Note(self.name, "constant", f"constant ({self.example})")


def understand(
    frame: pd.DataFrame,
    kinds: Mapping[str, str] | None = None,
    date_format: str | None = None,
    *,
    lenient: bool = False,
) -> dict[str, Column]:
    """The columns of a table, each as a feature, or ignored where it cannot be one.

    Args:
        frame: the table.
        kinds: of columns by name, in place of the guess.
        date_format: of dates that are text; see :func:`smoothlab.data.table.dates.date_formats`.
        lenient: columns that cannot be read are left out with a note, and nothing is raised.

    Raises:
        InvalidArgument: a kind that is not known, or of a column that is not there.
        UserMistake: columns with cells that are no single values, or of numbers with words among them; all of them in
            one line.
    """
    kinds = kinds or {}
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise InvalidArgument(f"kinds.{name}", kind, f"one of {', '.join(KINDS)}")
        check_columns("kinds", [name], frame)
    understood, mistakes = dict[str, Column](), []
    for name in map(str, frame.columns):
        try:
            understood[name] = _understand(name, frame[name], kinds.get(name), date_format)
        except UserMistake as mistake:
            mistakes.append(str(mistake))
            cells = frame[name]
            column = Column(name, "unreadable", "ignored", int(cells.isna().sum()), 0, _short(cells.dropna().iloc[0]))
            column.note = Note(name, "unreadable", str(mistake).removeprefix(f"data: column {name!r}").strip(":, "))
            understood[name] = column
    if mistakes and not lenient:
        more = [mistake.removeprefix("data: ") for mistake in mistakes[1:]]
        raise UserMistake("; ".join([mistakes[0], *more]))
    return understood


def check_columns(key: str, names: Any, frame: pd.DataFrame) -> None:
    """Refuse names that are no columns.

    Raises:
        UserMistake: with the columns that are there, and the nearest.
    """
    nested = frame.attrs.get("nested", {})
    for name in names:
        if name in nested and key == "drop":
            continue
        if name in nested:
            raise UserMistake(f"data.{key} = {name!r}: {nested[name]}")
        if name not in frame.columns:
            near = difflib.get_close_matches(str(name), list(map(str, frame.columns)), n=1)
            hint = f"; nearest: {listed(near)}" if near else ""
            raise UserMistake(
                f"data.{key} = {name!r}: no such column; the table has {listed(frame.columns)}{hint}"
                f"{_reading_hint(name, frame)}"
            )


def _reading_hint(name: Any, frame: pd.DataFrame) -> str:
    """How to read a table in which a column is missing, where its line of names is elsewhere or not cut into cells."""
    names = list(map(str, frame.columns))
    if len(names) == 1 and str(name) in names[0]:
        between = re.sub(r"[\w\s\"'.]", "", names[0])[:1]
        return (
            f"; one column only: which sign is between the cells? data.separator='{between}' says so" if between else ""
        )
    for row in range(min(HEAD_LINES, len(frame))):
        if str(name) in [str(cell).strip() for cell in frame.iloc[row]]:
            return f"; data.header={row + 1} takes the names from the line that has it"
    return "; where these are cells of a row, data.header=null reads it so" if like_cells(frame) else ""


def like_cells(frame: pd.DataFrame) -> bool:
    """Whether the names of the columns look like the cells of a row: numbers, or words that stand in the column too."""
    names = [str(name) for name in frame.columns]
    if names == [str(place) for place in range(len(names))]:  # their own numbers
        return False
    few = frame.iloc[:HEAD]
    like = [bool(NUMBER_AS_NAME.fullmatch(name)) or _is_cell(name, few.iloc[:, at]) for at, name in enumerate(names)]
    return sum(like) >= max(1, len(names) / 2)


def _is_cell(name: str, cells: pd.Series) -> bool:
    """Whether a column holds its own name; of equal names the second one ends in ``.1``."""
    return is_words(cells) and bool(cells.isin([name, re.sub(r"\.\d+$", "", name)]).any())


def _understand(name: str, cells: pd.Series, given: str | None, wanted: str | None) -> Column:
    missing = int(cells.isna().sum())
    present = cells.dropna()
    if present.empty:
        return Column(name, "empty", "ignored", missing, 0, "", Note(name, "constant", "empty in every row"))
    distinct = _distinct(name, present)
    column = Column(name, "numeric", "feature", missing, distinct, _short(present.iloc[0]))
    if given is not None:
        column.kind = given
    elif distinct == 1 and not missing:
        column.be_constant()
    else:
        column.kind, words = _guess(name, cells, present, distinct, wanted)
        if words:
            column.note = Note(name, "id" if column.kind == "id" else "guess", words)
    if column.kind == "date" and not pd.api.types.is_datetime64_any_dtype(cells):
        words_of = text_of(present)
        styles = date_formats(words_of, wanted)
        column.style = next(iter(styles), None) or number_format(words_of, wanted)
        column.style = column.style or number_format(words_of, SPREADSHEET)
        several = "several ways of writing, " if column.style in ORDERS else ""
        if len(styles) > 1 and wanted is None:
            words = f"{several}{styles[0]}, but {styles[1]} fits too; data.date_format says which"
            column.note = Note(name, "guess", words)
        elif several:
            column.note = Note(name, "guess", f"{several}{styles[0]}")
    if column.kind == "numeric" and not pd.api.types.is_numeric_dtype(cells):
        _understand_writing(column, text_of(present))
    if column.kind == "id":
        column.role, column.note = "ignored", column.note or Note(name, "id", "an id")
    return column


def _understand_writing(column: Column, words: pd.Series) -> None:
    """How a column's numbers are written, where some are not plain ones."""
    if pd.to_numeric(words.str.strip(), errors="coerce").notna().all():
        return
    column.writing = writing_of(words, MANY_NUMBERS)
    if column.writing is not None:
        column.missing += int(words.str.strip().isin(column.writing.codes).sum())
        column.note = Note(
            column.name, "guess", f"{column.writing.words}; data.kinds={{{column.name}: categorical}} keeps the words"
        )


def _guess(name: str, cells: pd.Series, present: pd.Series, distinct: int, wanted: str | None) -> tuple[str, str]:
    """A column's kind, and what to say about it."""
    count = len(present)
    if pd.api.types.is_datetime64_any_dtype(cells):
        return "date", ""
    if wanted in (*UNIX, SPREADSHEET) and number_format(text_of(present), wanted):
        return "date", ""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return "categorical", ""
    if is_boolean(present):
        return "boolean", ""
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_complex_dtype(cells):
        return _guess_number(name, present, distinct)
    if pd.api.types.is_timedelta64_dtype(cells) or pd.api.types.is_complex_dtype(cells):
        raise UserMistake(f"data: column {name!r} holds {cells.dtype} values; turn them into numbers, or data.drop it")
    words = text_of(present)
    numbers = pd.to_numeric(words.str.strip(), errors="coerce")
    readable = int(numbers.notna().sum())
    if readable == count:
        return _guess_number(name, numbers, distinct)
    if writing_of(words, MANY_NUMBERS) is not None:
        return "numeric", ""
    if readable >= MOSTLY_NUMBERS * count and numbers.nunique() > MANY_NUMBERS:
        first = present[numbers.isna()].iloc[:1]
        raise UserMistake(
            f"data: column {name!r}: {readable} cells are numbers and {count - readable} are not, the first is "
            f"{_short(first.iloc[0])!r} in data row {row_number(first, 0)}; add it to data.missing_words, or say "
            f"data.kinds={{{name}: categorical}}"
        )
    if date_formats(words, wanted):
        return "date", ""
    if like_dates(words) >= MOSTLY_DATES:
        return "categorical", _said_of_dates(name, words, wanted)
    _refuse_decorated(name, words[numbers.isna()])
    _refuse_mixtures(name, words)
    if ID_NAME.search(name) and distinct > 0.5 * count:
        return "id", "named like an id"
    if _names_groups(name, distinct, count):
        return "id", _grouped(name)
    long = float(words.str.count(r"\S+").mean()) >= LONG_TEXT
    if long and distinct > max(2, FEW_TEXTS * count):
        return "text", ""
    if distinct > 20 and distinct >= MOSTLY_UNIQUE * count:
        return "id", _said_of_pairs(words) or "a different word in nearly every row"
    return "categorical", _said_of_words(name, words, distinct)


def _said_of_words(name: str, words: pd.Series, distinct: int) -> str:
    """What may be wrong with a column of categories."""
    if distinct > MANY_NUMBERS:
        if pairs := _said_of_pairs(words):
            return pairs
        share, numbers = number_share(words)
        if numbers > MANY_NUMBERS and distinct - numbers <= FEW_WORDS:
            others = words[pd.to_numeric(words, errors="coerce").isna()].unique()
            return (
                f"only {share:.0%} of its cells are numbers ({numbers} different ones); where the others mean missing, "
                f'"data.missing_words={{{name}: {[str(word) for word in others[:FEW_WORDS]]}}}" reads it as numbers'
            )
        if share >= SOME_NUMBERS and numbers > MANY_NUMBERS:
            return (
                f"{share:.0%} of its cells are numbers ({numbers} different ones), the others are too many words for "
                f"codes; data.missing_words={{{name}: [...]}} names codes for missing"
            )
    elif groups := spellings(map(str, words.unique())):
        written = "; ".join(" and ".join(map(repr, group)) for group in groups)
        return f"{written}: spellings of one word? They are different categories here; write them alike"
    signs = [word for word in words.unique() if not any(character.isalnum() for character in word)]
    if len(signs) == 1 and distinct > 2:
        return f"{signs[0]!r} may mean missing: \"data.missing_words={{{name}: ['{signs[0]}']}}\" reads it so"
    if distinct > max(MANY_CATEGORIES, 0.1 * len(words)):
        return f"{distinct:,} different words in {len(words):,} rows, few rows each; data.drop=[{name}] leaves it out"
    return ""


def _said_of_dates(name: str, words: pd.Series, wanted: str | None) -> str:
    """What may be wrong with a column most of whose cells look like dates."""
    counts = words.value_counts()
    strange = [word for word in counts.index if not LIKE_A_DATE.fullmatch(word) or NO_DATE.fullmatch(word)]
    if 0 < len(strange) <= MORE_CODES and date_formats(words[~words.isin(strange)], wanted):
        return (
            f"dates, but for {listed(map(repr, strange))}; where these mean missing, "
            f'"data.missing_words={{{name}: {strange}}}" reads it so'
        )
    return "its cells look like dates, but no format is that of all"


def _said_of_pairs(words: pd.Series) -> str:
    """That cells are two numbers each, such as 120/80."""
    pairs = words.str.strip().str.fullmatch(TWO_NUMBERS)
    if float(pairs.mean()) < MOSTLY_UNIQUE:
        return ""
    first = _short(words.iloc[0])
    return f"its cells are two numbers each, such as {first!r}, and count as words; make two columns of them"


def _refuse_mixtures(name: str, words: pd.Series) -> None:
    """Refuse a column whose cells are numbers with several units or signs: categories of them would be nonsense.

    Raises:
        UserMistake: with the ways in which they are written.
    """
    share, numbers = number_share(words)
    if share < MOSTLY_NUMBERS or numbers <= MANY_NUMBERS:
        return
    ways = ways_to_write(words)
    if 1 < len(ways) <= FEW_WAYS:
        raise UserMistake(
            f"data: column {name!r}: numbers are written in several ways, such as {', '.join(map(repr, ways))}; write "
            f"them alike, or say data.kinds={{{name}: categorical}} or data.drop=[{name}]"
        )


def _refuse_decorated(name: str, words: pd.Series) -> None:
    """Refuse a column whose cells are numbers with signs about them: categories of them, or an id, would be nonsense.

    Raises:
        UserMistake: with the first such cell.
    """
    odd = words[words.map(with_signs).astype(bool)]
    if len(odd) == len(words) and odd.nunique() > MANY_NUMBERS:  # few are categories, such as 1,3 for two answers
        raise UserMistake(
            f"data: column {name!r}, data row {row_number(odd, 0)}: {_short(odd.iloc[0])!r} looks like a number "
            "with signs about it; write plain numbers such as 1234.5 (data.decimal=comma reads 1234,5), or say "
            f"data.kinds={{{name}: categorical}}"
        )


def _guess_number(name: str, present: pd.Series, distinct: int) -> tuple[str, str]:
    whole = bool((present.astype(float) % 1 == 0).all()) if np.isfinite(present.astype(float)).all() else False
    count = len(present)
    named = bool(ID_NAME.search(name))
    if whole and _names_groups(name, distinct, count):
        return "id", _grouped(name)
    if whole and distinct == count and count > 2:
        steps = np.diff(present.astype(float).to_numpy())
        if named or GROUP_NAME.search(name):
            return "id", "named like an id"
        if count > 20 and bool((steps == _row_steps(present)).all()):
            return "id", "counts the rows"
    if named and whole:
        return ("id", "named like an id") if distinct > 0.5 * count else ("categorical", "named like an id")
    if distinct > MANY_NUMBERS and not whole and TIME_NAME.search(name):
        words = text_of(present)
        for style, what in ((None, "moments since 1970"), (SPREADSHEET, "days as a spreadsheet counts them,")):
            if number_format(words, style):
                return "date", f"{what} such as {words.iloc[0]}; data.kinds={{{name}: numeric}} keeps the numbers"
    if whole and distinct > MANY_NUMBERS and CODE_NAME.search(name):
        return "numeric", f"named like a code: data.kinds={{{name}: categorical}} takes its numbers as names"
    if whole and distinct > MANY_NUMBERS:
        words = text_of(present)
        style = number_format(words)
        if style in (DIGITS, MONTHS) or (style is not None and TIME_NAME.search(name)):
            what = "dates" if style in (DIGITS, MONTHS) else "moments since 1970"
            return "date", f"{what} such as {words.iloc[0]}; data.kinds={{{name}: numeric}} keeps the numbers"
        if style is not None:
            return "numeric", f"moments since 1970, such as {words.iloc[0]}? data.kinds={{{name}: date}} reads them so"
        if TIME_NAME.search(name) and number_format(words, SPREADSHEET):
            return "date", f"days as a spreadsheet counts them; data.kinds={{{name}: numeric}} keeps the numbers"
        if distinct == count and words.str.len().median() >= ID_DIGITS:
            return "numeric", f"a different number of many digits in every row: data.drop=[{name}] leaves out an id"
        if distinct == count and float(present.max()) - float(present.min()) == count - 1:
            return "numeric", f"each row has another of as many numbers as there are rows: data.drop=[{name}]?"
    return "numeric", ""


def _row_steps(cells: pd.Series) -> np.ndarray | int:
    """How far the rows of cells stand apart in their source: of a sample, more than 1."""
    return np.diff(cells.index) if pd.api.types.is_integer_dtype(cells.index.dtype) else 1


def _names_groups(name: str, distinct: int, count: int) -> bool:
    """Whether a column seems to name patients, say, of whom there are several rows each."""
    group = GROUP_NAME.search(name)
    least = FEW_GROUPS if group is not None and group["numbered"] else MANY_GROUPS
    return least < distinct <= 0.5 * count and bool(ID_NAME.search(name) or group)


def _grouped(name: str) -> str:
    return (
        f"it names what several rows belong to; data.split=group data.split_column={name!r} keeps those in one split, "
        f"data.kinds={{{name}: categorical}} makes it a feature"
    )


def is_boolean(present: pd.Series) -> bool:
    """Whether a column without its empty cells is of truth values, or of the words true and false."""
    if pd.api.types.is_bool_dtype(present.dtype):
        return True
    if not is_words(present):
        return False
    return set(map(_lower, present.unique())) <= {"true", "false"}


def is_words(cells: pd.Series) -> bool:
    """Whether a column's cells may be words."""
    return bool(cells.dtype == object or pd.api.types.is_string_dtype(cells.dtype))


def _lower(value: object) -> str:
    return str(value).strip().lower()


def _distinct(name: str, present: pd.Series) -> int:
    try:
        return int(present.nunique())
    except (TypeError, NotImplementedError):  # the latter of Arrow
        kind = type(present.iloc[0]).__name__
        raise UserMistake(f"data: column {name!r} holds values of the kind {kind}; name it in data.drop") from None


def listed(names: Iterable[Any], most: int = 8) -> str:
    """Some names in a line, for an error."""
    names = list(names)
    return ", ".join(map(_short, names[:most])) + (", ..." if len(names) > most else "")


def _short(value: object, length: int = 40) -> str:
    text = " ".join(as_word(value).split())
    return text if len(text) <= length else text[: length - 3] + "..."
