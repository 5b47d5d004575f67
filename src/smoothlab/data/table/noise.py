"""Wrong labels on purpose, to study what stands them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from smoothlab.errors import InvalidArgument

NoiseKind = Literal["none", "symmetric", "pair", "instance"]
SPREAD = 0.1  # of the flip probabilities of instance noise around their rate
CHUNK = 65_536


def noisy(
    labels: np.ndarray, num_classes: int, kind: NoiseKind, rate: float, seed: int, features: np.ndarray | None = None
) -> np.ndarray:
    """Labels of which a share is wrong.

    - ``symmetric``: any of the other classes, each as likely (Angluin and Laird, "Learning from Noisy Examples",
      Machine Learning, 1988, for two classes).
    - ``pair``: the next class, the first one after the last (Han et al., "Co-teaching", NeurIPS 2018).
    - ``instance``: a row's own flip probability is drawn around the rate, and the class it goes to by a random linear
      map of its features for its class (Xia et al., "Part-dependent Label Noise", NeurIPS 2020).

    Args:
        labels: class indices ``(N,)``; they are not changed.
        num_classes: K.
        kind: which.
        rate: share of the labels that become wrong, in [0, 1): each label independently with this probability.
        seed: decides which.
        features: of the rows ``(N, F)``, for ``instance``.

    Raises:
        InvalidArgument: another kind, or a rate outside its range.
    """
    if not 0 <= rate < 1:
        raise InvalidArgument("noise_rate", rate, "a number in [0, 1)")
    if kind == "none" or rate == 0 or not len(labels):
        return labels
    generator = np.random.default_rng([seed, 0x6E6F697365])  # the split's draws are others
    chosen = generator.random(len(labels))
    if kind == "symmetric":
        wrong = (labels + generator.integers(1, num_classes, len(labels))) % num_classes
        return np.where(chosen < rate, wrong, labels)
    if kind == "pair":
        return np.where(chosen < rate, (labels + 1) % num_classes, labels)
    if kind != "instance" or features is None:
        raise InvalidArgument("noise", kind, "none, symmetric, pair or instance")
    flips = _truncated_normal(generator, rate, len(labels))
    maps = generator.standard_normal((num_classes, features.shape[1], num_classes))
    result = labels.copy()
    for start in range(0, len(labels), CHUNK):
        part = slice(start, start + CHUNK)
        for label in range(num_classes):
            rows = np.flatnonzero((labels[part] == label) & (chosen[part] < flips[part])) + start
            if len(rows):
                scores = features[rows] @ maps[label]
                scores[:, label] = -np.inf
                gumbel = -np.log(-np.log(generator.random(scores.shape)))  # the largest sum is a draw from the softmax
                result[rows] = (scores + gumbel).argmax(axis=1)
    return result


def _truncated_normal(generator: np.random.Generator, rate: float, count: int) -> np.ndarray:
    """Draws around ``rate`` in [0, 1], those outside drawn again."""
    drawn = generator.normal(rate, SPREAD, count)
    while (outside := np.flatnonzero((drawn < 0) | (drawn > 1))).size:
        drawn[outside] = generator.normal(rate, SPREAD, outside.size)
    return np.asarray(np.minimum(drawn * (rate / drawn.mean()), 1.0))  # cutting off one side moves the mean
