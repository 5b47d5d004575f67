"""Fewer training samples on purpose, to study few data and rare classes; validation and test stay as they are."""

from __future__ import annotations

import numpy as np

from smoothlab.numbers import check_number


def check_thinning(train_share: float, imbalance: float) -> None:
    """Refuse shares and ratios that thin nothing out.

    Raises:
        InvalidArgument: a share outside (0, 1], or a ratio below 1.
    """
    check_number("train_share", train_share, above=0, at_most=1)
    check_number("imbalance", imbalance, at_least=1)


def thinned(
    index: np.ndarray, labels: np.ndarray, *, train_share: float = 1.0, imbalance: float = 1.0, seed: int
) -> np.ndarray:
    """Some of the training samples, at least one a class.

    Of the class with rank r among K by frequency, 0 the most frequent, at most ``n_0 * imbalance ** (-r / (K - 1))``
    samples are kept, a long tail (Cui et al., "Class-Balanced Loss", CVPR 2019); then ``train_share`` of each class.
    The samples of a smaller share are among those of a larger one, so that a learning curve adds samples.

    Args:
        index: positions of the training samples ``(N,)``.
        labels: their classes, or other strata, ``(N,)``.
        train_share: in (0, 1].
        imbalance: at least 1; 1 leaves the classes as they are.
        seed: decides which samples.

    Returns:
        Positions, in the order in which they came.
    """
    check_thinning(train_share, imbalance)
    if (train_share == 1 and imbalance == 1) or not len(index):
        return index
    generator = np.random.default_rng([seed, 0x7468696E])  # the split's draws are others
    order = generator.permutation(len(index))
    classes, counts = np.unique(labels, return_counts=True)
    ranked = classes[np.argsort(-counts, kind="stable")]
    chosen = np.zeros(len(index), dtype=bool)
    for rank, label in enumerate(ranked):
        places = order[labels[order] == label]
        most = counts.max() * imbalance ** (-rank / max(1, len(classes) - 1))
        chosen[places[: max(1, round(min(len(places), most) * train_share))]] = True
    return index[chosen]
