"""Several labels a sample: each label's logit through a sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from smoothlab.kinds.classification import SMALLEST
from smoothlab.kinds.kind import Kind
from smoothlab.soft_labels import SoftLabels


class Multilabel(Kind):
    """Any number of labels a sample, each present, absent or unknown (negative)."""

    name = "multilabel"
    labels = "multilabel"
    data_words = "have several labels a sample"
    scores = "multilabel"
    several = True

    def probabilities(self, logits: Tensor) -> Tensor:
        """See :class:`Kind`."""
        return torch.sigmoid(logits)

    def logits(self, probabilities: Tensor) -> Tensor:
        """See :class:`Kind`."""
        present = probabilities.clamp(SMALLEST)
        return present.log() - (1 - present).clamp(SMALLEST).log()

    def example(self, logits: Tensor) -> tuple[Tensor, SoftLabels]:
        """See :class:`Kind`."""
        labels = (logits.detach() > 0).float()
        return labels, SoftLabels(labels)

    def table(self, logits: Tensor, class_names: Sequence[str], decision: Any = None) -> pd.DataFrame:
        """``pred_<label>`` (1 above a probability of 0.5, else 0) and ``prob_<label>`` columns."""
        probabilities = self.probabilities(logits.double()).numpy()
        predicted = (probabilities > 0.5).astype(np.int8)
        return pd.concat(
            [
                pd.DataFrame(predicted, columns=[f"pred_{name}" for name in class_names]),
                pd.DataFrame(probabilities, columns=[f"prob_{name}" for name in class_names]),
            ],
            axis=1,
        )

    def truth(self, labels: Tensor, class_names: Sequence[str]) -> pd.DataFrame:
        """Columns ``label_<name>``: 1 present, 0 absent, a share of votes, or nothing where unknown."""
        values = labels.double().masked_fill(labels < 0, torch.nan).numpy()
        return pd.DataFrame(values, columns=[f"label_{name}" for name in class_names])

    def labels_of(self, table: pd.DataFrame, class_names: Sequence[str]) -> Tensor:
        """See :class:`Kind`."""
        truth = table[[f"label_{name}" for name in class_names]].to_numpy(dtype=np.float32)
        return torch.from_numpy(np.nan_to_num(truth, nan=-1.0))
