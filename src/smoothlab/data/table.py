"""A data module for a table with one row a sample."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from smoothlab.data.batch import Batch
from smoothlab.data.encoder import TableEncoder
from smoothlab.data.module import MemoryData, check_seed
from smoothlab.errors import InvalidArgument, UserMistake


class TableData(MemoryData):
    """Rows of a table, split at random within each class, their columns encoded by training statistics.

    Args:
        source: makes the table; called once.
        target: name of the column with the label; every other column is a feature.
        fractions: parts of the rows for training, validation and test; three positive numbers that sum to 1.
        split_seed: decides which row goes where.
        shuffle_seed: decides the order of the training batches.
        batch_size: samples a training batch.
        eval_batch_size: samples a batch in validation, test and prediction.
    """

    def __init__(
        self,
        source: Callable[[], pd.DataFrame],
        target: str,
        *,
        fractions: Sequence[float],
        split_seed: int,
        shuffle_seed: int,
        batch_size: int,
        eval_batch_size: int,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, shuffle_seed=shuffle_seed)
        check_seed("split_seed", split_seed)
        wrong = len(fractions) != 3 or any(part <= 0 for part in fractions) or abs(sum(fractions) - 1) > 1e-6
        if wrong:
            raise InvalidArgument("fractions", list(fractions), "three positive numbers that sum to 1")
        self.source = source
        self.target = target
        self.fractions = tuple(fractions)
        self.split_seed = split_seed

    def read(self) -> dict[str, Batch]:
        """Read, split and encode the table.

        Raises:
            UserMistake: the target column is missing, a class is too small to split, a feature is not numeric.
        """
        frame = self.source()
        if self.target not in frame.columns:
            raise UserMistake(
                f"data.target = {self.target!r}: no such column; the table has {', '.join(map(str, frame.columns[:8]))}"
            )
        self.fingerprint = hashlib.sha256(pd.util.hash_pandas_object(frame).to_numpy().tobytes()).hexdigest()
        labels, names = pd.factorize(frame[self.target], sort=True)
        self.class_names = [str(name) for name in names]
        rows = stratified_split(labels, self.class_names, self.fractions, self.split_seed)
        features = frame.drop(columns=self.target)
        if self.encoder is None:
            self.encoder = TableEncoder.fit(features.iloc[rows["train"]])
        encoded = self.encoder.encode(features, where="data")
        everything = Batch(encoded, torch.from_numpy(labels.astype(np.int64)), torch.arange(len(frame)))
        return {split: everything.take(torch.from_numpy(index)) for split, index in rows.items()}


def stratified_split(
    labels: np.ndarray, class_names: Sequence[str], fractions: Sequence[float], seed: int
) -> dict[str, np.ndarray]:
    """Sorted row numbers of train, val and test, each with the classes' shares of the whole.

    Raises:
        UserMistake: a class has fewer than three rows, so that it cannot stand in every split.
    """
    from sklearn.model_selection import train_test_split

    counts = np.bincount(labels, minlength=len(class_names))
    if len(class_names) < 2:
        raise UserMistake(f"data.target: expected at least two classes, got {list(class_names)}")
    smallest = int(counts.argmin())
    if counts[smallest] < 3:
        raise UserMistake(
            f"data.target: class {class_names[smallest]!r} has {counts[smallest]} row(s); "
            "train, val and test need at least one each"
        )
    _, val, test = fractions
    rest, test_rows = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed)
    train_rows, val_rows = train_test_split(rest, test_size=val / (1 - test), stratify=labels[rest], random_state=seed)
    return {"train": np.sort(train_rows), "val": np.sort(val_rows), "test": np.sort(test_rows)}
