"""Boosted trees of other libraries: fitted by them, kept and predicted as the tensors of :class:`Boosting`."""

from __future__ import annotations

import json
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from smoothlab.data.layout import Span
from smoothlab.errors import UserMistake
from smoothlab.numbers import check_whole
from smoothlab.rivals.boosting import CHECKED, Boosting
from smoothlab.rivals.cells import cells, ranks_of
from smoothlab.rivals.rows import Rows
from smoothlab.rivals.trees import Node, Trees


class OtherBoosting(Boosting):
    """What the libraries share; arguments as of :class:`Boosting`."""

    package: ClassVar[str]
    same: ClassVar[float]  # of probabilities

    @classmethod
    def check_installed(cls) -> None:
        """Refuse a model whose library is not there.

        Raises:
            UserMistake: with what installs it.
        """
        if find_spec(cls.package) is None:
            raise UserMistake(
                f"model: {cls.__name__} needs the package {cls.package}: pip install 'smoothlab[boosters]'"
            )

    def _fit(self, train: Rows, val: Rows, seed: int) -> list[float]:
        self.check_installed()
        ranks = ranks_of(train.features, self.spans)
        of_train, of_val = (cells(rows.features, self.spans, ranks).numpy() for rows in (train, val))
        nll, best, trees, expected = self._boosted((of_train, train), (of_val, val), self._as_sets(ranks), seed)
        self.best_round = best
        width = 1 if len(self.seen) == 2 else len(self.seen)
        self._learn(
            baseline=torch.zeros(width, dtype=torch.float64),
            rank=torch.cat([torch.zeros(0, dtype=torch.float64), *ranks]),
            **Trees.of_nodes(trees).tensors(),
        )
        self._settle()
        self._check(val.features[:CHECKED], expected.reshape(len(expected), -1))
        return nll

    @abstractmethod
    def _boosted(
        self, train: tuple[np.ndarray, Rows], val: tuple[np.ndarray, Rows], as_sets: np.ndarray, seed: int
    ) -> tuple[list[float], int, list[list[Node]], np.ndarray]:
        """Fit to cells ``(N, C)`` with their labels.

        Returns:
            The validation NLL of each round; the best round, from 0; the nodes of the trees up to it, round by round
            and class by class; the probabilities of the first ``CHECKED`` validation rows, of two classes that of the
            second.
        """

    def _check(self, features: Tensor, expected: np.ndarray) -> None:
        both = np.concatenate([1 - expected, expected], 1) if expected.shape[1] == 1 else expected
        super()._check(features, both)

    @property
    def _tolerance(self) -> float:
        return self.same


class LightGBM(OtherBoosting):
    """LightGBM's trees, stopped by validation rows; arguments as of :class:`Boosting`.

    Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.
    """

    package, same = "lightgbm", 1e-9

    def _boosted(
        self, train: tuple[np.ndarray, Rows], val: tuple[np.ndarray, Rows], as_sets: np.ndarray, seed: int
    ) -> tuple[list[float], int, list[list[Node]], np.ndarray]:
        import lightgbm

        (x, rows), (x_val, rows_val), classes = train, val, len(self.seen)
        several = {"objective": "multiclass", "num_class": classes, "metric": "multi_logloss"}
        two = {"objective": "binary", "metric": "binary_logloss"}
        options = {
            "learning_rate": self.options["learning_rate"],
            "num_leaves": self.options["max_leaf_nodes"],
            "min_data_in_leaf": self.options["min_samples_leaf"],
            "lambda_l2": self.options["l2_regularization"],
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": torch.get_num_threads(),
            "verbosity": -1,
            **(two if classes == 2 else several),
        }
        sets: Any = np.flatnonzero(as_sets).tolist()
        data = lightgbm.Dataset(x, _places(rows), weight=rows.weights, categorical_feature=sets)
        data_val = lightgbm.Dataset(x_val, _places(rows_val), weight=rows_val.weights, reference=data)
        scores: dict[str, dict[str, list[float]]] = {}
        stop = lightgbm.early_stopping(self.options["n_iter_no_change"], verbose=False)
        rounds = self.options["max_iter"]
        model = lightgbm.train(
            options,
            data,
            rounds,
            valid_sets=[data_val],
            valid_names=["val"],
            callbacks=[stop, lightgbm.record_evaluation(scores)],
        )
        (nll,) = scores["val"].values()
        best = int(np.argmin(nll))
        dumped = model.dump_model(num_iteration=best + 1)["tree_info"]
        trees = [list(_nodes_of_lightgbm(tree["tree_structure"])) for tree in dumped]
        return list(map(float, nll)), best, trees, np.asarray(model.predict(x_val[:CHECKED], num_iteration=best + 1))


