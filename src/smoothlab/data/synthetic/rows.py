"""The rows of a synthetic data set, by their numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch

from smoothlab.data.batch import TRUTH, Batch, joined
from smoothlab.data.module import SPLITS
from smoothlab.data.parts.keys import check_seed
from smoothlab.data.synthetic.domain import Domain, Drawn, Numbers
from smoothlab.data.synthetic.draws import uniforms
from smoothlab.data.synthetic.encoder import SyntheticEncoder
from smoothlab.data.synthetic.labelling import Label, Labelled, Labelling
from smoothlab.errors import InvalidArgument

VERSION = 1  # of how rows follow from the arguments; a part of the fingerprint
CHUNK = 16_384  # rows that are drawn at once; it changes no row


class SyntheticRows:
    """Rows that are functions of their number: any range of them can be had, in any order, alone or together.

    The rows of train, val and test follow one another, and so does their time, from 0 to nearly 1.

    Args:
        domain: the world.
        labelling: how its rows are labelled.
        counts: rows of each split, by its name.
        label: ``first``, what the first reader says, or ``votes``, the shares of the readers.
        noisy: splits whose labels have the noise.
        seed: of the rows.
    """

    def __init__(
        self,
        domain: Domain,
        labelling: Labelling,
        counts: Mapping[str, int],
        *,
        label: Label,
        noisy: tuple[str, ...],
        seed: int,
    ) -> None:
        for split in SPLITS:
            if counts[split] < 1:
                raise InvalidArgument("rows" if split == "train" else f"{split}_rows", counts[split], "at least 1")
        if label not in ("first", "votes"):
            raise InvalidArgument("label", label, "first or votes")
        if label == "votes" and labelling.readers < 2:
            raise InvalidArgument("readers", labelling.readers, "at least 2, as data.label=votes")
        if any(split not in SPLITS for split in noisy):
            raise InvalidArgument("noisy_splits", list(noisy), f"some of {', '.join(SPLITS)}")
        check_seed("row_seed", seed)
        self.domain = domain
        self.labelling = labelling
        self.label = label
        self.noisy = noisy if labelling.rate > 0 else ()
        self.seed = seed
        self.encoder = SyntheticEncoder(domain.numeric_names, domain.words)
        ends = list(accumulate(counts[split] for split in SPLITS))
        self.ranges = {split: (end - counts[split], end) for split, end in zip(SPLITS, ends, strict=True)}
        self.total = ends[-1]

    @property
    def fingerprint(self) -> str:
        """A hash of all that the rows follow from."""
        world = {name: _plain(value) for name, value in vars(self.domain).items() if name != "class_tree"}
        labels = _plain(vars(self.labelling))
        content = [VERSION, type(self.domain).__name__, world, labels, self.ranges, self.label, self.noisy, self.seed]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def batch(self, split: str, start: int, stop: int, *, truth: bool) -> Batch:
        """The rows ``start`` to ``stop`` of a split, counted from its beginning.

        Args:
            split: ``train``, ``val`` or ``test``.
            start: first row.
            stop: the row after the last one.
            truth: give the metadata ``posterior`` ``(N, K)``, of the labels given the features, and where the split has
                noise ``clean_posterior``, of the classes.
        """
        first = self.ranges[split][0]
        edges = [*range(first + start, first + stop, CHUNK), first + stop]
        parts = [self._part(split, *edge, truth=truth) for edge in pairwise(edges)]
        return parts[0] if len(parts) == 1 else joined(parts)

    def empty(self, split: str, *, truth: bool) -> Batch:
        """A batch without rows."""
        return self.batch(split, 0, 1, truth=truth).take(slice(0, 0))

    def frame(self, split: str, start: int, stop: int) -> pd.DataFrame:
        """Rows of a split as a table, for other programs and to look at.

        It has the raw columns, ``time``, ``label`` (what the first reader says), ``class`` (the true one) and the
        posterior of the label, ``true_<class>``.
        """
        drawn, clean, given, time = self._draw(split, self.ranges[split][0] + start, self.ranges[split][0] + stop)
        table = pd.DataFrame(drawn.numeric, columns=self.domain.numeric_names)
        for column, (name, words) in enumerate(self.domain.words.items()):
            table[name] = np.array(words)[drawn.codes[:, column]]
        names = np.array(self.domain.class_names)
        table["time"] = time
        table["label"], table["class"] = names[given.first], names[drawn.classes]
        posterior = self.labelling.posterior(clean) if split in self.noisy else clean
        return pd.concat([table, pd.DataFrame(posterior, columns=[f"true_{name}" for name in names])], axis=1)

    def expected_counts(self, split: str = "train") -> list[int]:
        """About how many labels of each class a split has, judged by rows spread over it."""
        start, stop = self.ranges[split]
        rows = np.linspace(start, stop - 1, min(stop - start, 64)).astype(np.int64)
        ends = np.minimum(rows + CHUNK // 16, stop)
        shares = np.concatenate([self._truth(split, row, end) for row, end in zip(rows, ends, strict=True)]).mean(0)
        return [round(share * (stop - start)) for share in shares]

    def _truth(self, split: str, start: int, stop: int) -> Numbers:
        _, clean, _, _ = self._draw(split, start, stop)
        return self.labelling.posterior(clean) if split in self.noisy else clean

    def _draw(self, split: str, start: int, stop: int) -> tuple[Drawn, Numbers, Labelled, Numbers]:
        """Rows by their numbers in the whole set: what they show, the classes' posterior, labels and times."""
        time = np.arange(start, stop) / self.total
        drawn = self.domain.draw(uniforms(self.seed, "world", start, stop, self.domain.draws), time)
        clean = self.domain.posterior(drawn.numeric, drawn.codes, time)
        uniform = uniforms(self.seed, "labels", start, stop, self.labelling.draws)
        given = self.labelling.label(drawn.classes, clean, uniform, noisy=split in self.noisy)
        return drawn, clean, given, time

    def _part(self, split: str, start: int, stop: int, *, truth: bool) -> Batch:
        drawn, clean, given, time = self._draw(split, start, stop)
        votes = self.label == "votes"
        metadata = {"time": torch.from_numpy(time.astype(np.float32))}
        if given.sources is not None:
            metadata["source"] = torch.from_numpy(given.sources)
        if given.votes is not None:
            metadata["agreement"] = torch.from_numpy(given.votes.max(axis=1).astype(np.float32))
        if truth and split in self.noisy:
            metadata["posterior"] = torch.from_numpy(self.labelling.posterior(clean).astype(np.float32))
            metadata["clean_posterior"] = torch.from_numpy(clean.astype(np.float32))
        elif truth:
            metadata["posterior"] = torch.from_numpy(clean.astype(np.float32))
        labels = torch.from_numpy(given.votes.astype(np.float32) if votes and given.votes is not None else given.first)
        rows = torch.arange(start, stop)
        return Batch(self.encoder.features(drawn.numeric, drawn.codes), labels, rows, metadata)


def without_truth(batch: Batch) -> Batch:
    """The same tensors, less the metadata that a training step must not see."""
    metadata = {name: column for name, column in batch.metadata.items() if name not in TRUTH}
    return Batch(batch.features, batch.labels, batch.rows, metadata)


def _plain(value: Any) -> Any:
    """Arrays as lists of numbers, rounded so that two machines agree."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return f"{value:.9g}" if isinstance(value, float) else value
