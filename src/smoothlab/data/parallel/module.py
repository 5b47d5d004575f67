"""A data module for sentences and their translations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.data.batch import Batch
from smoothlab.data.module import SPLITS, DataModule, count_classes
from smoothlab.data.parallel.buckets import check_tokens
from smoothlab.data.parallel.corpus import Corpus, Truth
from smoothlab.data.parallel.encoder import ParallelEncoder
from smoothlab.data.parallel.loader import BucketLoader, LengthLoader
from smoothlab.data.parallel.ragged import Ragged
from smoothlab.data.parallel.reading import read_pairs, two_columns
from smoothlab.data.parallel.splitting import completed
from smoothlab.data.parallel.tokenizers import (
    EXTRA,
    SUBWORDS,
    WORDS,
    special_tokens,
    subword_tokenizer,
    tokenizer_in_file,
    word_tokenizer,
)
from smoothlab.data.parts.keys import check_seed
from smoothlab.data.parts.loading import Loading
from smoothlab.data.ranks import this_rank
from smoothlab.data.table.sources import made_by
from smoothlab.data.text.tokenizer import tokenizer_library
from smoothlab.errors import InvalidArgument, UserMistake
from smoothlab.flat_keys import takes_keys

TOKENIZERS = {"subwords": (subword_tokenizer, SUBWORDS), "words": (word_tokenizer, WORDS)}
Pair = str | Sequence[str] | None


@dataclass(frozen=True)
class PairFiles:
    """Where sentence pairs stand; see ``conf/data/parallel.yaml``."""

    train: Pair = None
    val: Pair = None
    test: Pair = None
    source_column: str | int = "source"
    target_column: str | int = "target"
    header: int | None = 0

    @property
    def files(self) -> dict[str, Pair]:
        """By split."""
        return {split: getattr(self, split) for split in SPLITS}

    @property
    def columns(self) -> tuple[str, str]:
        """Of tables: sentences and their translations."""
        return str(self.source_column), str(self.target_column)


@dataclass(frozen=True)
class Vocabulary:
    """How sentences are cut into tokens; see ``conf/data/parallel.yaml``."""

    tokenizer: str = "subwords"
    tokenizer_file: str | Sequence[str] | None = None
    special_tokens: Mapping[str, str | None] | None = None
    vocab_size: int = 8000
    joint_vocabulary: bool = True
    lowercase: bool = False
    unicode_form: str = "NFC"
    min_frequency: int = 2
    max_length: int = 128

    def __post_init__(self) -> None:
        if self.tokenizer not in TOKENIZERS:
            raise InvalidArgument("tokenizer", self.tokenizer, f"one of {', '.join(TOKENIZERS)}")

    def encoder(self, train: pd.DataFrame, column: str) -> ParallelEncoder:
        """An encoder that knows the training sentences, or one with the tokenizers that are given.

        Args:
            train: columns ``source`` and ``target``.
            column: of the sources in a table for prediction.
        """
        options: dict[str, Any] = {"max_length": self.max_length, "column": column}
        if self.tokenizer_file is not None:
            files = [self.tokenizer_file] if isinstance(self.tokenizer_file, str | Path) else list(self.tokenizer_file)
            if len(files) not in (1, 2):
                raise InvalidArgument("tokenizer_file", self.tokenizer_file, "a file, or [source file, target file]")
            made = [tokenizer_in_file(path, "data.tokenizer_file") for path in files]
            return ParallelEncoder(*made, special=special_tokens(self.special_tokens), **options)
        if self.special_tokens is not None:
            raise InvalidArgument("special_tokens", dict(self.special_tokens), "nothing without a tokenizer_file")
        learn, special = TOKENIZERS[self.tokenizer]
        learning: dict[str, Any] = {
            name: getattr(self, name) for name in ("vocab_size", "lowercase", "min_frequency", "unicode_form")
        }
        sides = [train["source"].tolist(), train["target"].tolist()]
        texts = [[*sides[0], *sides[1]]] if self.joint_vocabulary else sides
        return ParallelEncoder(*(learn(side, **learning) for side in texts), special=special, **options)


@dataclass(frozen=True)
class TokenLoading:
    """Tokens of a batch at most, padding included, and the order of training."""

    batch_tokens: int = 4096
    eval_batch_tokens: int = 8192
    shuffle_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_tokens", "eval_batch_tokens"):
            check_tokens(name, getattr(self, name))


class ParallelData(DataModule):
    """Sentences of one language and their translations; the target tokens are the samples.

    A batch has the N pairs as its features (:class:`SentencePairs`) and the M target tokens that are not padding as
    its labels, so that padding reaches no loss and no metric. Metadata of each token: ``sequence``, the place of its
    sentence in its split; ``position``, its own in the sentence, from 0; ``frequency``, its share of training
    tokens.
    ``rows`` numbers the target tokens of all splits, training first.

    The fields of the parts may be given as keywords; ``conf/data/parallel.yaml`` says what each does.

    Args:
        source: a function that makes a table with a row a pair, or tables by split; or functions by split. None: files.
        pairs: files, and columns of tables.
        vocabulary: how sentences are cut into tokens.
        fractions: of the training pairs for the splits that are not given.
        split_seed: decides which pair goes where.
        loading: how pairs come in batches.
    """

    @takes_keys
    def __init__(
        self,
        source: Callable[[], Any] | Mapping[str, Callable[[], Any]] | None = None,
        *,
        pairs: PairFiles = PairFiles(),
        vocabulary: Vocabulary = Vocabulary(),
        fractions: Sequence[float] = (0.9, 0.05, 0.05),
        split_seed: int = 0,
        loading: TokenLoading = TokenLoading(),
    ) -> None:
        sizes = Loading(loading.batch_tokens, loading.eval_batch_tokens, loading.shuffle_seed)
        super().__init__(loading=sizes, label_kind="tokens")
        check_seed("split_seed", split_seed)
        self.source = source
        self.pairs = pairs
        self.vocabulary = vocabulary
        self.fractions = fractions
        self.split_seed = split_seed
        self._texts: dict[str, pd.DataFrame] = {}
        self._corpora: dict[str, Corpus] = {}
        self._counts: list[int] = []

    # What subclasses change ------------------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """The pairs of each split, columns ``source`` and ``target``; the index numbers them in their file, from 0."""
        given = self._given()
        for split, frame in given.items():
            if not len(frame):
                raise UserMistake(f"data.{split}: there are no sentences")
        return completed(given, self.fractions, self.split_seed)

    def make_encoder(self, train: pd.DataFrame) -> ParallelEncoder:
        """An encoder that knows the training sentences, or one with the tokenizers that are given."""
        return self.vocabulary.encoder(train, self.pairs.columns[0])

    def about(self, split: str) -> dict[str, Tensor]:
        """Columns ``(N,)`` that say something about each sentence of a split, by name."""
        return {}

    def truth(self, split: str, target: Ragged) -> Truth | None:
        """What is known of each target token of a split."""
        return None

    # What a run asks --------------------------------------------------------------------------------------------------

    def setup(self, stage: str | None = None) -> None:
        """See :class:`DataModule`."""
        if self._corpora:
            return
        tokenizer_library(EXTRA)
        texts = {split: self._without_empty(frame, split) for split, frame in self.tables().items()}
        encoder = self.encoder if self.encoder is not None else self.make_encoder(texts["train"])
        assert isinstance(encoder, ParallelEncoder)
        self.encoder = encoder
        given = self.vocabulary.tokenizer_file is not None  # what a vocabulary learned of the texts they say themselves
        self.fingerprint = fingerprint(
            texts, (encoder.source_tokenizer, encoder.target_tokenizer or "") if given else ()
        )
        self.classes_are(encoder.class_names)
        self.never = [self.class_names[place] for place in (encoder.padding_index, encoder.begin_index)]
        cut: dict[str, tuple[Ragged, Ragged]] = {}
        for split, frame in texts.items():
            texts[split], *sides = self._within_length(frame, split, encoder)
            cut[split] = (sides[0], sides[1])
        self._note_unknown(cut["train"])
        labels = torch.from_numpy(cut["train"][1].flat)
        self._counts = count_classes(labels.long(), len(self.class_names))
        frequency = torch.tensor(self._counts, dtype=torch.float64).div(max(len(labels), 1)).float()
        first_token, corpora = 0, {}
        self._texts = texts
        for split in SPLITS:
            source, target = cut[split]
            corpora[split] = Corpus(
                source,
                target,
                first_token,
                frequency,
                encoder.padding_index,
                encoder.begin_index,
                texts[split].index.to_numpy(dtype=np.int64),
                self.about(split),
                self.truth(split, target),
            )
            first_token += len(target.flat)
        self._corpora = corpora

    def corpus(self, split: str) -> Corpus:
        """The pairs of ``train``, ``val`` or ``test`` as token ids."""
        return self._corpora[split]

    def sources(self, split: str) -> list[str]:
        """The sentences of a split as they stand in the file; metadata ``sequence`` is a place in this list."""
        return list(self._texts[split]["source"])

    def references(self, split: str) -> list[str]:
        """Their translations as they stand in the file, neither cut nor in another case."""
        return list(self._texts[split]["target"])

    def row_numbers(self, split: str) -> list[int]:
        """Of the pairs of a split in the file that they are from, from 0."""
        return list(map(int, self._corpora[split].numbers))

    def place(self, split: str, number: int) -> str:
        """What a pair of :meth:`row_numbers` is called: a line of two files, or a row of a table."""
        given = self.pairs.files[split] or self.pairs.train
        return f"{'data row' if given is None or isinstance(given, str) else 'line'} {number + 1:,}"

    def sentence_metadata(self, split: str) -> dict[str, Tensor]:
        """Columns ``(N,)`` that say something about each sentence of a split, by name."""
        return dict(self._corpora[split].about)

    @property
    def slice_columns(self) -> list[str]:
        """See :class:`DataModule`: of the sentences."""
        return list(self.sentence_metadata("val"))

    @property
    def class_counts(self) -> list[int]:
        """See :class:`DataModule`: of the training tokens, ends of sentences among them."""
        return self._counts

    @property
    def num_samples(self) -> int:
        """Target tokens of the training pairs."""
        return self._corpora["train"].num_tokens

    @property
    def num_rows(self) -> int:
        """Target tokens of all splits."""
        return sum(corpus.num_tokens for corpus in self._corpora.values())

    def first(self, count: int) -> Batch:
        """The first ``count`` training pairs."""
        corpus = self._corpora["train"]
        return corpus.batch(np.arange(min(count, len(corpus))))

    def loader(self, split: str) -> LengthLoader:
        """All pairs of a split, the short ones first."""
        return LengthLoader(self._corpora[split], self.eval_batch_size, **this_rank())

    def train_dataloader(self) -> BucketLoader:
        """Shuffled batches; the order depends on ``shuffle_seed`` and the epoch."""
        return BucketLoader(self._corpora["train"], self.batch_size, seed=self.shuffle_seed, **this_rank())

    # Steps of setup ---------------------------------------------------------------------------------------------------

    def _given(self) -> dict[str, pd.DataFrame]:
        """The splits that there are, as tables of texts."""
        files = {split: given for split, given in self.pairs.files.items() if given is not None}
        if (self.source is None) == (not files):
            got = "both" if files else "nothing"
            raise UserMistake(f"data.train, data.source: got {got}; expected such as data.train=[train.en,train.de]")
        if self.source is None:
            if "train" not in files:
                raise UserMistake(
                    f"data.train: missing, beside data.{next(iter(files))}; give it as data.train=[a.en,a.de]"
                )
            columns, header = self.pairs.columns, self.pairs.header
            return {split: read_pairs(given, f"data.{split}", columns, header) for split, given in files.items()}
        made: Any = self.source
        if isinstance(made, Mapping):
            made = {split: made_by(source, f"source.{split}") for split, source in made.items()}
        else:
            made = made_by(made, "source")
        if not isinstance(made, Mapping):
            made = {"train": made}
        if not {"train"} <= set(made) <= set(SPLITS):
            raise InvalidArgument("source", list(made), "train, and val and test or not")
        for split, frame in made.items():
            if not isinstance(frame, pd.DataFrame):
                raise UserMistake(f"data.source: {split} is a {type(frame).__name__}, expected a pandas DataFrame")
        return {
            split: two_columns(
                made[split].reset_index(drop=True).set_axis([str(name) for name in made[split].columns], axis=1),
                self.pairs.columns,
                f"data.source, {split}",
            )
            for split in SPLITS
            if split in made
        }

    def _without_empty(self, frame: pd.DataFrame, split: str) -> pd.DataFrame:
        """The pairs with a text on both sides."""
        whole = (frame["source"].str.strip() != "") & (frame["target"].str.strip() != "")
        empty = frame.index[~whole]
        if not whole.any():
            raise UserMistake(f"data.{split}: no pair has a sentence on both sides")
        if len(empty):
            self.notes.append(
                f"{split}: {len(empty):,} pairs with an empty side are left out, the first in "
                f"{self.place(split, empty[0])}"
            )
        return frame[whole]

    def _within_length(
        self, frame: pd.DataFrame, split: str, encoder: ParallelEncoder
    ) -> tuple[pd.DataFrame, Ragged, Ragged]:
        """Texts and token ids of a split; too long pairs are left out of training, and cut elsewhere."""
        source, target = encoder.source_ids(frame["source"].tolist()), encoder.target_ids(frame["target"].tolist())
        room = encoder.max_length - 1
        long = (source.lengths > room) | (target.lengths > room)
        if long.any():
            sentence = (
                f"{split}: {int(long.sum()):,} pairs with a side of more than max_length = {encoder.max_length} tokens"
            )
            first = f"the first in {self.place(split, frame.index[long][0])}"
            if split == "train":
                if long.all():
                    raise UserMistake(f"data.max_length = {encoder.max_length}: every training pair is longer")
                self.notes.append(f"{sentence} are left out, {first}")
                rows = np.flatnonzero(~long)
                frame, source, target = frame[~long], source.take(rows), target.take(rows)
            else:
                self.notes.append(f"{sentence} are cut, {first}; references for BLEU stay whole")
        return (
            frame,
            source.ended(encoder.end_index, encoder.max_length, always=True),
            target.ended(encoder.end_index, encoder.max_length, always=False),
        )

    def _note_unknown(self, sides: tuple[Ragged, Ragged]) -> None:
        """Say how many training tokens the vocabularies do not know."""
        assert isinstance(self.encoder, ParallelEncoder)
        unknown = self.encoder.unknown_index
        if unknown is None:
            return
        for side, ids in zip(("source", "target"), sides, strict=True):
            share = float((ids.flat == unknown).mean())
            if share > 0:
                self.notes.append(f"{share:.2%} of the {side} tokens of training are not in the vocabulary")


def fingerprint(texts: Mapping[str, pd.DataFrame], tokenizers: Sequence[str] = ()) -> str:
    """A hash of the sentences of all splits, and of tokenizers: 64 hexadecimal digits."""
    digest = hashlib.sha256("\0".join(tokenizers).encode())
    for split, frame in texts.items():
        for side in ("source", "target"):
            content = "\0".join(frame[side]).encode()  # a text may hold line feeds, and no zero
            digest.update(f"{split} {side} {len(frame)} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()
