"""What was understood of sentence pairs, and what looks wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothlab.data.module import SPLITS
from smoothlab.data.parallel.encoder import ParallelEncoder
from smoothlab.data.parallel.module import ParallelData

RATIO, DIFFERENCE = 3.0, 10  # tokens of one side for each of the other, and more of them, that make a pair look wrong
EXAMPLES = 2


@dataclass
class PairsDescription:
    """What was understood, in plain values.

    Args:
        splits: name, pairs, batches, tokens of both sides, and their mean and greatest number in a sentence.
        vocabularies: tokens of the source's and the target's; a joint one twice.
        examples: training pairs as they are cut: source tokens, target tokens.
        notes: what was left out or cut.
        warnings: what looks wrong.
    """

    splits: list[dict[str, Any]]
    vocabularies: tuple[int, int]
    examples: list[tuple[list[str], list[str]]]
    notes: list[str]
    warnings: list[str]


def describe_pairs(data: ParallelData) -> PairsDescription:
    """What was understood of sentence pairs, and what looks wrong: sentences that stand in several splits, sentences
    that are not translated, sides of very different lengths.

    Args:
        data: set up or not.

    Raises:
        UserMistake: the data cannot be used.
    """
    data.setup()
    encoder = data.encoder
    assert isinstance(encoder, ParallelEncoder)
    pairs = list(zip(data.sources("train")[:EXAMPLES], data.references("train")[:EXAMPLES], strict=True))
    return PairsDescription(
        splits=[_split(data, split) for split in SPLITS],
        vocabularies=(encoder.net_arguments["source_vocab_size"], len(data.class_names)),
        examples=[(encoder.tokens(source), encoder.tokens(target, side="target")) for source, target in pairs],
        notes=list(data.notes),
        warnings=[*_shared(data), *(line for split in SPLITS for line in _odd(data, split))],
    )


def _split(data: ParallelData, split: str) -> dict[str, Any]:
    corpus = data.corpus(split)
    facts: dict[str, Any] = {"split": split, "pairs": len(corpus)}
    facts["batches"] = len(data.train_dataloader() if split == "train" else data.loader(split))
    for side, ids in (("source", corpus.source), ("target", corpus.target)):
        facts[f"{side} tokens"] = len(ids.flat)
        facts[f"{side} mean"], facts[f"{side} longest"] = float(ids.lengths.mean()), int(ids.lengths.max())
    return facts


def _shared(data: ParallelData) -> list[str]:
    train = set(data.sources("train"))
    notes = []
    for split in SPLITS[1:]:
        sources = data.sources(split)
        twins = sum(source in train for source in sources)
        if twins:
            notes.append(f"{twins:,} of {len(sources):,} {split} sources are training sources too")
    return notes


def _odd(data: ParallelData, split: str) -> list[str]:
    sources, references, numbers = data.sources(split), data.references(split), data.row_numbers(split)
    notes = []
    copied = [row for row, (source, target) in enumerate(zip(sources, references, strict=True)) if source == target]
    if copied:
        notes.append(
            f"{split}: {len(copied):,} pairs have the same text on both sides, the first in "
            f"{data.place(split, numbers[copied[0]])}"
        )
    corpus = data.corpus(split)
    more, less = corpus.longer, np.minimum(corpus.source.lengths, corpus.target.lengths)
    uneven = np.flatnonzero((more > RATIO * less) & (more - less > DIFFERENCE))
    if len(uneven):
        notes.append(
            f"{split}: {len(uneven):,} pairs have one side more than {RATIO:g} times as long as the other, the first "
            f"in {data.place(split, numbers[uneven[0]])}: are the files aligned?"
        )
    return notes
