"""The words of two invented languages: what each means in the other, in which form, and with which probability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from smoothlab.errors import InvalidArgument

# Source words are two open syllables, target stems a closed one with an ending: no word is one of both languages.
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
# Source determiners: definite or not, one or several. The indefinite plural has no article in the target language.
DETERMINERS = {"ta": (True, False), "ti": (True, True), "mo": (False, False), "mi": (False, True)}
ARTICLES = {  # of the target: definite, several, gender
    (True, False, 0): "ol",
    (True, False, 1): "al",
    (True, True, 0): "os",
    (True, True, 1): "as",
    (False, False, 0): "un",
    (False, False, 1): "ul",
}
RELATIVE, RELATIVE_TARGET = "ko", "ke"
END = "[EOS]"
# Shares of the words, and the endings of a target stem: adjectives by the gender of their noun, verbs by number.
CATEGORIES = {
    "noun": (0.40, ("us",)),
    "adjective": (0.22, ("ol", "al")),
    "verb": (0.25, ("it", "en")),
    "adverb": (0.13, ("im",)),
}


@dataclass(frozen=True)
class Word:
    """A word of the source language.

    Args:
        text: as it is written.
        gender: of a noun's translations, 0 or 1; 0 for others.
        slots: of its forms, in the order of the category's endings.
    """

    text: str
    gender: int
    slots: tuple[int, ...]


class Lexicon:
    """Words of both languages.

    A slot is what a place in a target sentence is made from: a source word in a form. Its distribution over target
    words is all that is random about a translation.

    Args:
        words: nouns, adjectives, verbs and adverbs of the source language together, 8 to 300.
        ambiguity: share of them with several translations, in [0, 1].
        synonyms: probabilities of the translations of such words; words take them in turn.
        seed: invents the words.

    Attributes:
        words: of each category.
        slots: of each slot, its target words and their probabilities.
        source_words: all, in a fixed order; ``target_words`` too, without special tokens.
    """

    def __init__(self, *, words: int, ambiguity: float, synonyms: Sequence[Sequence[float]], seed: int) -> None:
        if isinstance(words, bool) or not isinstance(words, int) or not 8 <= words <= 300:
            raise InvalidArgument("words", words, "an integer in [8, 300]")
        if not 0 <= ambiguity <= 1:
            raise InvalidArgument("ambiguity", ambiguity, "a number in [0, 1]")
        shares = [tuple(float(share) for share in group) for group in synonyms]
        right = [len(group) >= 2 and min(group) > 0 and abs(sum(group) - 1) < 1e-6 for group in shares]
        if not all(right) or (ambiguity and not shares):
            raise InvalidArgument(
                "synonyms", [list(group) for group in shares], "lists of at least two shares that sum to 1"
            )
        most = max(map(len, shares), default=1)
        if words * most > len(CONSONANTS) ** 2 * len(VOWELS):
            raise InvalidArgument("synonyms", f"up to {most} a word", f"fewer: {words} words need so many names each")
        generator = np.random.default_rng(seed)
        stems = _stems(generator)
        names = _names(generator)
        self.slots: list[list[tuple[str, float]]] = []
        self.words: dict[str, list[Word]] = {}
        counts = _counts(words)
        turn = 0
        for category, (_, endings) in CATEGORIES.items():
            count = counts[category]
            several = set(generator.permutation(count)[: round(ambiguity * count)].tolist())
            genders = generator.permutation(np.arange(count) % 2) if category == "noun" else np.zeros(count, dtype=int)
            made = []
            for place in range(count):
                chances: tuple[float, ...] = (1.0,)
                if place in several:
                    chances = shares[turn % len(shares)]
                    turn += 1
                translations = [(next(stems), chance) for chance in chances]
                forms = [[(stem + ending, chance) for stem, chance in translations] for ending in endings]
                made.append(Word(next(names), int(genders[place]), tuple(self._slot(form) for form in forms)))
            self.words[category] = made
        self.articles = {key: self._slot([(text, 1.0)]) for key, text in ARTICLES.items()}
        self.relative = self._slot([(RELATIVE_TARGET, 1.0)])
        self.end = self._slot([(END, 1.0)])
        self.source_words = [*DETERMINERS, RELATIVE, *(word.text for all_ in self.words.values() for word in all_)]
        self.target_words = [text for slot in self.slots[: self.end] for text, _ in slot]

    def _slot(self, translations: list[tuple[str, float]]) -> int:
        self.slots.append(translations)
        return len(self.slots) - 1


def _counts(words: int) -> dict[str, int]:
    """Words of each category, at least one."""
    counts = {category: max(1, int(words * share)) for category, (share, _) in CATEGORIES.items()}
    counts["noun"] += words - sum(counts.values())
    return counts


def _names(generator: np.random.Generator) -> Iterator[str]:
    """Source words such as "kanu", each once."""
    syllables = [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]
    for place in generator.permutation(len(syllables) ** 2).tolist():
        first, second = divmod(place, len(syllables))
        yield syllables[first] + syllables[second]


def _stems(generator: np.random.Generator) -> Iterator[str]:
    """Target stems such as "kan", each once; endings of different categories keep their words apart."""
    size = len(CONSONANTS)
    for place in generator.permutation(size * len(VOWELS) * size).tolist():
        rest, last = divmod(place, size)
        first, vowel = divmod(rest, len(VOWELS))
        yield CONSONANTS[first] + VOWELS[vowel] + CONSONANTS[last]
