"""A ranked summary of confidences in fixed space: the samples while they fit, then atoms of equal weight.

An atom is (weight, mean confidence, weight that was right). When the table is full, neighbours in rank are
joined to about half as many atoms as it has rows. So the resolution follows the data: it is fine where
confidences crowd, whether at 1, at 1/K or in a narrow band around 0.9 as label smoothing makes it, where a
histogram with fixed cells is coarse. After 1e7 samples an atom stands for about 1/30,000 of them. What an
atom becomes depends on the order of samples, not on how they were cut into batches.
"""

from __future__ import annotations

import numpy as np

from smoothlab.metrics.groups import ConfidenceGroups
from smoothlab.metrics.inputs import Array
from smoothlab.ties import ROUNDING, first_of_ties

CAPACITY = 1 << 16  # samples that are kept as they are


def append(table: Array, filled: int, new: Array) -> int:
    """Add columns (3, n) to a table (3, CAPACITY) of which ``filled`` are used; return how many are used now."""
    done, size, length = 0, table.shape[1], new.shape[1]
    while done < length:
        if filled == size:
            filled = _compress(table)
        room = min(size - filled, length - done)
        table[:, filled : filled + room] = new[:, done : done + room]
        filled, done = filled + room, done + room
    return filled


def _compress(table: Array) -> int:
    """Join neighbours in a full table until at most three quarters of it are used, mostly half.

    A group much heavier than an atom is one of ties (confidence 1.0, most often). It stays alone, so that it keeps its
    exact confidence and meets further samples of the same.
    """
    half = table.shape[1] // 2
    groups = ranked(table, integral=True)
    weight, confidence, correct = groups.weight, groups.confidence, groups.correct
    if len(weight) > half:
        reached = np.cumsum(weight)
        bucket = ((reached - 0.5 * weight) * (half / reached[-1])).astype(np.int64)
        alone = weight > 4.0 * reached[-1] / half
        starts = (bucket[1:] != bucket[:-1]) | alone[1:] | alone[:-1]
        first = np.flatnonzero(np.concatenate(([True], starts)))
        joined = np.add.reduceat(weight, first)
        confidence = np.add.reduceat(weight * confidence, first) / joined
        correct, weight = np.add.reduceat(correct, first), joined
    used = len(weight)
    table[:, :used] = weight, confidence, correct
    table[:, used:] = 0.0
    return used


def ranked(table: Array, integral: bool) -> ConfidenceGroups:
    """Groups of the used columns (weight > 0) in rising order of confidence, ties joined."""
    if table[0].min() <= 0.0:
        table = table[:, table[0] > 0.0]
    order = np.argsort(table[1])
    weight, confidence, correct = (column[order] for column in table)
    first = first_of_ties(confidence, ROUNDING)
    if len(first) < len(weight):
        weight, correct = np.add.reduceat(weight, first), np.add.reduceat(correct, first)
        confidence = confidence[first]
    return ConfidenceGroups(confidence, weight, correct, integral)
