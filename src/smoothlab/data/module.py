"""What a run asks of its data, and the data modules that fit in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from smoothlab.classes import ClassTree
from smoothlab.data.batch import Batch
from smoothlab.data.encoder import Encoder
from smoothlab.data.loader import MemoryLoader
from smoothlab.data.parts.loading import AUTO, Loading
from smoothlab.data.ranks import this_rank
from smoothlab.errors import UserMistake
from smoothlab.flat_keys import takes_keys

SPLITS = ("train", "val", "test")


class DataModule(LightningDataModule, ABC):
    """Data of one task, in three splits. Everything but the arguments is known after ``setup``.

    Args:
        loading: sizes of batches and the order of training; its fields may be given as keywords.
        label_kind: ``single``, ``ordinal``, ``votes``, ``multilabel`` or ``tokens`` (of sentence pairs); None: told
            from the labels, where they tell.

    Attributes:
        loading: what was asked for.
        eval_batch_size: samples a batch in validation, test and prediction.
        shuffle_seed: decides the order of the training batches.
        class_names: K names, in the order of the logits.
        encoder: of raw rows. One that is set before ``setup``, as that of a checkpoint, is used and not fitted again.
        fingerprint: hash of the data's contents, a part of a run's identity.
        class_tree: of the classes, or None.
        never: names of classes that no sample has, such as padding.
        class_order: whether the classes stand in an order of theirs, such as grades.
        time_column: the metadata column by whose order the splits were made, or None.
        date_columns: metadata columns that are days since 1970.
        metadata_categories: the words that the codes of a metadata column stand for, by column.
        notes: what a run's log is to say of the data, a line each.
        warnings: what looks misread, a line each; said as the notes are.
    """

    @takes_keys
    def __init__(self, *, loading: Loading = Loading(), label_kind: str | None = None) -> None:
        super().__init__()
        self.loading = loading
        self.eval_batch_size = loading.eval_batch_size
        self.shuffle_seed = loading.shuffle_seed
        self.label_kind = label_kind
        self.class_names: list[str] = []
        self.class_tree: ClassTree | None = None
        self.class_order = label_kind == "ordinal"
        self.encoder: Encoder | None = None
        self.fingerprint = ""
        self.never: list[str] = []
        self.time_column: str | None = None
        self.date_columns: set[str] = set()
        self.metadata_categories: dict[str, list[str]] = {}
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def classes_are(self, names: Sequence[str], *, tree: ClassTree | None = None, ordered: bool = False) -> None:
        """Settle the classes.

        Args:
            names: in the order of the logits.
            tree: of the classes.
            ordered: whether they stand in an order of theirs; ordinal labels always do.
        """
        self.class_names = list(names)
        self.class_tree = tree
        self.class_order = ordered or self.label_kind == "ordinal"

    @property
    def batch_size(self) -> int:
        """Samples a training batch of a rank; a step is of so many times the number of ranks. Known after ``setup``."""
        return self.batch_size_of(this_rank()["ranks"])

    @batch_size.setter
    def batch_size(self, samples: int | str) -> None:
        self.loading = replace(self.loading, batch_size=samples)

    def batch_size_of(self, ranks: int) -> int:
        """The same where so many ranks train."""
        samples = self.num_samples if self.loading.batch_size == AUTO else 0
        return self.loading.samples_of_a_batch(samples, ranks)

    @property
    def slice_column(self) -> str | None:
        """The metadata column by which final metrics are told apart where the task names none, or None."""
        return self.time_column

    @property
    def slice_columns(self) -> list[str]:
        """The metadata columns by which final metrics can be told apart."""
        return list(self.first(1).metadata)

    @abstractmethod
    def setup(self, stage: str | None = None) -> None:
        """Read, split and encode the data; a second call does nothing.

        Raises:
            UserMistake: the data cannot be used, in one line.
        """

    @property
    def net_arguments(self) -> dict[str, Any]:
        """See :class:`Encoder`."""
        assert self.encoder is not None, "call setup() first"
        return self.encoder.net_arguments

    @property
    @abstractmethod
    def class_counts(self) -> list[int]:
        """Training samples of each class: expected ones for votes, positive ones for several labels a sample."""

    @property
    @abstractmethod
    def num_rows(self) -> int:
        """The row numbers of all splits are below it."""

    @property
    def num_samples(self) -> int:
        """Training samples; 0 where they are not known."""
        return 0

    @abstractmethod
    def first(self, count: int) -> Batch:
        """Some training samples, to try a net on."""

    @abstractmethod
    def loader(self, split: str) -> Any:
        """This rank's share of ``train``, ``val`` or ``test``: evaluation batches of all samples in a fixed order."""

    def val_dataloader(self) -> Any:
        """The validation samples."""
        return self.loader("val")

    def test_dataloader(self) -> Any:
        """The test samples."""
        return self.loader("test")