class XGBoost(OtherBoosting):
    """XGBoost's trees by leaves (``grow_policy=lossguide``), stopped by validation rows; categories are split by their
    order. Arguments as of :class:`Boosting`; ``min_samples_leaf`` is the least sum of curvatures, as a number of rows
    of which each counts 1/4 (two classes).

    Source: Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016.
    """

    package, same = "xgboost", 2e-6  # it adds up in float32

    def _boosted(
        self, train: tuple[np.ndarray, Rows], val: tuple[np.ndarray, Rows], as_sets: np.ndarray, seed: int
    ) -> tuple[list[float], int, list[list[Node]], np.ndarray]:
        import xgboost

        (x, rows), (x_val, rows_val), classes = train, val, len(self.seen)
        several = {"objective": "multi:softprob", "num_class": classes, "eval_metric": "mlogloss"}
        two = {"objective": "binary:logistic", "eval_metric": "logloss"}
        options = {
            "learning_rate": self.options["learning_rate"],
            "max_leaves": self.options["max_leaf_nodes"],
            "max_depth": 0,
            "grow_policy": "lossguide",
            "min_child_weight": self.options["min_samples_leaf"] / 4,
            "lambda": self.options["l2_regularization"],
            "base_score": 0.5,
            "tree_method": "hist",
            "seed": seed,
            "nthread": torch.get_num_threads(),
            "verbosity": 0,
            **(two if classes == 2 else several),
        }
        data = xgboost.DMatrix(x, _places(rows), weight=rows.weights)
        data_val = xgboost.DMatrix(x_val, _places(rows_val), weight=rows_val.weights)
        scores: dict[str, dict[str, list[float]]] = {}
        model = xgboost.train(
            options,
            data,
            self.options["max_iter"],
            evals=[(data_val, "val")],
            early_stopping_rounds=self.options["n_iter_no_change"],
            evals_result=scores,
            verbose_eval=False,
        )
        (nll,) = scores["val"].values()
        best = int(np.argmin(nll))
        chosen = model[: best + 1]
        content = json.loads(bytes(chosen.save_raw("json")))["learner"]["gradient_booster"]["model"]
        trees = [_nodes_of_xgboost(tree) for tree in content["trees"]]
        expected = np.asarray(chosen.predict(xgboost.DMatrix(x_val[:CHECKED])), dtype=np.float64)
        return list(map(float, nll)), best, trees, expected


