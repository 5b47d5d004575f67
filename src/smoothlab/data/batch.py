"""What a loader hands to a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Metadata (N, K) of data whose posterior is known: of the labels as they are, and of the classes before label noise.
TRUTH = ("posterior", "clean_posterior")


@dataclass  # not frozen: Lightning casts a copy of it, for trainer.precision=64-true
class Batch:
    """A batch of samples.

    Args:
        features: what the net takes, ``(N, ...)``.
        labels: class indices ``(N,)``, or distributions over the classes ``(N, K)``.
        rows: the samples' row numbers in their source ``(N,)``, so that predictions can be traced back.
        metadata: columns that are no features, by name, each ``(N,)``, for strategies that look at them; and what
            ``TRUTH`` names, in evaluation alone.
    """

    features: Tensor
    labels: Tensor
    rows: Tensor
    metadata: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.labels.shape[0]

    def take(self, index: Tensor | slice) -> Batch:
        """The samples at ``index``: a view for a slice, a copy for a tensor of positions."""
        if isinstance(index, slice):
            metadata = {name: column[index] for name, column in self.metadata.items()}
            return Batch(self.features[index], self.labels[index], self.rows[index], metadata)
        # index_select copies whole rows: 5 x as fast as features[index] at 1024 x 30
        return Batch(
            self.features.index_select(0, index),
            self.labels.index_select(0, index),
            self.rows.index_select(0, index),
            {name: column.index_select(0, index) for name, column in self.metadata.items()},
        )

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on ``device``."""
        return Batch(
            self.features.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
            self.rows,  # stays: results are joined with it on the CPU, and strategies move it where they need it
            {name: column.to(device, non_blocking=True) for name, column in self.metadata.items()},
        )

    def ready(self, device: torch.device | str, dtype: torch.dtype) -> Batch:
        """The same batch on ``device`` with features that a net takes; those of floats have their type already.

        Args:
            device: of the net.
            dtype: of the net's weights, for batches that make their features there.
        """
        return self if self.labels.device == torch.device(device) else self.to(device)


def joined(batches: Sequence[Batch], features: Tensor | None = None) -> Batch:
    """One batch of several; ``features`` are theirs, where they stand in one tensor already."""
    return Batch(
        torch.cat([batch.features for batch in batches]) if features is None else features,
        torch.cat([batch.labels for batch in batches]),
        torch.cat([batch.rows for batch in batches]),
        {name: torch.cat([batch.metadata[name] for batch in batches]) for name in batches[0].metadata},
    )