class KnownData(DataModule):
    """Data whose rows are known by ``setup``, all but perhaps their features."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._batches: dict[str, Batch] = {}
        self.test_is_given = False  # by the source: no other samples are to be the test data

    def count(self, split: str) -> int:
        """Samples of ``train``, ``val`` or ``test`` that have a label."""
        return len(self._batches[split])

    @property
    def class_counts(self) -> list[int]:
        """See :class:`DataModule`."""
        return count_classes(self._batches["train"].labels, len(self.class_names))

    @property
    def num_samples(self) -> int:
        """See :class:`DataModule`."""
        return len(self._batches["train"])

    @property
    def num_rows(self) -> int:
        """See :class:`DataModule`."""
        return 1 + max(int(batch.rows.max()) for batch in self._batches.values() if len(batch))


class MemoryData(KnownData):
    """Data that fit in memory; a subclass reads them in :meth:`read`."""

    loader_of: Callable[..., MemoryLoader] = MemoryLoader

    @abstractmethod
    def read(self) -> dict[str, Batch]:
        """The splits' samples; sets ``class_names``, ``encoder`` and ``fingerprint``."""

    def setup(self, stage: str | None = None) -> None:
        """See :class:`DataModule`."""
        if not self._batches:
            batches = self.read()
            for split, batch in batches.items():
                _check_indices(batch.labels, len(self.class_names), split)
            self._batches = batches

    def split(self, name: str) -> Batch:
        """All samples of ``train``, ``val`` or ``test``."""
        return self._batches[name]

    def first(self, count: int) -> Batch:
        """See :class:`DataModule`."""
        return self.training_samples().take(slice(0, count))

    def loader(self, split: str) -> MemoryLoader:
        """See :class:`DataModule`."""
        return self.loader_of(self.split(split), self.eval_batch_size, **this_rank())

    def train_dataloader(self) -> MemoryLoader:
        """Shuffled batches; the order depends on ``shuffle_seed`` and the epoch."""
        data = self.training_samples()
        return self.loader_of(data, self.batch_size, shuffle=True, seed=self.shuffle_seed, **this_rank())

    def training_samples(self) -> Batch:
        """What training sees of its samples."""
        return self.split("train")


def count_classes(labels: Tensor, num_classes: int) -> list[int]:
    """Samples of each class in class indices ``(N,)``, votes ``(N, K)``, or several labels a sample ``(N, K)``."""
    if labels.ndim == 1:
        return torch.bincount(labels[labels >= 0], minlength=num_classes).tolist()
    return labels.double().clamp_min(0).sum(0).round().long().tolist()


def _check_indices(labels: Tensor, num_classes: int, split: str) -> None:
    """Refuse class indices that are no class: a loss would leave such rows out, or read beside its targets.

    Raises:
        UserMistake: with the first such row.
    """
    if labels.ndim > 1 or labels.is_floating_point() or not len(labels):
        return
    wrong = ((labels < 0) | (labels >= num_classes)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise UserMistake(
            f"data: row {row + 1} of {split} has the label {int(labels[row])}; expected the number of a class, 0 to "
            f"{num_classes - 1}; rows without a label are to be left out"
        )
