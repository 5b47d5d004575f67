"""Worlds in which a row's look decides its grade: thresholds on a score with logistic noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from smoothlab.data.synthetic.domain import Domain, Drawn, Numbers
from smoothlab.data.synthetic.draws import normals
from smoothlab.errors import InvalidArgument

EFFECT = 0.5  # of a categorical column's words on the score, beside a deviation of 1 of all numeric columns


class OrdinalThreshold(Domain):
    """A score of the columns plus logistic noise, cut by thresholds: classes in an order.

    With the score ``s = separation (weights . x + sum_j effect_j(c_j)) + drift t`` and thresholds a_1 < ... < a_(K-1),
    the proportional odds model (McCullagh, JRSS B 1980),

        P(class <= k | x, c, t) = sigmoid(a_k - s)

    The thresholds are those that give the classes their shares at the middle of the time.

    Args:
        classes: see :class:`Domain`, as ``features``, ``categories``, ``imbalance`` and ``seed``.
        features: numeric columns, standard normal and independent.
        categories: words of each categorical column, equally frequent.
        imbalance: of the classes; the first is the most frequent.
        separation: standard deviation of the numeric columns' part of the score, above 0; the noise has 1.8.
        drift: by how much the score rises from the first row to the last.
        seed: of the world's parameters.
    """

    def __init__(
        self,
        *,
        classes: int,
        features: int,
        categories: Sequence[int],
        separation: float,
        imbalance: float,
        drift: float,
        seed: int,
    ) -> None:
        super().__init__(
            classes=classes, features=features, categories=categories, imbalance=imbalance, drift=drift, seed=seed
        )
        if not 0 < separation < np.inf:
            raise InvalidArgument("separation", separation, "a number above 0")
        random = np.random.Generator(np.random.PCG64(seed))
        weights = random.standard_normal(features)
        self.weights = separation * weights / np.linalg.norm(weights)
        self.effects = [separation * EFFECT * random.standard_normal(count) for count in categories]
        self.thresholds = self._thresholds(separation)
        self.class_order = True

    def _thresholds(self, separation: float) -> Numbers:
        """Where the mean of sigmoid(a - s) over the rows is the share of the classes below."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(48)
        weights = weights / weights.sum()
        spread = sum(effect.var() for effect in self.effects)  # the sum over many columns is nearly normal
        centre = sum(effect.mean() for effect in self.effects) + self.drift / 2
        scores = centre + nodes * np.sqrt(separation**2 + spread)
        below = np.cumsum(self.shares)[:-1]
        limit = np.abs(scores).max() + np.abs(logit(below)).max() + 1
        return np.array(
            [brentq(lambda a, share=part: weights @ expit(a - scores) - share, -limit, limit) for part in below]
        )

    def score(self, numeric: Numbers, codes: NDArray[np.int64], time: Numbers) -> Numbers:
        """Of each row ``(N,)``."""
        score: Numbers = np.einsum("nf,f->n", numeric, self.weights) + self.drift * time
        for column, effect in enumerate(self.effects):
            score += effect[codes[:, column]]
        return score

    def draw(self, uniform: Numbers, time: Numbers) -> Drawn:
        """See :class:`Domain`."""
        features = len(self.weights)
        numeric = normals(uniform[:, 1 : 1 + features])
        counts = np.array([len(effect) for effect in self.effects])
        codes = np.minimum(uniform[:, 1 + features :] * counts, counts - 1).astype(np.int64)
        latent = self.score(numeric, codes, time) + logit(uniform[:, 0])
        return Drawn(numeric, codes, np.searchsorted(self.thresholds, latent).astype(np.int64))

    def posterior(self, numeric: Numbers, codes: NDArray[np.int64], time: Numbers) -> Numbers:
        """See :class:`Domain`."""
        score = self.score(numeric, codes, time)[:, None]
        # A difference of two numbers near 1 loses the digits of a small probability: of the two sides, the smaller.
        left, right = self.thresholds[:-1] - score, self.thresholds[1:] - score
        flip = left > 0
        middle = np.where(flip, expit(-left) - expit(-right), expit(right) - expit(left))
        first, last = expit(self.thresholds[:1] - score), expit(score - self.thresholds[-1:])
        return np.concatenate([first, middle, last], axis=1)
