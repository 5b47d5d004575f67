"""What is done to the training samples on purpose, to study what stands it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from smoothlab.data.parts.keys import check_choice
from smoothlab.data.table.labels import LabelledRows
from smoothlab.data.table.noise import NoiseKind, noisy
from smoothlab.data.thinning import check_thinning, thinned
from smoothlab.errors import InvalidArgument


@dataclass(frozen=True)
class Training:
    """Wrong labels, fewer rows, rarer classes; see ``conf/data/part/training.yaml``."""

    noise: NoiseKind = "none"
    noise_rate: float = 0.2
    train_share: float = 1.0
    imbalance: float = 1.0

    def __post_init__(self) -> None:
        check_choice("noise", self.noise, NoiseKind)
        noisy(np.zeros(0, dtype=np.int64), 2, self.noise, self.noise_rate, 0)  # checks the rate
        check_thinning(self.train_share, self.imbalance)

    def thinned(self, train: np.ndarray, labelled: LabelledRows, seed: int) -> np.ndarray:
        """The training rows that are kept, of the positions ``train``."""
        if labelled.values.ndim != 1 and self.imbalance != 1:
            raise InvalidArgument("imbalance", self.imbalance, "1 where a sample has votes or several labels")
        strata = labelled.strata[train]
        return thinned(train, strata, train_share=self.train_share, imbalance=self.imbalance, seed=seed)

    def with_noise(
        self, labelled: LabelledRows, train: np.ndarray, seed: int, features: Callable[[], np.ndarray]
    ) -> tuple[np.ndarray, list[str]]:
        """Labels, of which those of the training rows have the noise, and a note that says so.

        Args:
            labelled: rows and labels.
            train: positions of the training rows.
            seed: decides which labels are wrong.
            features: what the noise of each training row depends on ``(N, F)``, with ``noise=instance``.

        Raises:
            InvalidArgument: the labels are no classes.
        """
        if self.noise == "none" or not self.noise_rate:
            return labelled.values, []
        if labelled.values.ndim != 1:
            raise InvalidArgument("noise", self.noise, f"none with labels={labelled.kind}")
        seen = features() if self.noise == "instance" else None
        values = labelled.values.copy()
        values[train] = noisy(values[train], len(labelled.names), self.noise, self.noise_rate, seed, seen)
        wrong = int((values[train] != labelled.values[train]).sum())
        return values, [f"{self.noise} noise: {wrong} of {len(train)} training labels are wrong on purpose"]
