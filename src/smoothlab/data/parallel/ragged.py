"""Rows of different lengths in one long array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Ragged:
    """N rows of token ids, one after the other.

    Args:
        flat: all ids, int32 ``(M,)``.
        lengths: of the rows, int64 ``(N,)``; they sum to M.
    """

    def __init__(self, flat: NDArray[np.int32], lengths: NDArray[np.int64]) -> None:
        self.flat = flat
        self.lengths = lengths
        self.starts: NDArray[np.int64] = np.concatenate([[0], lengths.cumsum()[:-1]]).astype(np.int64)[: len(lengths)]

    def __len__(self) -> int:
        return len(self.lengths)

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the ids of some rows lie in ``flat``, row after row."""
        return runs(self.starts[rows], self.lengths[rows])

    def take(self, rows: NDArray[np.int64]) -> Ragged:
        """Some of the rows, in their order."""
        return Ragged(self.flat[self.places(rows)], self.lengths[rows])

    def without(self, dropped: NDArray[np.bool_]) -> Ragged:
        """The rows without some of their ids ``(M,)``."""
        row = np.repeat(np.arange(len(self)), self.lengths)
        return Ragged(self.flat[~dropped], np.bincount(row[~dropped], minlength=len(self)).astype(np.int64))

    def ended(self, end: int, longest: int, *, always: bool) -> Ragged:
        """The rows with an end token, of ``longest`` ids at most.

        Args:
            end: the token.
            longest: ids that a row has room for.
            always: a row that is too long ends in the token as well; otherwise it just stops, and does not say that the
                sentence ends where it was cut.
        """
        fits = self.lengths < longest
        taken = np.where(fits, self.lengths, longest - 1 if always else longest)
        lengths = taken + (fits | always)
        made = np.full(int(lengths.sum()), end, dtype=np.int32)
        made[runs(lengths.cumsum() - lengths, taken)] = self.flat[runs(self.starts, taken)]
        return Ragged(made, lengths)

    def padded(self, rows: NDArray[np.int64], padding: int) -> NDArray[np.int64]:
        """Some rows side by side ``(n, T)`` int64, T the length of the longest, 1 at least."""
        lengths = self.lengths[rows]
        made = np.full((len(rows), max(int(lengths.max(initial=0)), 1)), padding, dtype=np.int64)
        made[filled(lengths, made.shape[1])] = self.flat[self.places(rows)]
        return made


def runs(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers that count up from each start, ``lengths`` of them, run after run."""
    ends = lengths.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)


def filled(lengths: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """Which places of padded rows ``(n, width)`` are no padding."""
    return np.asarray(np.arange(width) < lengths[:, None])
