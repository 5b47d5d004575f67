"""Data modules of synthetic rows: in memory as far as they fit, drawn when they are needed beyond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from smoothlab.data.batch import Batch
from smoothlab.data.loader import StreamLoader
from smoothlab.data.module import SPLITS, DataModule, MemoryData
from smoothlab.data.parts.loading import Loading
from smoothlab.data.ranks import this_rank
from smoothlab.data.synthetic.domain import Domain
from smoothlab.data.synthetic.labelling import Label, Labelling, Noise
from smoothlab.data.synthetic.rows import SyntheticRows, without_truth
from smoothlab.data.synthetic.stream import RowStream
from smoothlab.data.thinning import check_thinning, thinned
from smoothlab.errors import InvalidArgument
from smoothlab.flat_keys import takes_keys

IN_MEMORY_ROWS = 1_000_000  # of all splits; 100 to 300 bytes each


@dataclass(frozen=True)
class Sizes:
    """Rows of each split, and what draws them; see ``conf/data/synthetic.yaml``."""

    rows: int = 10_000
    val_rows: int = 2_000
    test_rows: int = 10_000
    row_seed: int = 0


@dataclass(frozen=True)
class Answers:
    """Who says the labels, and how often they err; see ``conf/data/synthetic.yaml``."""

    noise: Noise = "none"
    noise_rate: float = 0.2
    noisy_splits: Sequence[str] = ("train", "val")
    sources: int = 1
    readers: int = 1
    label: Label = "first"


@takes_keys
def synthetic_data(
    domain: Domain,
    *,
    sizes: Sizes = Sizes(),
    answers: Answers = Answers(),
    stream: bool | None = None,
    workers: int = 0,
    train_share: float = 1.0,
    loading: Loading = Loading(batch_size=128, eval_batch_size=4096),
) -> DataModule:
    """A data module of synthetic rows with a known posterior.

    Args:
        domain: the world.
        sizes: how many rows; those of validation and test follow those of training, in time too.
        answers: how they get their labels, see :class:`Labelling`.
        stream: draw rows when they are needed; None: if there are more than ``IN_MEMORY_ROWS`` in all.
        workers: processes that draw them, where they are streamed; 0 is the training's own.
        train_share: share of the training rows that is used, of each class; streamed rows are used all.
        loading: how rows come in batches.

    Raises:
        InvalidArgument: for an argument outside its range.
    """
    labelling = Labelling(
        domain.num_classes,
        noise=answers.noise,
        noise_rate=answers.noise_rate,
        sources=answers.sources,
        readers=answers.readers,
    )
    counts = dict(zip(SPLITS, (sizes.rows, sizes.val_rows, sizes.test_rows), strict=True))
    noisy = tuple(answers.noisy_splits)
    source = SyntheticRows(domain, labelling, counts, label=answers.label, noisy=noisy, seed=sizes.row_seed)
    if workers < 0:
        raise InvalidArgument("workers", workers, "an integer >= 0")
    check_thinning(train_share, 1.0)
    if source.total > IN_MEMORY_ROWS if stream is None else stream:
        if train_share != 1:
            raise InvalidArgument("train_share", train_share, "1 where rows are streamed; give rows")
        return SyntheticStream(source, workers=workers, loading=loading)
    return SyntheticMemory(source, train_share=train_share, loading=loading)


def _introduce(data: DataModule, rows: SyntheticRows) -> None:
    """Tell a data module about the classes."""
    domain = rows.domain
    data.classes_are(domain.class_names, tree=domain.class_tree, ordered=domain.class_order)
    data.fingerprint = rows.fingerprint
    name = type(rows.domain).__name__
    data.notes = [f"synthetic data ({name}): made-up rows with a known posterior, {rows.total:,} in all"]
    data.encoder = data.encoder or rows.encoder


class SyntheticMemory(MemoryData):
    """Synthetic rows, all drawn at once.

    Args:
        rows: where they come from.
        loading: see :class:`DataModule`.
        train_share: share of the training rows that is used, of each class.
    """

    def __init__(self, rows: SyntheticRows, *, loading: Loading, train_share: float = 1.0) -> None:
        super().__init__(loading=loading)
        self.rows = rows
        self.train_share = train_share

    def read(self) -> dict[str, Batch]:
        """See :class:`MemoryData`."""
        _introduce(self, self.rows)
        ranges = self.rows.ranges
        made = {split: self.rows.batch(split, 0, stop - start, truth=True) for split, (start, stop) in ranges.items()}
        if self.train_share != 1:
            labels = made["train"].labels
            strata = (labels if labels.ndim == 1 else labels.argmax(1)).numpy()
            rows = thinned(np.arange(len(strata)), strata, train_share=self.train_share, seed=self.rows.seed)
            made["train"] = made["train"].take(torch.from_numpy(rows))
        return made

    def training_samples(self) -> Batch:
        """Without the truth."""
        return without_truth(self.split("train"))


class SyntheticStream(DataModule):
    """Synthetic rows, drawn when they are needed, as many as one likes.

    Args:
        rows: where they come from.
        workers: processes that draw them; 0 is this one.
        loading: see :class:`DataModule`.
    """

    def __init__(self, rows: SyntheticRows, *, workers: int, loading: Loading) -> None:
        super().__init__(loading=loading)
        self.rows = rows
        self.workers = workers
        self._counts: list[int] = []

    def setup(self, stage: str | None = None) -> None:
        """See :class:`DataModule`; nothing is drawn but what the classes' counts are judged by."""
        if not self._counts:
            _introduce(self, self.rows)
            self._counts = self.rows.expected_counts()

    @property
    def class_counts(self) -> list[int]:
        """Expected ones, since to count them would be to draw all rows."""
        return self._counts

    @property
    def num_samples(self) -> int:
        """See :class:`DataModule`."""
        return self.rows.ranges["train"][1]

    @property
    def num_rows(self) -> int:
        """See :class:`DataModule`."""
        return self.rows.total

    def first(self, count: int) -> Batch:
        """See :class:`DataModule`."""
        return self.rows.batch("train", 0, min(count, self.num_samples), truth=False)

    def loader(self, split: str) -> StreamLoader:
        """See :class:`DataModule`."""
        return self._loader(split, self.eval_batch_size)

    def train_dataloader(self) -> StreamLoader:
        """Mixed batches without the truth; the order depends on ``shuffle_seed``, the epoch, ranks and workers."""
        return self._loader("train", self.batch_size, self.shuffle_seed)

    def _loader(self, split: str, batch_size: int, shuffle_seed: int | None = None) -> StreamLoader:
        stream = RowStream(self.rows, split, batch_size, shuffle_seed=shuffle_seed, **this_rank())
        return StreamLoader(stream, self.workers)
