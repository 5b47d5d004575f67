"""A ranked summary of confidences in fixed space: the samples while they fit, then atoms of equal weight.

An atom is (weight, mean confidence, weight that was right). When the table is full, neighbours in rank are
joined to about half as many atoms as it has rows. So the resolution follows the data: it is fine where
confidences crowd, whether at 1, at 1/K or in a narrow band around 0.9 as label smoothing makes it, where a
histogram with fixed cells is coarse. After 1e7 samples an atom stands for about 1/30,000 of them. What an
atom becomes depends on the order of samples, not on how they were cut into batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smoothlab.metrics.groups import ConfidenceGroups

if TYPE_CHECKING:
    from smoothlab.metrics.inputs import Array

CAPACITY = 1 << 16  # samples that are kept as they are


def append(table: Array, filled: int, new: Array) -> int:
    """Add rows (n, 3) to a table (CAPACITY, 3) of which ``filled`` are used; return how many are used now."""
    done = 0
    while done < len(new):
        if filled == len(table):
            filled = _compress(table)
        room = min(len(table) - filled, len(new) - done)
        table[filled : filled + room] = new[done : done + room]
        filled, done = filled + room, done + room
    return filled


def _compress(table: Array) -> int:
    """Join neighbours in a full table until at most three quarters of it are used, mostly half.

    A group much heavier than an atom is one of ties (confidence 1.0, most often). It stays alone, so that it
    keeps its exact confidence and meets further samples of the same.
    """
    half = len(table) // 2
    groups = ranked(table, integral=True)
    joined = np.stack((groups.weight, groups.confidence, groups.correct), 1)
    if len(joined) > half:
        reached = np.cumsum(groups.weight)
        bucket = ((reached - 0.5 * groups.weight) * (half / reached[-1])).astype(np.int64)
        alone = groups.weight > 4.0 * reached[-1] / half
        starts = (bucket[1:] != bucket[:-1]) | alone[1:] | alone[:-1]
        first = np.flatnonzero(np.concatenate(([True], starts)))
        joined[:, 1] *= joined[:, 0]
        joined = np.add.reduceat(joined, first, axis=0)
        joined[:, 1] /= joined[:, 0]
    table[: len(joined)] = joined
    table[len(joined) :] = 0.0
    return len(joined)


def ranked(table: Array, integral: bool) -> ConfidenceGroups:
    """Groups of the used rows (weight > 0) in rising order of confidence, equal confidences joined."""
    used = table[table[:, 0] > 0]
    weight, confidence, correct = used[np.argsort(used[:, 1])].T
    first = np.flatnonzero(np.concatenate(([True], confidence[1:] != confidence[:-1])))
    if len(first) < len(weight):
        weight, correct = np.add.reduceat(weight, first), np.add.reduceat(correct, first)
        confidence = confidence[first]
    return ConfidenceGroups(confidence, weight, correct, integral)
