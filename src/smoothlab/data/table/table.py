"""A data module for a table with one row a sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch

from smoothlab.classes import ClassTree
from smoothlab.data.batch import Batch
from smoothlab.data.module import Encoder, MemoryData, check_seed
from smoothlab.data.table.categorical import OTHER, CategoricalColumn
from smoothlab.data.table.dates import date_format, days
from smoothlab.data.table.encoder import Categories, TableEncoder
from smoothlab.data.table.hashing import fingerprint, row_hashes
from smoothlab.data.table.kinds import Column, check_columns, understand
from smoothlab.data.table.labels import LabelKind, Labels, read_labels
from smoothlab.data.table.noise import NoiseKind, noisy
from smoothlab.data.table.numeric import read_numbers
from smoothlab.data.table.places import row_number
from smoothlab.data.table.reading import missing_as_written
from smoothlab.data.table.sources import read_rows
from smoothlab.data.table.splits import (
    Rows,
    SplitKind,
    check_fractions,
    check_learnable,
    column_split,
    fold_split,
    group_split,
    groups_of,
    lacking,
    random_split,
    time_split,
    val_of,
)
from smoothlab.data.table.texts import TextEncoding
from smoothlab.data.table.trees import class_tree, tree_of_nodes
from smoothlab.data.table.weights import class_weights, row_weights, weights_of_rows
from smoothlab.data.table.words import as_words, text_of
from smoothlab.data.thinning import check_thinning, thinned
from smoothlab.errors import InvalidArgument, UserMistake

Name = str | int


@dataclass
class Understood:
    """A table's rows that have a label.

    Args:
        frame: the rows.
        labels: of them.
        rows: positions of each split.
        numbers: of the rows in their source.
    """

    frame: pd.DataFrame
    labels: Labels
    rows: Rows
    numbers: np.ndarray


class TableData(MemoryData):
    """Rows of a table: understood, split, and their columns encoded by training statistics.

    Every argument stands in ``conf/data/table.yaml``, with what it does; None, empty or "none" is off.

    Attributes:
        columns: what each column is and what it is used as, in the table's order.
        class_tree: of the classes, or None.
        class_order: whether the classes are in their ordinal order.
        metadata_categories: the words that the codes of a metadata column stand for, by column.
    """

    def __init__(
        self,
        source: Callable[[], Any] | dict | None = None,
        target: Name | Sequence[Name] | None = None,
        *,
        path: str | dict | None = None,
        separator: str = "auto",
        encoding: str = "utf-8",
        decimal: str = "auto",
        header: int | None = 0,
        names: Sequence[Name] | None = None,
        missing_words: Sequence[Name] | dict | None = None,
        verbatim: Sequence[Name] = (),
        labels: LabelKind = "single",
        label_separator: str | None = None,
        classes: dict | None = None,
        order: list | None = None,
        tree: str | dict | list | None = None,
        rare_classes: int = 0,
        drop: Sequence[Name] = (),
        ids: Sequence[Name] = (),
        metadata: Sequence[Name] = (),
        text: Sequence[Name] = (),
        kinds: dict | None = None,
        categories: Categories = "one_hot",
        rare: int = 1,
        missing: bool = True,
        text_encoding: TextEncoding = "tfidf",
        text_features: int = 256,
        weight: Name | None = None,
        class_weight: str | dict | None = None,
        deduplicate: bool = False,
        noise: NoiseKind | dict = "none",
        noise_rate: float = 0.0,
        train_share: float = 1.0,
        imbalance: float = 1.0,
        split: SplitKind | dict = "random",
        fractions: Sequence[float],
        split_column: Name | None = None,
        folds: int = 5,
        fold: int | None = None,
        split_seed: int,
        shuffle_seed: int,
        batch_size: int,
        eval_batch_size: int,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, shuffle_seed=shuffle_seed)
        check_seed("split_seed", split_seed)
        split_options: dict[str, Any] = {
            "by": split,
            "fractions": fractions,
            "column": split_column,
            "folds": folds,
            "fold": fold,
        }
        split_options = _options("split", split, split_options, "by")
        noise_options: dict[str, Any] = _options("noise", noise, {"kind": noise, "rate": noise_rate}, "kind")
        self.source = source
        self.path = path
        self.reading = {
            "separator": separator,
            "encoding": encoding,
            "decimal": decimal,
            "header": header,
            "names": names,
            "missing_words": missing_words or (),
            "verbatim": _names(verbatim),
        }
        self.target = _names(target) if isinstance(target, Sequence) and not isinstance(target, str) else _name(target)
        self.label_kind: LabelKind = _one_of("labels", labels, LabelKind)
        self.label_separator = label_separator
        self.classes = classes
        self.order = order
        self.tree = tree
        self.rare_classes = _at_least("rare_classes", rare_classes, 0)
        self.drop = _names(drop)
        self.ids = _names(ids)
        self.metadata = _names(metadata)
        self.kinds = {
            **dict.fromkeys(_names(text), "text"),
            **{str(key): value for key, value in (kinds or {}).items()},
        }
        self.encoding = {
            "categories": _one_of("categories", categories, Categories),
            "rare": _at_least("rare", rare, 1),
            "indicators": missing,
            "text_encoding": _one_of("text_encoding", text_encoding, TextEncoding),
            "text_features": _at_least("text_features", text_features, 1),
        }
        self.weight = _name(weight)
        self.class_weight = class_weight
        self.deduplicate = deduplicate
        self.noise = _one_of("noise", noise_options["kind"], NoiseKind)
        self.noise_rate = noise_options["rate"]
        noisy(np.zeros(0, dtype=np.int64), 2, self.noise, self.noise_rate, 0)  # checks the rate
        check_thinning(train_share, imbalance)
        self.thinning = {"train_share": train_share, "imbalance": imbalance}
        self.fractions = check_fractions(split_options["fractions"])
        self.split_column = _name(split_options["column"])
        self.folds = _at_least("folds", split_options["folds"], 2)
        self.fold: int | None = split_options["fold"]
        self.split_by = _one_of("split", split_options["by"], SplitKind)
        if self.fold is not None:
            if self.split_by not in ("random", "fold", "group"):
                raise InvalidArgument("fold", self.fold, f"null with split={self.split_by}")
            self.split_by = "fold"
        elif self.split_by == "fold":
            self.fold = 0
        if self.split_by == "fold" and not 0 <= _at_least("fold", self.fold, 0) < self.folds:
            raise InvalidArgument("fold", self.fold, f"an integer in [0, {self.folds - 1}], of folds = {self.folds}")
        if self.split_by in ("group", "time", "column") and self.split_column is None:
            raise InvalidArgument("split_column", None, f"the column that split={self.split_by} goes by")
        if self.split_by == "random" and self.split_column is not None:
            raise InvalidArgument("split_column", self.split_column, "null with split=random; say split=group or time")
        self.split_seed = split_seed
        self.columns: list[Column] = []
        self.class_tree: ClassTree | None = None
        self.class_order = self.label_kind == "ordinal"
        self.time_column = self.split_column if self.split_by == "time" else None
        self.metadata_categories: dict[str, list[str]] = {}

    def read(self) -> dict[str, Batch]:
        """Read, understand, split and encode the table.

        Raises:
            UserMistake: it cannot be used, in one line.
        """
        table = self.understand()
        frame, labels, rows = table.frame, table.labels, table.rows
        if self.encoder is None:
            self.encoder = self.make_encoder(frame.iloc[rows["train"]])
            self._note_rare()
        encoded = self.encode(frame)
        values = self._with_noise(labels, rows, encoded)
        metadata = self._metadata(frame, labels, rows)
        everything = Batch(encoded, torch.from_numpy(values), torch.from_numpy(table.numbers), metadata)
        return {split: everything.take(torch.from_numpy(index)) for split, index in rows.items()}

    def make_encoder(self, train: pd.DataFrame) -> Encoder:
        """An encoder of the columns that are features, fitted to training rows."""
        kinds = {one.name: one.kind for one in self.columns if one.role == "feature"}
        may_be_missing = [one.name for one in self.columns if one.missing]
        encoder = TableEncoder.fit(train[list(kinds)], kinds, may_be_missing=may_be_missing, **self.encoding)
        encoder.reading = {name: _listed(option) for name, option in self.reading.items()}
        return encoder

    def encode(self, frame: pd.DataFrame) -> torch.Tensor:
        """Features of the rows."""
        assert self.encoder is not None
        return self.encoder.encode(frame, where="data")

    def noise_features(self, features: torch.Tensor) -> np.ndarray:
        """What the noise of a row depends on with ``noise=instance``, ``(N, F)``."""
        return features.numpy()

    def understand(self) -> Understood:
        """Everything but the features: the rows that have a label, their labels and their splits.

        Raises:
            UserMistake: as :meth:`read`, but for what stands in the cells of the features.
        """
        if self.target is None:
            raise UserMistake("data.target: missing; give the column with the label as data.target=...")
        frame, splits = read_rows(self.path, self.source, self.reading)
        self.notes = []
        numbers = np.arange(len(frame))
        if self.deduplicate:
            frame, splits, numbers = self._without_twins(frame, splits, numbers)
        check_columns("verbatim", self.reading["verbatim"], frame)
        self._refuse_two_targets(frame)
        labels = self._labels(frame)
        frame = _rows(frame, labels.kept)
        splits, numbers = None if splits is None else splits[labels.kept], numbers[labels.kept]
        self.notes += labels.notes
        self.class_names = labels.names
        self.fingerprint = fingerprint(frame)
        self.columns = self._roles(frame)
        rows = self._split(frame, labels, splits)
        rows["train"] = self._thinned(rows["train"], labels)
        if self.label_kind == "multilabel":
            self._note_unseen(labels, rows)
        else:
            check_learnable(rows, labels.values, labels.names)
            self.notes += lacking(rows, labels.values, labels.names)
        used = Counter(one.kind for one in self.columns if one.role == "feature")
        if not used:
            reasons = [f"{one.name!r} ({one.note})" for one in self.columns if one.role == "ignored"]
            why = f"; left out: {', '.join(reasons[:4])}; data.kinds says what a column is" if reasons else ""
            raise UserMistake(f"data: no column is left as a feature{why}")
        parts = ", ".join(f"{len(index)} {split}" for split, index in rows.items())
        kinds = ", ".join(f"{count} {kind}" for kind, count in used.items())
        self.notes.insert(0, f"{len(frame)} rows ({parts}), {len(labels.names)} classes; features: {kinds}")
        return Understood(frame, labels, rows, numbers)

    # Rows -----------------------------------------------------------------------------------------------------------

    def _without_twins(
        self, frame: pd.DataFrame, splits: np.ndarray | None, numbers: np.ndarray
    ) -> tuple[pd.DataFrame, np.ndarray | None, np.ndarray]:
        twins = pd.Series(row_hashes(frame)).duplicated().to_numpy()
        if twins.any():
            self.notes.append(f"{int(twins.sum())} rows that are equal to another one are left out")
        kept = np.flatnonzero(~twins)
        return _rows(frame, kept), None if splits is None else splits[kept], numbers[kept]

    def _labels(self, frame: pd.DataFrame) -> Labels:
        separator, target = self.label_separator, self.target
        nodes = frame.attrs.get("hierarchy", {}).get(target) if isinstance(target, str) else None
        if nodes and self.label_kind == "multilabel":
            separator = separator or "@"
        assert target is not None
        labels = read_labels(
            frame,
            target,
            self.label_kind,
            separator=separator,
            classes=self.classes,
            order=self.order,
            rare_classes=self.rare_classes,
            lost=self._words_for_missing(frame),
        )
        if self.tree is not None:
            words: list[str | None] = [None] * len(frame)
            if labels.values.ndim == 1:
                for place, label in zip(labels.kept, labels.values, strict=True):
                    words[place] = labels.names[label]
            elif isinstance(self.tree, str) and self.tree in frame.columns:
                raise InvalidArgument("tree", self.tree, f"nested names or a file with labels={self.label_kind}")
            self.class_tree = class_tree(self.tree, frame, words, labels.names)
        elif nodes and self.label_kind == "multilabel":
            self.class_tree = tree_of_nodes(nodes)
            self.class_tree.nodes(labels.names)
        return labels

    def _words_for_missing(self, frame: pd.DataFrame) -> list[str]:
        """What the file says where a label is missing, such as NA or None, which may be the name of a class."""
        if not isinstance(self.path, str) or not isinstance(self.target, str) or self.target not in frame.columns:
            return []
        return missing_as_written(frame, self.path, self.target, self.reading)

    def _refuse_two_targets(self, frame: pd.DataFrame) -> None:
        for name in frame.attrs.get("twice", []):
            if name in ([self.target] if isinstance(self.target, str) else self.target or ()):
                raise UserMistake(f"data.target = {name!r}: two columns have this name; rename one, or give data.names")
            self.notes.append(f"two columns are called {name!r}; the second one is {name + '.1'!r} here")

    def _split(self, frame: pd.DataFrame, labels: Labels, splits: np.ndarray | None) -> Rows:
        even = _stratum(labels.values)
        names = labels.names if labels.values.ndim == 1 or self.label_kind == "votes" else _strata(even)
        if self.split_by == "column" or splits is not None:
            if splits is None:
                words: Any = as_words(frame[self.split_column])
            elif self.split_by != "random":
                raise InvalidArgument("split", self.split_by, "random where each split has a table of its own")
            else:
                words = splits
            rows = column_split(words, np.asarray(frame.index))
            if not len(rows["val"]):
                rows["train"], rows["val"] = val_of(rows["train"], even, names, self.fractions, self.split_seed)
            return rows
        cells = None if self.split_column is None else frame[self.split_column]
        if self.split_by == "time":
            assert cells is not None
            return time_split(_times(cells), self.fractions)
        groups = None if cells is None else groups_of(cells, str(self.split_column))
        if self.split_by == "fold":
            fold = self.fold or 0
            return fold_split(even, names, self.fractions, self.split_seed, self.folds, fold, groups)
        if groups is not None:
            return group_split(groups, even, self.fractions, self.split_seed)
        return random_split(even, names, self.fractions, self.split_seed)

    def _thinned(self, train: np.ndarray, labels: Labels) -> np.ndarray:
        if labels.values.ndim != 1 and self.thinning["imbalance"] != 1:
            raise InvalidArgument("imbalance", self.thinning["imbalance"], f"1 with labels={self.label_kind}")
        kept = thinned(train, _stratum(labels.values)[train], **self.thinning, seed=self.split_seed)
        if len(kept) < len(train):
            self.notes.append(f"{len(kept)} of {len(train)} training rows are kept on purpose")
        return kept

    def _with_noise(self, labels: Labels, rows: Rows, features: torch.Tensor) -> np.ndarray:
        if self.noise == "none" or not self.noise_rate:
            return labels.values
        if labels.values.ndim != 1:
            raise InvalidArgument("noise", self.noise, f"none with labels={self.label_kind}")
        values, train = labels.values.copy(), rows["train"]
        before = values[train]
        seen = self.noise_features(features[torch.from_numpy(train)]) if self.noise == "instance" else None
        values[train] = noisy(before, len(labels.names), self.noise, self.noise_rate, self.split_seed, seen)
        changed = int((values[train] != before).sum())
        self.notes.append(f"{self.noise} noise: {changed} of {len(train)} training labels are wrong on purpose")
        return values

    def _note_rare(self) -> None:
        for column in getattr(self.encoder, "columns", []):
            if isinstance(column, CategoricalColumn) and not column.words:
                self.notes.append(
                    f"column {column.column!r} says nothing: each of its words stands in fewer than data.rare = "
                    f"{self.encoding['rare']} training rows, so that all are {OTHER}"
                )

    def _note_unseen(self, labels: Labels, rows: Rows) -> None:
        for split, index in rows.items():
            if not len(index):
                raise UserMistake(f"data.split: no rows are left for {split}")
        seen = np.asarray((labels.values[rows["train"]] > 0).any(axis=0))
        if not seen.all():
            lost = [name for name, one in zip(labels.names, seen, strict=True) if not one]
            self.notes.append(f"{len(lost)} labels are present in no training row ({', '.join(lost[:5])})")

    # Columns --------------------------------------------------------------------------------------------------------

    def _roles(self, frame: pd.DataFrame) -> list[Column]:
        """Every column with its kind and role."""
        targets = [self.target] if isinstance(self.target, str) else list(self.target or ())
        roles: dict[str, str] = dict.fromkeys(targets, "target")
        for key, names, role in (
            ("drop", self.drop, "ignored"),
            ("ids", self.ids, "ignored"),
            ("metadata", self.metadata, "metadata"),
            ("weight", [self.weight] if self.weight else [], "weight"),
            ("split_column", [self.split_column] if self.split_column else [], "split"),
            ("tree", [self.tree] if isinstance(self.tree, str) and self.tree in frame.columns else [], "tree"),
        ):
            check_columns(key, names, frame)
            for name in names:
                if roles.get(name) == "target" and role != "tree":
                    raise InvalidArgument(key, name, "another column than the target")
                roles.setdefault(name, role)
        check_columns("kinds", self.kinds, frame)
        others = frame[[name for name in frame.columns if name not in roles]]
        used = frame[[name for name, role in roles.items() if role == "metadata" and frame[name].notna().any()]]
        found = understand(others, {name: kind for name, kind in self.kinds.items() if name in others})
        found |= understand(used, {name: kind for name, kind in self.kinds.items() if name in used})
        for one in found.values():
            if one.note:
                what = "is no feature" if one.role == "ignored" else f"is taken as {one.kind}"
                self.notes.append(f"column {one.name!r} {what}: {one.note}")
        for name in map(str, frame.columns):
            if name not in found:
                found[name] = _plain(name, frame[name])
            column = found[name]
            column.role = roles.get(name, column.role)
            if column.role == "ignored" and name in roles:
                column.note = "an id" if name in self.ids else "dropped"
        return [found[name] for name in map(str, frame.columns)]

    def _metadata(self, frame: pd.DataFrame, labels: Labels, rows: Rows) -> dict[str, torch.Tensor]:
        made: dict[str, np.ndarray] = {}
        for column in self.columns:
            if column.name in self.metadata:
                made[column.name] = self._metadata_column(frame[column.name], column)
        if self.split_by == "time":
            made[str(self.split_column)] = _times(frame[self.split_column])
            if _is_words(frame[self.split_column]):
                self.date_columns.add(str(self.split_column))
        made |= {name: column for name, column in labels.metadata.items() if name not in made}
        weights = self._weights(frame, labels, rows)
        if weights is not None:
            made["sample_weight"] = weights
        return {name: torch.from_numpy(np.array(column)) for name, column in made.items()}  # a copy that may be written

    def _metadata_column(self, cells: pd.Series, column: Column) -> np.ndarray:
        if column.kind == "date":
            self.date_columns.add(column.name)
            return days(cells, date_format(text_of(cells.dropna())))
        if column.kind in ("numeric", "boolean", "constant") and not _is_words(cells):
            return read_numbers(cells, column.name, where="data", may_be_missing=True).astype(np.float32)
        words = as_words(cells)
        known = sorted({word for word in words if word is not None})
        self.metadata_categories[column.name] = known
        code = {word: place for place, word in enumerate(known)}
        return np.array([-1 if word is None else code[word] for word in words], dtype=np.int64)

    def _weights(self, frame: pd.DataFrame, labels: Labels, rows: Rows) -> np.ndarray | None:
        if self.weight is None and self.class_weight is None:
            return None
        weights = None if self.weight is None else row_weights(frame[self.weight])
        if self.class_weight is not None:
            if self.label_kind == "multilabel":
                raise InvalidArgument("class_weight", self.class_weight, "null with labels=multilabel")
            train = rows["train"]
            of_train = None if weights is None else weights[train]
            by_class = class_weights(self.class_weight, labels.names, labels.values[train], of_train)
            each = weights_of_rows(by_class, labels.values)
            weights = each if weights is None else weights * each
        assert weights is not None
        if not weights[rows["train"]].sum() > 0:
            raise UserMistake(f"data.weight: every weight in {self.weight!r} is 0 in the training rows")
        return (weights / weights[rows["train"]].mean()).astype(np.float32)


def _rows(frame: pd.DataFrame, index: np.ndarray) -> pd.DataFrame:
    attrs = frame.attrs
    taken = frame if len(index) == len(frame) else frame.iloc[index]  # its index still numbers the rows of the source
    taken.attrs = attrs
    return taken


def _stratum(values: np.ndarray) -> np.ndarray:
    """What a split shares out evenly: the class, the mode of votes, the rarest label of several."""
    if values.ndim == 1:
        return values
    if (values < 0).any() or not np.allclose(values.sum(axis=1), 1, atol=1e-4):
        present = values > 0
        counts = present.sum(axis=0)
        rarest = np.where(present, counts, len(values) + 1)
        stratum = np.where(present.any(axis=1), rarest.argmin(axis=1), values.shape[1])
        sizes = np.bincount(stratum, minlength=values.shape[1] + 1)
        stratum = np.where(sizes[stratum] < 10, sizes.argmax(), stratum)  # too small to be shared out
        return np.unique(stratum, return_inverse=True)[1]
    return values.argmax(axis=1)


def _strata(stratum: np.ndarray) -> list[str]:
    return [f"label {place}" for place in range(max(2, int(stratum.max()) + 1))]


def _times(cells: pd.Series) -> np.ndarray:
    """A column of dates or numbers as numbers ``(N,)``; an empty cell is a UserMistake."""
    numeric = pd.api.types.is_numeric_dtype(cells)
    style = None if numeric else date_format(text_of(cells.dropna()))
    dated = style is not None or pd.api.types.is_datetime64_any_dtype(cells)
    times = (
        days(cells, style)
        if dated
        else read_numbers(cells, str(cells.name), where="data.split_column", may_be_missing=True)
    )
    if np.isnan(times).any():
        row = int(np.flatnonzero(np.isnan(times))[0])
        raise UserMistake(
            f"data.split_column = {cells.name!r}: data row {row_number(cells, row)} is empty; every row needs its time"
        )
    return times


def _plain(name: str, cells: pd.Series) -> Column:
    """A column of which only the role matters."""
    present = cells.dropna()
    words = as_words(present.map(repr) if present.dtype == object else present) if len(present) else np.array([""])
    return Column(name, "", "", int(cells.isna().sum()), len(set(words)), str(words[0])[:40])


def _is_words(cells: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(cells) or pd.api.types.is_bool_dtype(cells):
        return False
    present = text_of(cells.dropna()).str.strip()
    return bool(pd.to_numeric(present, errors="coerce").isna().any()) and not set(present.str.lower()) <= {
        "true",
        "false",
    }


def _options(name: str, given: Any, options: dict[str, Any], head: str) -> dict[str, Any]:
    """One option, or a mapping of it with those that belong to it."""
    if not isinstance(given, Mapping):
        return options
    unknown = [key for key in given if key not in options]
    if unknown or head not in given:
        raise InvalidArgument(name, dict(given), f"{head} and, beside it, some of {', '.join(options)}")
    return options | dict(given)


def _name(name: Name | None) -> str | None:
    """A column's name; those of a file without a header look like numbers on a command line."""
    return None if name is None else str(name)


def _names(names: Sequence[Name]) -> list[str]:
    return [str(name) for name in names]


def _listed(option: Any) -> Any:
    """A sequence as a list: a checkpoint holds plain values."""
    if isinstance(option, Mapping):
        return {str(key): _listed(value) for key, value in option.items()}
    return [str(one) for one in option] if isinstance(option, Sequence) and not isinstance(option, str) else option


def _one_of(name: str, value: Any, kinds: Any) -> Any:
    if value not in get_args(kinds):
        raise InvalidArgument(name, value, f"one of {', '.join(get_args(kinds))}")
    return value


def _at_least(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgument(name, value, f"an integer of at least {least}")
    return value
