"""One label a sample: logits whose softmax is the distribution over the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.kinds.kind import Kind
from smoothlab.targets import SoftTarget

SMALLEST = 1e-300  # whose logarithm is finite


class Classification(Kind):
    """One label a sample, or votes."""

    name = "classification"
    labels = "single"
    data_words = "have one label a sample"
    scores = "classification"
    decides = True

    def probabilities(self, logits: Tensor) -> Tensor:
        """See :class:`Kind`."""
        return torch.softmax(logits, dim=-1)

    def logits(self, probabilities: Tensor) -> Tensor:
        """See :class:`Kind`."""
        return probabilities.clamp(SMALLEST).log()

    def example(self, logits: Tensor) -> tuple[Tensor, SoftTarget]:
        """See :class:`Kind`."""
        labels = torch.arange(len(logits), device=logits.device) % logits.shape[-1]
        return labels, SoftTarget(labels)

    def table(self, logits: Tensor, class_names: Sequence[str], decision: Any = None) -> pd.DataFrame:
        """``prediction`` and ``prob_<class>`` columns.

        The prediction is the most probable class, or what ``decision`` (:mod:`smoothlab.calibration.decision`) chooses.
        """
        probabilities = self.probabilities(logits.double())
        names = list(class_names)
        table = pd.DataFrame(probabilities.numpy(), columns=[f"prob_{name}" for name in names])
        predicted = probabilities.argmax(dim=-1) if decision is None else decision.decide(probabilities)
        table.insert(0, "prediction", [names[index] for index in predicted.tolist()])
        return table

    def truth(self, labels: Tensor, class_names: Sequence[str]) -> pd.DataFrame:
        """A column ``label``; of votes their mode."""
        labels = labels if labels.ndim == 1 else labels.argmax(1)
        return pd.DataFrame({"label": [class_names[int(label)] for label in labels]})

    def labels_of(self, table: pd.DataFrame, class_names: Sequence[str]) -> Tensor:
        """See :class:`Kind`."""
        return torch.from_numpy(pd.Index(list(class_names)).get_indexer(table["label"].astype(str)).astype(np.int64))
