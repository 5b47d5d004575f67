"""Words that seem to be one word in several spellings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

BETWEEN = re.compile(r"[\s._]+|-+(?=\w)")  # a hyphen at the end is a sign: A- is not A
# Words for one answer; where all words of a column are among them.
ANSWERS = ({"y", "yes", "t", "true", "1"}, {"n", "no", "f", "false", "0"})


def spellings(words: Iterable[str]) -> list[list[str]]:
    """Groups of words that differ in case, accents, blanks, points, hyphens or underscores alone, or that are the same
    of two answers, such as Y and Yes; each group in the order of the words."""
    words = list(words)
    answers = {word.strip().lower() for word in words} <= ANSWERS[0] | ANSWERS[1]
    alike: dict[str, list[str]] = {}
    for word in words:
        plain = _plain(word)
        if answers:
            plain = str(next(place for place, group in enumerate(ANSWERS) if word.strip().lower() in group))
        alike.setdefault(plain, []).append(word)
    return [group for group in alike.values() if len(group) > 1]


def _plain(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word).casefold()
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if not any(letter.isalpha() for letter in letters):  # 1-2 is not 12
        return " ".join(letters.split())
    return BETWEEN.sub("", letters)
