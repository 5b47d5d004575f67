"""The invented grammar says what its page says: a parser that was written for this test agrees."""

import itertools

import numpy as np
import pytest

from smoothlab.data.parallel.grammar import Grammar
from smoothlab.data.parallel.lexicon import ARTICLES, DETERMINERS
from smoothlab.errors import InvalidArgument


def categories(grammar: Grammar) -> dict:
    """Each source word's category and entry."""
    return {word.text: (category, word) for category, words in grammar.lexicon.words.items() for word in words}


class Translator:
    """Reads a source sentence from left to right, one word ahead, and says what may stand at each target place."""

    def __init__(self, grammar: Grammar, source: tuple[str, ...]) -> None:
        self.lexicon, self.known, self.rest = grammar.lexicon, categories(grammar), list(source)

    def sentence(self) -> list[list[tuple[str, float]]]:
        target, several = self.noun_phrase()
        target += self.verb_phrase(several)
        assert not self.rest
        return target

    def category(self) -> str:
        return self.known[self.rest[0]][0] if self.rest and self.rest[0] in self.known else "other"

    def take(self, category: str):
        parsed, word = self.known[self.rest.pop(0)]
        assert parsed == category
        return word

    def forms(self, word, place: int = 0) -> list[list[tuple[str, float]]]:
        return [self.lexicon.slots[word.slots[place]]]

    def noun_phrase(self):
        definite, several = DETERMINERS[self.rest.pop(0)]
        adjective = self.take("adjective") if self.category() == "adjective" else None
        noun = self.take("noun")
        article = ARTICLES.get((definite, several, noun.gender))
        target = [[(article, 1.0)]] if article else []
        target += self.forms(noun)
        if adjective:
            target += self.forms(adjective, noun.gender)
        if self.rest and self.rest[0] == "ko":
            self.rest.pop(0)
            target += [[("ke", 1.0)], *self.verb_phrase(several)]
        return target, several

    def verb_phrase(self, several: bool):
        adverb = self.take("adverb") if self.category() == "adverb" else None
        verb = self.take("verb")
        target = self.noun_phrase()[0] if self.rest and self.rest[0] in DETERMINERS else []
        return target + (self.forms(adverb) if adverb else []) + self.forms(verb, int(several))


@pytest.mark.parametrize(("depth", "longest"), [(0, 8), (1, 14), (2, 30)])
def test_a_translation_follows_from_the_source_alone(depth, longest):
    grammar = Grammar(depth=depth, longest=longest, ambiguity=0.4)
    for sentence in grammar.draw(500, seed=1):
        assert Translator(grammar, sentence.source).sentence() == [
            grammar.lexicon.slots[slot] for slot in sentence.slots
        ]


def test_sentences_differ_and_have_the_lengths_that_were_asked_for():
    for depth, longest, reached in ((0, 8, 8), (1, 14, 14), (3, 40, 25)):
        sentences = Grammar(depth=depth, longest=longest).draw(3000, seed=0)
        assert len({pair.source for pair in sentences}) == 3000
        lengths = [len(pair.source) for pair in sentences]
        assert min(lengths) == 4
        assert reached <= max(lengths) <= longest
        assert all(len(pair.slots) <= len(pair.source) for pair in sentences)
    assert sum("ko" in sentence.source for sentence in Grammar(depth=0).draw(300, seed=0)) == 0


def test_the_first_sentences_are_the_same_however_many_are_drawn():
    grammar = Grammar()
    few, many = grammar.draw(100, seed=5), Grammar().draw(400, seed=5)
    assert few == many[:100]
    assert few != grammar.draw(100, seed=6)


@pytest.mark.parametrize("words", [8, 48, 300])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_word_is_one_of_both_languages_or_means_two_things(words, seed):
    lexicon = Grammar(words=words, ambiguity=0.5, seed=seed).lexicon
    source, target = lexicon.source_words, lexicon.target_words
    assert len(source) == len(set(source)) == words + 5
    assert len(target) == len(set(target))
    assert not set(source) & set(target)


def test_the_stated_share_of_the_words_has_the_stated_translations():
    shares = [[0.7, 0.3], [0.5, 0.3, 0.2]]
    for ambiguity in (0.0, 0.25, 1.0):
        lexicon = Grammar(words=200, ambiguity=ambiguity, synonyms=shares).lexicon
        entries = [word for words in lexicon.words.values() for word in words]
        several = [word for word in entries if len(lexicon.slots[word.slots[0]]) > 1]
        assert len(several) / len(entries) == pytest.approx(ambiguity, abs=0.01)
        shares_of_slots = [[share for _, share in lexicon.slots[word.slots[0]]] for word in several]
        assert all(share_list in shares for share_list in shares_of_slots)
        if several:
            assert shares_of_slots.count(shares[0]) == pytest.approx(len(shares_of_slots) / 2, abs=1)
        for word in several:  # a word's forms have the same translations, each with its ending
            assert len({len(lexicon.slots[slot]) for slot in word.slots}) == 1


def test_distributions_are_those_of_the_slots():
    grammar = Grammar(words=30, ambiguity=0.3)
    names = ["[PAD]", "[BOS]", "[EOS]", "[UNK]", *grammar.lexicon.target_words]
    made = grammar.distributions(names)
    np.testing.assert_allclose(made.sum(1), 1, rtol=1e-6)
    assert (made[:, :2] == 0).all()
    assert made[grammar.lexicon.end, 2] == 1
    for slot, translations in enumerate(grammar.lexicon.slots):
        assert {names[place]: pytest.approx(made[slot, place]) for place in made[slot].nonzero()[0]} == dict(
            translations
        )


def test_half_of_the_nouns_have_each_gender():
    genders = [word.gender for word in Grammar(words=100).lexicon.words["noun"]]
    assert abs(np.mean(genders) - 0.5) < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": 7}, "words = 7"),
        ({"words": 301}, "words = 301"),
        ({"depth": -1}, "depth = -1"),
        ({"longest": 7}, "longest = 7"),
        ({"ambiguity": 1.5}, "ambiguity = 1.5"),
        ({"synonyms": [[0.7, 0.2]]}, "synonyms"),
        ({"synonyms": [[1.0]]}, "synonyms"),
        ({"synonyms": []}, "synonyms"),
        ({"synonyms": [[0.1] * 10], "words": 300}, "synonyms"),
    ],
)
def test_arguments_outside_their_range_are_refused(options, message):
    with pytest.raises(InvalidArgument, match=message):
        Grammar(**options)


def test_more_sentences_than_there_are_are_refused():
    grammar = Grammar(words=8, depth=0, longest=8)
    words = {category: len(all_) for category, all_ in grammar.lexicon.words.items()}
    phrases = 4 * words["noun"] * (1 + words["adjective"])
    verbs = words["verb"] * (1 + words["adverb"])
    short = 4 * words["noun"] * words["verb"]  # sentences of three words
    there_are = phrases * verbs * (1 + phrases) - short
    assert len(grammar.draw(int(0.9 * there_are), seed=0)) == int(0.9 * there_are)
    with pytest.raises(InvalidArgument, match=r"rows = .* different sentences were found"):
        grammar.draw(there_are + 1, seed=0)


def test_every_determiner_and_category_occurs():
    grammar = Grammar()
    words = set(itertools.chain.from_iterable(sentence.source for sentence in grammar.draw(2000, seed=0)))
    assert words == set(grammar.lexicon.source_words)
