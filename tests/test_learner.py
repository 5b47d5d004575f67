"""What learners have in common: sums over ranks, checkpoints, devices."""

from __future__ import annotations

import torch
from ranks import on_ranks

from smoothlab.learner import Learner


class Counter(Learner):
    """Counts the samples that it saw, and keeps the count of the last epoch."""

    def __init__(self):
        super().__init__()
        self.kept = {"count": torch.zeros((), dtype=torch.float64)}
        self.seen = {"count": torch.zeros((), dtype=torch.float64)}

    def learn_from_training(self):
        self.kept["count"] = self.seen["count"].clone()


def counts(rank: int, share: float) -> list[float]:
    counter = Counter()
    counter.seen["count"] += share * (rank + 1)
    counter.end_epoch()
    return [counter.kept["count"].item(), counter.seen["count"].item()]


def test_ranks_learn_from_the_sums_of_all_of_them():
    assert on_ranks(counts, 0.5) == [[1.5, 0.0], [1.5, 0.0]]
