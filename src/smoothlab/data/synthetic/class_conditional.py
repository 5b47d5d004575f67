"""Worlds in which the class decides how a row looks: Gaussian numbers and categories, given the class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smoothlab.classes import ClassTree
from smoothlab.data.synthetic.domain import Domain, Drawn, Numbers, softmax
from smoothlab.data.synthetic.draws import choices, normals
from smoothlab.errors import InvalidArgument

DEVIATION = 0.5  # of the logarithm of the deviations of all numeric columns together, beside a separation of 1
LEVEL_RATIO = 0.6  # a level's offsets are so much smaller than those of the level above
TILT = 0.4  # how much the classes differ in the logits of their categories, beside a separation of 1


class ClassConditional(Domain):
    """Each class has a Gaussian for each numeric column and a distribution for each categorical one.

    Given the class and the time t the columns are independent, so that by Bayes' rule

        p(k | x, c, t)  ~  share_k  prod_f N(x_f; mean_kf + drift t way_kf, deviation_kf ** 2)  prod_j P_j(c_j | k)

    The means come down a tree of the classes: each node moves everything below it, the nodes of a level less than those
    of the level above, so that near relatives are confused most.

    Args:
        classes: see :class:`Domain`, as ``features``, ``categories``, ``imbalance`` and ``seed``.
        features: numeric columns.
        categories: words of each categorical column.
        imbalance: of the classes.
        separation: about 0.7 of the distance between two classes' means in standard deviations, above 0. Deviations and
            categories of the classes differ in proportion.
        depth: levels of the tree, at least 1; 1 is no tree.
        drift: the way in standard deviations that each class's mean goes from the first row to the last, in a direction
            of its own.
        seed: of the world's parameters.
    """

    group_word = "group"

    def __init__(
        self,
        *,
        classes: int,
        features: int,
        categories: Sequence[int],
        separation: float,
        imbalance: float,
        depth: int,
        drift: float,
        seed: int,
    ) -> None:
        super().__init__(
            classes=classes, features=features, categories=categories, imbalance=imbalance, drift=drift, seed=seed
        )
        if not 0 < separation < np.inf:
            raise InvalidArgument("separation", separation, "a number above 0")
        if depth != 1 and not 2 <= 2**depth <= classes:
            raise InvalidArgument("depth", depth, f"an integer in [1, {int(np.log2(classes))}] for {classes} classes")
        random = np.random.Generator(np.random.PCG64(seed))
        groups = grouped(classes, depth)
        scales = LEVEL_RATIO ** np.arange(depth)
        scales *= separation / np.sqrt((scales**2).sum())
        self.means = np.zeros((classes, features))
        for scale, group in zip(scales, groups, strict=True):
            offsets = random.standard_normal((group.max() + 1, features)) * scale / np.sqrt(features)
            self.means += offsets[group]
        self.deviations = np.exp(
            DEVIATION * separation / np.sqrt(features) * random.standard_normal((classes, features))
        )
        directions = random.standard_normal((classes, features))
        self.paths = self.drift * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        self.category_shares = [  # (K, words) each
            softmax(random.standard_normal(count) + TILT * separation * random.standard_normal((classes, count)))
            for count in categories
        ]
        if depth > 1:
            self.class_tree = self._tree(groups)

    def _tree(self, groups: list[NDArray[np.int64]]) -> ClassTree:
        paths = []
        for k, name in enumerate(self.class_names):
            numbers = [str(group[k] + 1) for group in groups[:-1]]
            above = [f"{self.group_word}_{level + 1}.{number}" for level, number in enumerate(numbers)]
            paths.append(" > ".join([*above, name]))
        return ClassTree.from_paths(paths)

    def draw(self, uniform: Numbers, time: Numbers) -> Drawn:
        """See :class:`Domain`."""
        classes = choices(self.shares, uniform[:, 0])
        numeric = normals(uniform[:, 1 : 1 + self.means.shape[1]])
        numeric *= self.deviations[classes]
        numeric += self.means[classes]
        if self.drift:
            numeric += time[:, None] * self.paths[classes]
        codes = np.empty((len(uniform), len(self.category_shares)), dtype=np.int64)
        for column, shares in enumerate(self.category_shares):
            codes[:, column] = choices(shares[classes], uniform[:, 1 + self.means.shape[1] + column])
        return Drawn(numeric, codes, classes)

    def posterior(self, numeric: Numbers, codes: NDArray[np.int64], time: Numbers) -> Numbers:
        """See :class:`Domain`."""
        scores = np.empty((len(numeric), self.num_classes))
        logs = np.log(self.shares) - np.log(self.deviations).sum(axis=1)
        for k in range(self.num_classes):  # a pass a class: no array of rows x classes x columns
            apart = numeric - self.means[k]
            if self.drift:
                apart -= time[:, None] * self.paths[k]
            apart /= self.deviations[k]
            scores[:, k] = logs[k] - 0.5 * np.einsum("nf,nf->n", apart, apart)
        for column, shares in enumerate(self.category_shares):
            scores += np.log(shares).T[codes[:, column]]
        return softmax(scores)


def grouped(classes: int, depth: int) -> list[NDArray[np.int64]]:
    """Which node of each level a class is below, ``(K,)`` a level from the top; at the last level a node a class.

    Neighbours stand together. Each node has as many nodes below it as its neighbours, up to one.
    """
    counts = [round(classes ** ((level + 1) / depth)) for level in range(depth)]
    groups = [np.arange(classes)]
    for count, below in zip(counts[-2::-1], counts[:0:-1], strict=True):  # from the leaves up, so that levels nest
        groups.insert(0, groups[0] * count // below)
    return groups
