"""Made-up sentence pairs whose every token's probability is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.module import SPLITS
from smoothlab.data.parallel.corpus import Truth
from smoothlab.data.parallel.encoder import ParallelEncoder
from smoothlab.data.parallel.grammar import Grammar
from smoothlab.data.parallel.lexicon import END
from smoothlab.data.parallel.module import ParallelData, TokenLoading, Vocabulary
from smoothlab.data.parallel.ragged import Ragged
from smoothlab.data.parallel.tokenizers import WORDS, words_as_tokenizer
from smoothlab.data.parts.keys import check_least, check_seed
from smoothlab.errors import UserMistake
from smoothlab.flat_keys import takes_keys


@dataclass(frozen=True)
class Language:
    """The two languages that are invented; see ``conf/data/synthetic_translation.yaml``."""

    grammar_seed: int = 0
    words: int = 48
    depth: int = 1
    longest: int = 14
    ambiguity: float = 0.15
    synonyms: Sequence[Sequence[float]] = ((0.7, 0.3), (0.5, 0.3, 0.2))

    def grammar(self) -> Grammar:
        """Its grammar."""
        options = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "grammar_seed"}
        return Grammar(**options, seed=self.grammar_seed)


class SyntheticTranslation(ParallelData):
    """Sentence pairs of :class:`Grammar`, two invented languages with known ambiguity; tokens are words.

    Batches of validation and test have metadata ``posterior`` ``(M, K)``: p(token | source, tokens before it). Sentence
    metadata ``ambiguous`` is 1 where a sentence has more than one translation, else 0. No source sentence occurs twice.
    The fields of the parts may be given as keywords.

    Args:
        rows: training pairs.
        val_rows: of validation.
        test_rows: of test; the same ones for every number of training pairs.
        row_seed: draws the sentences and their translations.
        language: what is invented.
        joint_vocabulary: one vocabulary, in which the source's words never are the next token.
        loading: how pairs come in batches.
    """

    @takes_keys
    def __init__(
        self,
        *,
        rows: int = 12_000,
        val_rows: int = 500,
        test_rows: int = 1_000,
        row_seed: int = 0,
        language: Language = Language(),
        joint_vocabulary: bool = True,
        loading: TokenLoading = TokenLoading(batch_tokens=1024),
    ) -> None:
        # a target sentence has at most as many words as its source; both have an end
        longest = language.longest + 1 if isinstance(language.longest, int) else 2
        vocabulary = Vocabulary(tokenizer="words", joint_vocabulary=joint_vocabulary, max_length=longest)
        super().__init__(vocabulary=vocabulary, loading=loading)
        self.rows = {"train": rows, "val": val_rows, "test": test_rows}
        for name, value in zip(("rows", "val_rows", "test_rows"), self.rows.values(), strict=True):
            check_least(name, value, 1)
        check_seed("row_seed", row_seed)
        check_seed("grammar_seed", language.grammar_seed)
        self.row_seed = row_seed
        self.grammar = language.grammar()
        self._slots: dict[str, Ragged] = {}

    @property
    def slice_column(self) -> str | None:
        """Sentences with one translation are told from those with several."""
        return "ambiguous"

    def tables(self) -> dict[str, pd.DataFrame]:
        """See :class:`ParallelData`."""
        drawn = self.grammar.draw(sum(self.rows.values()), self.row_seed)
        made, start = {}, 0
        for split in reversed(SPLITS):  # test first: it stays what it is when the others grow
            sentences = drawn[start : start + self.rows[split]]
            start += self.rows[split]
            lengths = np.array([len(sentence.slots) for sentence in sentences], dtype=np.int64)
            flat = np.array([slot for sentence in sentences for slot in sentence.slots], dtype=np.int32)
            self._slots[split] = Ragged(flat, lengths)
            words = self._translated(flat, np.random.default_rng([self.row_seed, SPLITS.index(split)]))
            targets = [" ".join(words[end - size : end]) for size, end in zip(lengths, lengths.cumsum(), strict=True)]
            made[split] = pd.DataFrame(
                {"source": [" ".join(sentence.source) for sentence in sentences], "target": targets}, dtype=object
            )
        several = float(self._ambiguous("test").double().mean())
        self.notes.append(
            f"synthetic data: {sum(self.rows.values()):,} made-up pairs of two invented languages; every token's "
            f"posterior is known, and {several:.0%} of the test sentences have several translations"
        )
        return {split: made[split] for split in SPLITS}

    def make_encoder(self, train: pd.DataFrame) -> ParallelEncoder:
        """The words of both languages, those too that no training sentence has."""
        lexicon = self.grammar.lexicon
        vocabularies = [lexicon.source_words, lexicon.target_words]
        if self.vocabulary.joint_vocabulary:
            vocabularies = [[*lexicon.target_words, *lexicon.source_words]]
        sides = [words_as_tokenizer(words) for words in vocabularies]
        return ParallelEncoder(*sides, max_length=self.vocabulary.max_length, special=WORDS)

    def about(self, split: str) -> dict[str, Tensor]:
        """``ambiguous``: 1 where a sentence has several translations."""
        return {"ambiguous": self._ambiguous(split)}

    def truth(self, split: str, target: Ragged) -> Truth:
        """The distribution of each target token."""
        kinds = self._slots[split].ended(self.grammar.lexicon.end, self.vocabulary.max_length, always=True)
        names = self.class_names
        if not {END, *self.grammar.lexicon.target_words} <= set(names) or not np.array_equal(
            kinds.lengths, target.lengths
        ):
            raise UserMistake(
                "data: the vocabulary is of another grammar than these sentences; same words, seed, ambiguity?"
            )
        return Truth(kinds.flat, torch.from_numpy(self.grammar.distributions(names)))

    def _ambiguous(self, split: str) -> Tensor:
        slots = self._slots[split]
        several = np.array([len(words) > 1 for words in self.grammar.lexicon.slots])[slots.flat]
        return torch.from_numpy((np.add.reduceat(several, slots.starts) > 0).astype(np.int64))

    def _translated(self, slots: np.ndarray, generator: np.random.Generator) -> list[str]:
        """A target word for each slot, drawn for itself."""
        lexicon: list[list[tuple[str, float]]] = self.grammar.lexicon.slots
        most = max(map(len, lexicon))
        ends = np.ones((len(lexicon), most))
        for place, translations in enumerate(lexicon):
            ends[place, : len(translations) - 1] = np.cumsum([share for _, share in translations])[:-1]
        chosen: Any = (generator.random(len(slots))[:, None] >= ends[slots][:, :-1]).sum(1) if most > 1 else 0 * slots
        words = np.array([[*(text for text, _ in row), *[""] * (most - len(row))] for row in lexicon], dtype=object)
        return list(words[slots, chosen])
