"""Which labels are likely to be wrong: confident learning on out-of-sample probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Suspects:
    """What is likely of the labels of N rows and K classes.

    Args:
        joint: ``(K, K)`` share of the rows with the label i and the true class j, summing to 1.
        suspect: ``(N,)`` whether a row's label is likely to be wrong.
        likely: ``(N,)`` the class in its place: of a suspect the one that it is suspected for, else the most probable
            other one.
        margin: ``(N,)`` probability of the label less that of ``likely``, in [-1, 1]; the smallest is the worst.
    """

    joint: Floats
    suspect: NDArray[np.bool_]
    likely: NDArray[np.int64]
    margin: Floats

    @property
    def noise(self) -> float:
        """The share of labels that are wrong, as estimated."""
        return float(1 - np.trace(self.joint))


def suspects(labels: NDArray[np.int64], probabilities: Floats) -> Suspects:
    """Estimate which labels are wrong, and how many of each class are another one's.

    A row counts for the class j that it reaches the mean probability of (taken over the rows labelled j), the most
    probable one of several. The counts by label and class, brought to the number of rows of each label, are the joint
    of labels and true classes. Of each pair i, j so many rows are suspects as the joint says: those labelled i whose
    margin to j is the smallest below 0.

    Args:
        labels: class indices ``(N,)``.
        probabilities: ``(N, K)``, of models that were not trained on the row.

    Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021;
    pruned by noise rate.
    """
    count, classes = probabilities.shape
    rows = np.arange(count)
    there = np.bincount(labels, minlength=classes)
    thresholds = np.array(
        [probabilities[labels == k, k].mean() if there[k] else np.inf for k in range(classes)], dtype=np.float64
    )
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    confident = reached.max(1) >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[confident], reached.argmax(1)[confident]), 1.0)
    empty = joint.sum(1) == 0
    joint[empty, empty] = 1.0
    joint *= (there / joint.sum(1))[:, None] / max(count, 1)
    others = probabilities.copy()
    others[rows, labels] = -1.0
    likely = others.argmax(1)
    margin = probabilities[rows, labels] - others[rows, likely]
    suspect = np.zeros(count, dtype=bool)
    for i, j in zip(*np.nonzero(joint - np.diag(joint.diagonal())), strict=True):
        own = np.flatnonzero(labels == i)
        gap = probabilities[own, i] - probabilities[own, j]
        worst = own[np.argsort(gap, kind="stable")[: round(joint[i, j] * count)]]
        suspect[worst[probabilities[worst, i] < probabilities[worst, j]]] = True
    return Suspects(joint, suspect, likely, margin)
