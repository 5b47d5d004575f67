"""A grammar of two invented languages, in which every translation's probability is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothlab.data.parallel.lexicon import DETERMINERS, RELATIVE, Lexicon
from smoothlab.errors import InvalidArgument

SHORTEST = 4  # words of a sentence
# Chances of what a sentence may have.
ADJECTIVE, RELATIVE_CLAUSE, OBJECT, ADVERB = 0.4, 0.3, 0.75, 0.35
TRIES = 100  # sentences that are drawn for a new one before it is said that there are too few


@dataclass(frozen=True)
class Sentence:
    """A source sentence, and what each place of its translation is made from.

    Args:
        source: its words.
        slots: of the lexicon, one a target word, without the end.
    """

    source: tuple[str, ...]
    slots: tuple[int, ...]


class Grammar:
    """Sentences of the source language and how they are said in the target language.

    Source: subject, adverb, verb, object ("ta beku zifo ko ..."); a determiner says whether there is one or several,
    an adjective stands before its noun, "ko" begins a relative clause. Target: the verb comes last, in the number of
    its subject; the adjective follows its noun in the noun's gender; the article tells gender and number, and the
    indefinite plural has none. The order and the forms follow from the source alone. Some words have several
    translations, and each time one is drawn for itself; so p(next token | source, tokens before it) depends on the
    place alone, and is the share of each translation.

    Args:
        words: see :class:`Lexicon`, as ``ambiguity``, ``synonyms`` and ``seed``.
        depth: relative clauses within each other at most, >= 0.
        longest: words of a source sentence at most, at least 8.
        ambiguity: share of the words with several translations.
        synonyms: probabilities of the translations of such words.
        seed: invents the words.
    """

    def __init__(
        self,
        *,
        words: int = 48,
        depth: int = 1,
        longest: int = 14,
        ambiguity: float = 0.15,
        synonyms: Sequence[Sequence[float]] = ((0.7, 0.3), (0.5, 0.3, 0.2)),
        seed: int = 0,
    ) -> None:
        for name, value, least in (("depth", depth, 0), ("longest", longest, 8)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidArgument(name, value, f"an integer of at least {least}")
        self.lexicon = Lexicon(words=words, ambiguity=ambiguity, synonyms=synonyms, seed=seed)
        self.depth = depth
        self.longest = longest

    def draw(self, count: int, seed: int) -> list[Sentence]:
        """So many different sentences; the first ones are the same for every ``count``.

        Raises:
            InvalidArgument: the grammar has hardly as many.
        """
        chance = _uniform(seed)
        sentences: dict[tuple[str, ...], Sentence] = {}
        tries = 0
        while len(sentences) < count:
            sentence = self._sentence(chance)
            tries = 0 if sentence is not None and sentence.source not in sentences else tries + 1
            if tries > TRIES + count:
                raise InvalidArgument(
                    "rows", count, f"fewer in all splits: {len(sentences)} different sentences were found"
                )
            if sentence is not None:
                sentences.setdefault(sentence.source, sentence)
        return list(sentences.values())

    def distributions(self, class_names: Sequence[str]) -> NDArray[np.float32]:
        """Of each slot over the target tokens ``(slots, K)``."""
        places = {name: place for place, name in enumerate(class_names)}
        made = np.zeros((len(self.lexicon.slots), len(class_names)), dtype=np.float32)
        for slot, translations in enumerate(self.lexicon.slots):
            for text, share in translations:
                made[slot, places[text]] = share
        return made

    def _sentence(self, chance: Iterator[float]) -> Sentence | None:
        """One sentence, or None where it is too short or too long."""
        source: list[str] = []
        slots: list[int] = []
        several = self._noun_phrase(source, slots, chance, self.depth)
        self._verb_phrase(source, slots, chance, self.depth, several)
        if not SHORTEST <= len(source) <= self.longest:
            return None
        return Sentence(tuple(source), tuple(slots))

    def _noun_phrase(self, source: list[str], slots: list[int], chance: Iterator[float], depth: int) -> bool:
        """Add a determiner, perhaps an adjective, a noun, perhaps a relative clause; returns whether it is several."""
        words = self.lexicon.words
        determiner = _drawn(list(DETERMINERS), chance)
        definite, several = DETERMINERS[determiner]
        adjective = _drawn(words["adjective"], chance) if next(chance) < ADJECTIVE else None
        noun = _drawn(words["noun"], chance)
        source += [determiner, *([adjective.text] if adjective else []), noun.text]
        article = self.lexicon.articles.get((definite, several, noun.gender))
        if article is not None:
            slots.append(article)
        slots.append(noun.slots[0])
        if adjective:
            slots.append(adjective.slots[noun.gender])
        if depth and next(chance) < RELATIVE_CLAUSE:
            source.append(RELATIVE)
            slots.append(self.lexicon.relative)
            self._verb_phrase(source, slots, chance, depth - 1, several)
        return several

    def _verb_phrase(
        self, source: list[str], slots: list[int], chance: Iterator[float], depth: int, several: bool
    ) -> None:
        """Add perhaps an adverb, a verb, perhaps an object: object, adverb, verb in the target language."""
        words = self.lexicon.words
        adverb = _drawn(words["adverb"], chance) if next(chance) < ADVERB else None
        verb = _drawn(words["verb"], chance)
        source += [*([adverb.text] if adverb else []), verb.text]
        if next(chance) < OBJECT:
            self._noun_phrase(source, slots, chance, depth)
        slots += [*([adverb.slots[0]] if adverb else []), verb.slots[several]]


def _drawn(options: Sequence[Any], chance: Iterator[float]) -> Any:
    return options[int(next(chance) * len(options))]


def _uniform(seed: int) -> Iterator[float]:
    """Numbers in [0, 1) without an end."""
    generator = np.random.default_rng(seed)
    while True:
        yield from generator.random(8192).tolist()
