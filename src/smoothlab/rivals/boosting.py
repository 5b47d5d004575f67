"""Boosted trees, stopped by the validation rows that a net would be stopped by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothlab.data.layout import Span
from smoothlab.numbers import check_number, check_whole
from smoothlab.rivals.cells import cells, ranks_of
from smoothlab.rivals.rival import Rival
from smoothlab.rivals.rows import Rows
from smoothlab.rivals.trees import Trees

MOST_CATEGORIES = 255  # of a column that scikit-learn splits by sets of them
CHECKED = 256  # validation rows on which the tensors have to say what scikit-learn says
SAME = 1e-9  # of probabilities


class Boosting(Rival):
    """Gradient boosting of trees on binned columns, scikit-learn's ``HistGradientBoostingClassifier``.

    It stops when the validation NLL has not fallen for ``patience`` rounds, and keeps the rounds up to the lowest one.
    Numbers are as the encoder gives them (trees do not mind that they are standardised), empty cells are missing values
    and categories are split by sets; a category that no training row has is missing. A column of more than 255
    categories is split by their order.

    Args:
        num_classes: K.
        spans: what the features stand for.
        learning_rate: what a tree's values are multiplied by, above 0.
        max_iter: most rounds, each of one tree a class (one tree for two classes).
        max_leaf_nodes: most leaves of a tree, at least 2.
        min_samples_leaf: fewest training rows of a leaf.
        l2_regularization: added to the curvature of a leaf, at least 0.
        patience: rounds without a better validation NLL before it stops.

    Raises:
        InvalidArgument: a number out of its range.

    Source: Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics, 2001; Ke et
        al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.
    """

    baseline: Tensor
    rank: Tensor

    def __init__(
        self,
        num_classes: int,
        spans: Sequence[Span],
        *,
        learning_rate: float = 0.1,
        max_iter: int = 1000,
        max_leaf_nodes: int = 31,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        patience: int = 20,
    ) -> None:
        super().__init__(num_classes, spans)
        check_number("learning_rate", learning_rate, above=0)
        check_whole("max_iter", max_iter, 1)
        check_whole("max_leaf_nodes", max_leaf_nodes, 2)
        check_whole("min_samples_leaf", min_samples_leaf, 1)
        check_number("l2_regularization", l2_regularization, at_least=0)
        check_whole("patience", patience, 1)
        self.options = {
            "learning_rate": learning_rate,
            "max_iter": max_iter,
            "max_leaf_nodes": max_leaf_nodes,
            "min_samples_leaf": min_samples_leaf,
            "l2_regularization": l2_regularization,
            "n_iter_no_change": patience,
        }
        words = [span for span in self.spans if span.kind != "number"]
        self.sizes = [span.categories for span in words]
        self.levels = 0
        empty = torch.zeros(0, dtype=torch.float64)
        self._learn(baseline=empty, rank=empty, **Trees.none().tensors())

    def _fit(self, train: Rows, val: Rows, seed: int) -> list[float]:
        from sklearn.ensemble import HistGradientBoostingClassifier  # slow to import, and to predict needs none of it

        ranks = ranks_of(train.features, self.spans)
        model = HistGradientBoostingClassifier(
            early_stopping=True,
            scoring="loss",
            random_state=seed,
            categorical_features=self._as_sets(ranks),
            **self.options,
        )
        of_train, of_val = (cells(rows.features, self.spans, ranks).numpy() for rows in (train, val))
        model.fit(of_train, train.labels, train.weights, X_val=of_val, y_val=val.labels, sample_weight_val=val.weights)
        nll = [-float(score) for score in model.validation_score_]  # the first of no tree at all
        rounds = int(np.argmin(nll))
        self.best_round = max(rounds - 1, 0)
        trees = Trees.of_scikit_learn([tree for trees in model._predictors[:rounds] for tree in trees])
        self._learn(
            baseline=torch.from_numpy(np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)),
            rank=torch.cat([torch.zeros(0, dtype=torch.float64), *ranks]),
            **trees.tensors(),
        )
        self._settle()
        if rounds:
            expected = next(islice(model.staged_predict_proba(of_val[:CHECKED]), rounds - 1, None))
            self._check(val.features[:CHECKED], expected)
        return nll[1:]

    def _settle(self) -> None:
        trees = self._trees()
        trees.check(len(self.spans))
        self.levels = int(trees.depth)

    def _as_sets(self, ranks: Sequence[Tensor]) -> np.ndarray:
        """Which columns are split by sets of categories ``(C,)``."""
        known = [int((~rank.isnan()).sum()) for rank in ranks]
        by_set = [0 < count <= MOST_CATEGORIES for count in known]
        return np.array([*by_set, *[False] * (len(self.spans) - len(ranks))])

    def _check(self, features: Tensor, expected: np.ndarray) -> None:
        """Refuse trees that a later scikit-learn keeps otherwise than they are read here.

        Raises:
            RuntimeError: the tensors say something else.
        """
        with torch.no_grad():
            own = torch.softmax(self.scores(features), 1)
        off = float((own - torch.from_numpy(expected)).abs().max())
        if not off <= self._tolerance:
            raise RuntimeError(
                f"the trees as tensors are {off:.2g} off the probabilities of the library that made them"
            )

    @property
    def _tolerance(self) -> float:
        return SAME

    def _trees(self) -> Trees:
        return Trees(**{field.name: getattr(self, field.name) for field in fields(Trees)})

    def scores(self, features: Tensor) -> Tensor:
        """See :class:`Rival`."""
        trees = self._trees()
        columns = cells(features, self.spans, self.rank.split(self.sizes) if self.sizes else ())
        width = len(self.baseline)
        scores = columns.new_zeros(columns.shape[0], width) + self.baseline
        if len(trees.roots):
            values = trees.values(columns, self.levels)
            scores = scores + values.unflatten(1, (len(trees.roots) // width, width)).sum(1)
        return torch.cat([torch.zeros_like(scores), scores], 1) if width == 1 else scores

    def summary(self) -> dict[str, Any]:
        """See :class:`Rival`."""
        trees = self._trees()
        leaves = int((trees.left == trees.right).sum())
        return {"rounds": len(trees.roots) // max(len(self.baseline), 1), "leaves": leaves}
