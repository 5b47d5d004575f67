"""Sentence pairs for validation and test, where none are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smoothlab.data.module import SPLITS
from smoothlab.data.table.splits import check_fractions
from smoothlab.errors import UserMistake


def completed(given: dict[str, pd.DataFrame], fractions: Sequence[float], seed: int) -> dict[str, pd.DataFrame]:
    """Tables of all three splits; those that are not given are drawn from the training pairs.

    Pairs with the same source stay together: a sentence that is said twice is not in two splits.

    Args:
        given: ``train``, and ``val`` and ``test`` or not, columns ``source`` and ``target``.
        fractions: of train, val and test; of a split that is given it does not count.
        seed: decides which pair goes where.

    Raises:
        InvalidArgument: the fractions are none.
        UserMistake: too few pairs to share out.
    """
    shares = dict(zip(SPLITS, check_fractions(fractions), strict=True))
    drawn = ["train", *(split for split in SPLITS[1:] if split not in given)]
    if len(drawn) == 1:
        return given
    frame = given["train"]
    group, sentences = pd.factorize(frame["source"])
    order = np.random.default_rng(seed).permutation(len(sentences))
    sizes = np.bincount(group, minlength=len(sentences))[order]
    before = (sizes.cumsum() - sizes / 2) / max(len(frame), 1)  # the middle of each sentence on a line from 0 to 1
    ends = np.cumsum([shares[split] for split in drawn])
    part = np.empty(len(sentences), dtype=np.int64)
    part[order] = np.searchsorted(ends[:-1] / ends[-1], before, side="right")
    made = {split: frame[part[group] == place] for place, split in enumerate(drawn)}
    for split, some in made.items():
        if not len(some):
            raise UserMistake(f"data.train: {len(sentences)} different sentences, of which none is left for {split}")
    return {split: made[split] if split in made else given[split] for split in SPLITS}
