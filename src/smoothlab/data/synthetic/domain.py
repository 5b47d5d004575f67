"""A made-up world whose posterior is known: what a domain of synthetic data is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothlab.classes import ClassTree
from smoothlab.data.parts.keys import check_seed
from smoothlab.errors import InvalidArgument

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """Rows of a domain.

    Args:
        numeric: numeric columns ``(N, F)``.
        codes: categorical columns ``(N, C)``, each value below the number of the column's words.
        classes: the true class of each row ``(N,)``.
    """

    numeric: Numbers
    codes: NDArray[np.int64]
    classes: NDArray[np.int64]


class Domain(ABC):
    """Draw rows, and say for each how likely each class is given what the row shows.

    A subclass draws the world's own parameters from ``seed`` when it is made; the rows come from another seed, so that
    several samples of one world can be had.

    Args:
        classes: K, at least 2.
        features: numeric columns F, at least 1.
        categories: for each categorical column the number of its words, at least 2; [] for none.
        imbalance: the most frequent class is so many times as frequent as the rarest, at least 1; in between
            geometrically.
        drift: how far the world moves from the first row to the last, >= 0; each subclass says in which unit.
        seed: of the world's parameters.

    Attributes:
        class_names: K names in the order of the logits.
        class_tree: of the classes, or None.
        class_order: whether the classes are in an order.
        numeric_names: of the numeric columns.
        words: of each categorical column, by its name.
    """

    class_word = "class"
    numeric_word = "number"
    categorical_word = "category"

    def __init__(
        self, *, classes: int, features: int, categories: Sequence[int], imbalance: float, drift: float, seed: int
    ) -> None:
        if classes < 2:
            raise InvalidArgument("classes", classes, "an integer of at least 2")
        if features < 1:
            raise InvalidArgument("features", features, "an integer of at least 1")
        if any(count < 2 for count in categories):
            raise InvalidArgument("categories", list(categories), "numbers of words, each at least 2")
        if not 1 <= imbalance < np.inf:
            raise InvalidArgument("imbalance", imbalance, "a number of at least 1")
        if not 0 <= drift < np.inf:
            raise InvalidArgument("drift", drift, "a number >= 0")
        check_seed("seed", seed)
        self.num_classes = classes
        self.drift = float(drift)
        self.shares = geometric_shares(classes, imbalance)
        self.class_names = [f"{self.class_word}_{k + 1}" for k in range(classes)]
        self.class_tree: ClassTree | None = None
        self.class_order = False
        self.numeric_names = [f"{self.numeric_word}_{f + 1}" for f in range(features)]
        self.words = {
            f"{self.categorical_word}_{c + 1}": [f"{chr(97 + c % 26)}{word + 1}" for word in range(count)]
            for c, count in enumerate(categories)
        }
        self.draws = 1 + features + len(categories)  # uniform numbers a row: one of the class, one a column

    @abstractmethod
    def draw(self, uniform: Numbers, time: Numbers) -> Drawn:
        """Rows of uniform numbers in (0, 1) ``(N, draws)`` and times in [0, 1] ``(N,)``."""

    @abstractmethod
    def posterior(self, numeric: Numbers, codes: NDArray[np.int64], time: Numbers) -> Numbers:
        """p(class | numeric, codes, time) ``(N, K)``, rows summing to 1; exact, for any values."""


def geometric_shares(classes: int, imbalance: float) -> Numbers:
    """Shares of the classes ``(K,)``, falling geometrically; the first is ``imbalance`` times the last."""
    shares = float(imbalance) ** -(np.arange(classes) / (classes - 1))
    return np.asarray(shares / shares.sum())


def softmax(logits: Numbers) -> Numbers:
    """Of each row; in place."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