class CatBoost(OtherBoosting):
    """CatBoost's symmetric trees, whose nodes of a level split alike, stopped by validation rows; categories are
    split by their order, not by CatBoost's statistics of the labels.

    Args:
        num_classes: K.
        spans: what the features stand for.
        learning_rate: what a tree's values are multiplied by, above 0.
        max_iter: most rounds.
        depth: levels of a tree, 1 to 16: it has ``2 ** depth`` leaves.
        l2_regularization: added to the curvature of a leaf, at least 0.
        patience: rounds without a better validation NLL before it stops.

    Raises:
        InvalidArgument: a number out of its range.

    Source: Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018.
    """

    package, same = "catboost", 1e-9

    def __init__(
        self,
        num_classes: int,
        spans: Sequence[Span],
        *,
        learning_rate: float = 0.1,
        max_iter: int = 1000,
        depth: int = 6,
        l2_regularization: float = 3.0,
        patience: int = 20,
    ) -> None:
        super().__init__(
            num_classes,
            spans,
            learning_rate=learning_rate,
            max_iter=max_iter,
            l2_regularization=l2_regularization,
            patience=patience,
        )
        check_whole("depth", depth, 1, at_most=16)
        self.options |= {"depth": depth}

    def _boosted(
        self, train: tuple[np.ndarray, Rows], val: tuple[np.ndarray, Rows], as_sets: np.ndarray, seed: int
    ) -> tuple[list[float], int, list[list[Node]], np.ndarray]:
        import catboost

        (x, rows), (x_val, rows_val), classes = train, val, len(self.seen)
        loss = "Logloss" if classes == 2 else "MultiClass"
        model = catboost.CatBoost(
            {
                "loss_function": loss,
                "learning_rate": self.options["learning_rate"],
                "iterations": self.options["max_iter"],
                "depth": self.options["depth"],
                "l2_leaf_reg": self.options["l2_regularization"],
                "boost_from_average": False,
                "random_seed": seed,
                "thread_count": torch.get_num_threads(),
                "allow_writing_files": False,
                "logging_level": "Silent",
            }
        )
        data, data_val = (
            catboost.Pool(cells.astype(np.float32), _places(rows), weight=rows.weights)
            for cells, rows in ((x, rows), (x_val, rows_val))
        )
        model.fit(data, eval_set=data_val, early_stopping_rounds=self.options["n_iter_no_change"])
        nll = model.get_evals_result()["validation"][loss]  # the model keeps the rounds up to the lowest
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "trees.json")
            model.save_model(str(file), format="json", pool=data)
            content = json.loads(file.read_text(encoding="utf-8"))
        missing = [each["nan_value_treatment"] == "AsTrue" for each in content["features_info"]["float_features"]]
        width = 1 if classes == 2 else classes
        trees = [
            _nodes_of_catboost(tree, missing, tree["leaf_values"][which::width])
            for tree in content["oblivious_trees"]
            for which in range(width)
        ]
        p = model.predict(x_val[:CHECKED].astype(np.float32), prediction_type="Probability")
        return list(map(float, nll)), model.tree_count_ - 1, trees, p[:, 1] if classes == 2 else p


def _places(rows: Rows) -> np.ndarray:
    """Class indices, of those that are there: 0 to S - 1."""
    return np.unique(rows.labels, return_inverse=True)[1]


def _nodes_of_lightgbm(root: Mapping[str, Any]) -> Iterator[Node]:
    """The nodes of a tree in the order in which they are met, children after their parents."""
    waiting, size = [root], 1
    while waiting:
        node = waiting.pop(0)
        if "split_feature" not in node:
            yield Node(value=float(node["leaf_value"]))
            continue
        by_set = node["decision_type"] == "=="
        threshold = 0.0 if by_set else float(node["threshold"])
        # Where no training row lacked the value, one that is missing counts as 0.
        missing_left = node["default_left"] if node["missing_type"] != "None" else threshold >= 0.0
        categories = [int(place) for place in str(node["threshold"]).split("||")] if by_set else None
        yield Node(int(node["split_feature"]), threshold, size, size + 1, bool(missing_left) and not by_set, categories)
        waiting += [node["left_child"], node["right_child"]]
        size += 2


def _nodes_of_xgboost(tree: Mapping[str, Sequence[Any]]) -> list[Node]:
    nodes = []
    for place, left in enumerate(tree["left_children"]):
        value = float(tree["split_conditions"][place])
        if left < 0:
            nodes.append(Node(value=value))
            continue
        below = float(np.nextafter(np.float32(value), np.float32(-np.inf)))  # a cell below the condition goes left
        column, right = int(tree["split_indices"][place]), int(tree["right_children"][place])
        nodes.append(Node(column, below, int(left), right, bool(tree["default_left"][place])))
    return nodes


def _nodes_of_catboost(tree: Mapping[str, Any], missing_right: Sequence[bool], values: Sequence[float]) -> list[Node]:
    """The nodes of a symmetric tree, level by level: bit i of a leaf's place says whether split i is true."""
    splits, nodes = tree["splits"], []
    for level, split in enumerate(splits):
        column = int(split["float_feature_index"])
        for place in range(2**level):
            left = 2 ** (level + 1) - 1 + 2 * place
            nodes.append(Node(column, float(split["border"]), left, left + 1, not missing_right[column]))
    depth = len(splits)
    for place in range(2**depth):  # the first split is the highest bit on the way down
        bits = range(depth)
        nodes.append(Node(value=float(values[sum((place >> (depth - 1 - bit) & 1) << bit for bit in bits)])))
    return nodes
