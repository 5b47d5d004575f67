"""The estimator for scikit-learn: its cross-validation, searches, pipelines and calibrators take it as their own."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_is_fitted, check_random_state, column_or_1d, validate_data

from smoothlab.api.fitting_rows import FittingRows, checked_weights, source_of
from smoothlab.api.kept_run import files_of, model_of, run_folder, write_files
from smoothlab.api.tables import as_frame, check_rows, is_table
from smoothlab.config.compose import all_groups, compose_config, plain
from smoothlab.config.overrides import overrides_of
from smoothlab.data.held import holding
from smoothlab.data.table.reading import usually_emptied
from smoothlab.data.table.words import as_word
from smoothlab.errors import UserMistake, WrongInput
from smoothlab.kinds import KINDS
from smoothlab.models.run import Run
from smoothlab.rundir.directory import RunDirectory
from smoothlab.tracking.console import silent
from smoothlab.training.preparing import prepare
from smoothlab.training.ranks import train_on_devices

ORDERS = ("auto", "as_given", "in_any_order")
OF_SPLITS = ("data__split", "data__fractions", "data__split_column", "data__folds", "data__fold")
ABOUT = "estimator.json"  # in a saved run: what a run directory does not say of an estimator
SEEDS = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")


class SmoothClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A net trained with label smoothing, as ``smoothlab train`` trains it, with the interface of scikit-learn.

    Parameters are the keys of the config, with its defaults: a group by its name (``loss="focal"``), a key with its
    levels in double underscores (``smoothing__strength__epsilon=0.05``, ``trainer__max_epochs=50``).

    Args:
        smoothing: an option of the group ``smoothing``.
        net: an option of the group ``net``; ``auto``: that of the config.
        calibrator: an option of the group ``calibrator``, fitted to the rows of validation; None: none.
        validation_fraction: share of the rows that choose the best epoch, in (0, 1), where ``fit`` gets no
            ``eval_set``. Where the settings split the data (``data__fractions=[0.6, 0.2, 0.2]``), they do it.
        rows: ``as_given`` takes the rows as ``smoothlab train`` does; ``in_any_order`` sorts them first, so that their
            order changes nothing and a row of weight 2 is a row that stands there twice; ``auto``: tables as given,
            arrays in any order.
        random_state: of the split, the initial weights and the order of batches; None draws one.
        overrides: further ones, as on the command line.
        verbose: whether to show what ``smoothlab train`` shows.
        settings: keys of the config.

    Attributes:
        classes_: of the labels, sorted.
        n_features_in_: columns of X.
        feature_names_in_: their names, where X has some.
        results_: the content of results.json.
        model_: as of :func:`smoothlab.load`.

    A mistake in the parameters or rows is a :class:`smoothlab.errors.WrongInput`, a ValueError of one line.
    """

    def __init__(
        self,
        smoothing: str | None = "auto",
        net: str = "auto",
        calibrator: str | None = None,
        *,
        validation_fraction: float = 0.2,
        rows: str = "auto",
        random_state: Any = 0,
        overrides: Sequence[str] | None = None,
        verbose: bool = False,
        **settings: Any,
    ) -> None:
        self.smoothing = smoothing
        self.net = net
        self.calibrator = calibrator
        self.validation_fraction = validation_fraction
        self.rows = rows
        self.random_state = random_state
        self.overrides = overrides
        self.verbose = verbose
        self._settings = settings

    # Parameters -------------------------------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, and the keys of the config that were given."""
        return {name: getattr(self, name) for name in self._get_param_names()} | self._settings

    def set_params(self, **params: Any) -> SmoothClassifier:
        """Set parameters and keys of the config.

        Raises:
            ValueError: for a name that is neither.
        """
        known = self._get_param_names()
        for name, value in params.items():
            if name in known:
                setattr(self, name, value)
            elif name.split("__")[0] in _top_level_keys() or name in self._settings:
                self._settings = self._settings | {name: value}
            else:
                raise WrongInput(f"Invalid parameter {name!r} for SmoothClassifier: no key of the config begins so")
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks: missing cells are for tables alone."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags

    # Fitting ----------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> SmoothClassifier:
        """Train on labelled rows.

        Args:
            X: a table (words, dates and missing cells are understood) or finite numbers ``(N, F)``.
            y: labels ``(N,)``, of two classes or more.
            sample_weight: what rows count in training ``(N,)``; None: all the same.
            eval_set: ``(X, y)`` for validation, in place of ``validation_fraction``.

        Raises:
            WrongInput: the parameters or the rows will not do.
            RunFailed: the training failed.
        """
        self._check_parameters()
        features = self._rows(X, reset=True)
        labels = self._labels(y, len(features))
        rows = FittingRows(features, labels, checked_weights(sample_weight, len(labels)))
        table = isinstance(features, pd.DataFrame)
        if self.rows == "in_any_order" or (self.rows == "auto" and not table):
            rows = rows.in_any_order()
        self.classes_ = np.unique(rows.labels)
        if len(self.classes_) < 2:
            raise WrongInput(f"y: 1 class, {_plain(self.classes_[0])!r}; expected two or more")
        seed = self._seed()
        train, val = self._split(rows, eval_set, seed)
        target, weight = _names(features, y)
        values = self._config(table, target, weight if rows.weights is not None else None, seed)
        with holding(source_of(train, val, target, weight)) as source:
            values["data"]["source"] = source
            self._train(values)
        return self

    def _check_parameters(self) -> None:
        if self.rows not in ORDERS:
            raise WrongInput(f"rows = {self.rows!r}: expected one of {', '.join(ORDERS)}")
        share = self.validation_fraction
        if isinstance(share, bool) or not isinstance(share, float | int | np.number) or not 0 < share < 1:
            raise WrongInput(f"validation_fraction = {share!r}: expected a number in (0, 1)")

    def _seed(self) -> int:
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            return int(check_random_state(seed).randint(2**31 - 1))
        if not 0 <= seed < 2**32:
            raise WrongInput(f"random_state = {seed}: expected a number in [0, 2**32)")
        return int(seed)

    def _rows(self, X: Any, *, reset: bool) -> pd.DataFrame | np.ndarray:
        """X as a table or as numbers, its columns checked against those of ``fit``."""
        check_rows(X)
        if is_table(X) and (reset or hasattr(self, "_columns")):
            frame = as_frame(X)
            validate_data(self, X if isinstance(X, pd.DataFrame) else frame, reset=reset, skip_check_array=True)
            if not len(frame):
                raise WrongInput("X: 0 rows; expected at least one")
            if reset:
                self._columns = list(frame.columns)
            return usually_emptied(frame.copy(deep=False))
        options: dict[str, Any] = {"dtype": [np.float64, np.float32]}
        try:
            numbers = np.array(validate_data(self, X, reset=reset, **options), order="C")
        except ValueError as error:
            if "contains NaN" not in str(error):
                raise
            raise WrongInput("X: contains NaN; cells may be missing in a table with named columns only") from None
        if reset:
            self.__dict__.pop("_columns", None)
        elif hasattr(self, "_columns"):
            return pd.DataFrame(numbers, columns=self._columns)
        return numbers

    def _labels(self, y: Any, count: int) -> np.ndarray:
        if y is None:
            raise WrongInput("y: expected labels, one a row; requires y to be passed, but the target y is None")
        if not isinstance(y, pd.Series | np.ndarray) and hasattr(y, "to_numpy"):
            y = y.to_numpy()
        if not hasattr(y, "__len__") and not hasattr(y, "__array__"):
            raise WrongInput(f"y: {type(y).__name__}; expected labels, one a row")
        labels = column_or_1d(y, warn=True)
        if labels.dtype == object and (pd.isna(labels).any() or len(set(map(type, labels))) > 1):
            raise WrongInput("y: expected labels of one type, none of them missing")
        if labels.dtype.kind in "mM":
            raise WrongInput(f"y: {labels.dtype.name}; expected words or whole numbers, such as y.astype(str)")
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        if len(labels) != count:
            raise WrongInput(f"y: {len(labels)} labels for {count} rows of X")
        return np.asarray(labels)

    def _split(self, rows: FittingRows, eval_set: Any, seed: int) -> tuple[FittingRows, FittingRows | None]:
        """Rows to train on and rows for validation; None where the config splits them."""
        given = [name for name in OF_SPLITS if name in self._settings]
        if eval_set is None:
            try:
                return (rows, None) if given else rows.held_out(float(self.validation_fraction), seed)
            except UserMistake as mistake:
                raise WrongInput(str(mistake)) from None
        if given:
            raise WrongInput(f"eval_set: the rows of validation are given twice, by {given[0]} too")
        pair = eval_set[0] if isinstance(eval_set, list) and len(eval_set) == 1 else eval_set
        if not isinstance(pair, tuple | list) or len(pair) != 2 or all(isinstance(part, tuple) for part in pair):
            raise WrongInput("eval_set: expected one pair, (X, y)")
        try:
            features = self._rows(pair[0], reset=False)
            labels = self._labels(pair[1], len(features))
        except ValueError as error:
            raise WrongInput(f"eval_set: {error}") from None
        unknown = np.setdiff1d(labels, rows.labels)
        if len(unknown):
            raise WrongInput(f"eval_set: class {_plain(unknown[0])!r} is not among the labels to train on")
        return rows, FittingRows(features, labels)

    def _config(self, table: bool, target: str, weight: str | None, seed: int) -> dict[str, Any]:
        """The config that ``smoothlab train`` has with these parameters."""
        given = {"smoothing": "none" if self.smoothing is None else self.smoothing}
        if self.net != "auto":
            given["net"] = self.net
        if self.calibrator is not None:
            given["calibrator"] = self.calibrator
        words = [f"data={'table' if table else 'arrays'}", "logger=csv", "figures=false", "progress=none"]
        ours = {"name": "estimator", "seed": seed, "data.target": target, "data.weight": weight}
        try:
            words += overrides_of(ours, given, self._settings, self.overrides or ())
            return copy.deepcopy(_composed(tuple(words)))
        except UserMistake as mistake:
            raise WrongInput(str(mistake)) from None

    def _train(self, values: dict[str, Any]) -> None:
        """One run in a folder that is gone afterwards."""
        try:
            with contextlib.ExitStack() as stack:
                if not self.verbose:
                    stack.enter_context(silent())
                stack.enter_context(_generators_kept())
                folder = stack.enter_context(run_folder())
                train_on_devices(prepare(values), RunDirectory(folder))
                self.results_ = Run(folder).results
                self._files = files_of(folder)
                self.model_ = model_of(self._files, values["code"])
                self._code = values["code"]
        except UserMistake as mistake:
            raise WrongInput(str(mistake)) from None
        self._places = self._places_of_classes()

    def _places_of_classes(self) -> np.ndarray:
        """The place among the logits of each of ``classes_``."""
        places: np.ndarray = pd.Index(self.model_.class_names).get_indexer([as_word(label) for label in self.classes_])
        if (places < 0).any():
            label = self.classes_[int(np.flatnonzero(places < 0)[0])]
            raise WrongInput(f"y: the class {_plain(label)!r} reads as a missing label; name it otherwise")
        if len(set(places)) < len(places):
            raise WrongInput("y: two classes read as the same word; name one of them otherwise")
        return places

    # Predicting -------------------------------------------------------------------------------------------------------

    def _logits(self, X: Any) -> torch.Tensor:
        """Logits ``(N, K)`` in float64, in the order of ``classes_``."""
        check_is_fitted(self, "model_")
        rows = self._rows(X, reset=False)
        frame = rows if isinstance(rows, pd.DataFrame) else _frame_of(rows, self.model_.encoder.raw_columns)
        try:
            logits = self.model_.logits(frame, where="X").double()
        except UserMistake as mistake:
            raise WrongInput(str(mistake)) from None
        return logits[:, torch.from_numpy(self._places)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities ``(N, K)`` in the order of ``classes_``."""
        logits = self._logits(X)
        return np.asarray(KINDS[self.model_.kind].probabilities(logits).numpy())

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the probabilities ``(N, K)``."""
        return np.asarray(torch.log_softmax(self._logits(X), dim=1).numpy())

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits ``(N, K)``; of two classes ``(N,)``, that of the second less that of the first."""
        logits = self._logits(X).numpy()
        return np.asarray(logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row ``(N,)``, or what the config's ``decision`` chooses."""
        logits = self._logits(X)
        decision = self.model_.decision
        if decision is None:
            return np.asarray(self.classes_[logits.argmax(1).numpy()])
        names = [self.model_.class_names[place] for place in self._places]
        in_order = torch.empty_like(logits)
        in_order[:, torch.from_numpy(self._places)] = logits
        words = KINDS[self.model_.kind].table(in_order, self.model_.class_names, decision)["prediction"]
        return np.asarray(self.classes_[pd.Index(names).get_indexer([str(word) for word in words])])

    @property
    def history_(self) -> pd.DataFrame:
        """metrics.csv: a row an epoch."""
        check_is_fitted(self, "model_")
        with run_folder() as folder:
            write_files({name: self._files[name] for name in ("config.yaml", "metrics.csv")}, folder)
            return Run(folder).metrics

    # Keeping ----------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write a run directory, which ``smoothlab evaluate``, ``predict``, ``report`` and ``export`` read.

        The training rows do not stand in it: ``smoothlab evaluate`` needs new ones, by ``input=<file>``.

        Raises:
            WrongInput: there is something at ``path`` already.
        """
        check_is_fitted(self, "model_")
        folder = Path(path)
        about = {
            "classes": self.classes_.tolist(),
            "params": {name: value for name, value in self.get_params().items() if _is_plain(value)},
            "n_features": int(self.n_features_in_),
            "names": [str(name) for name in getattr(self, "feature_names_in_", ())],
        }
        write_files(self._files | {ABOUT: json.dumps(about, indent=2).encode()}, folder)
        return folder

    @classmethod
    def load(cls, path: str | Path, *, code: str | None = None) -> SmoothClassifier:
        """The estimator of a run directory, written by :meth:`save` or by ``smoothlab train``.

        Args:
            path: the run directory.
            code: the Python file or folder that the run was trained with, if it was.

        Raises:
            UserMistake: there is no such run, or it does not classify rows.
        """
        run = Run(path)
        files = files_of(run.path)
        about = json.loads(files[ABOUT]) if ABOUT in files else {}
        made = cls(**about.get("params", {}))
        made._files, made._code, made.results_ = files, code, run.results
        made.model_ = model_of(files, code)
        if made.model_.kind not in ("classification", "ordinal"):
            raise WrongInput(f"path = {str(path)!r}: expected a run with one label a sample")
        made.classes_ = np.array(about.get("classes") or sorted(made.model_.class_names))
        columns = made.model_.encoder.raw_columns
        names = about.get("names", columns)
        made.n_features_in_ = about.get("n_features", len(columns))
        if names:
            made.feature_names_in_ = np.array(names, dtype=object)
            made._columns = list(names)
        made._places = made._places_of_classes()
        return made

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("model_", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_files" in state:
            self.model_ = model_of(self._files, self._code)


@lru_cache(maxsize=64)
def _composed(words: tuple[str, ...]) -> dict[str, Any]:
    return plain(compose_config("train", words))


@lru_cache(maxsize=1)
def _top_level_keys() -> frozenset[str]:
    return frozenset({*_composed(("data=arrays",)), *(group.split("/")[0] for group in all_groups())})


def _names(features: Any, y: Any) -> tuple[str, str]:
    """Names for the label and the weight that no column has."""
    taken = set(map(str, features.columns)) if isinstance(features, pd.DataFrame) else set()
    name = getattr(y, "name", None)
    target = name if isinstance(name, str) and name.strip() else "label"
    names = []
    for wanted in (target, "sample_weight"):
        while wanted in taken:
            wanted += "_"
        taken.add(wanted)
        names.append(wanted)
    return names[0], names[1]


def _frame_of(numbers: np.ndarray, columns: Sequence[str]) -> pd.DataFrame:
    """Numbers with the names of the encoder's columns, or x0, x1, ... where it does not use all of them."""
    names = columns if len(columns) == numbers.shape[1] else [f"x{place}" for place in range(numbers.shape[1])]
    return pd.DataFrame(numbers, columns=list(names))


def _plain(label: Any) -> Any:
    """A label as Python writes it, for errors."""
    return label.item() if isinstance(label, np.generic) else label


def _is_plain(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value)) == (list(value) if isinstance(value, tuple) else value))
    except (TypeError, ValueError):
        return False


@contextlib.contextmanager
def _generators_kept() -> Iterator[None]:
    """Put back the random generators, and what Lightning's seeding writes into the environment."""
    before = {name: os.environ.get(name) for name in SEEDS}
    state = random.getstate()
    try:
        with isolate_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*srun.*")
            yield
    finally:
        random.setstate(state)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
