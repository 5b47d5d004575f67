"""What a kind of task answers to everything that scores, calibrates, stores or reads its logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd
from torch import Tensor, nn


class Kind(ABC):
    """A kind of task: what its logits mean and which labels it takes.

    Attributes:
        name: in checkpoints, results and ``task.kind``.
        labels: which labels the data have: ``single``, ``multilabel`` or ``tokens``.
        data_words: what a message says of such data.
        scores: the kind whose scores judge the predictions.
        several: whether each label of a sample is a question of its own, and a calibrator takes it so.
        calibrates: whether a calibrator can follow the net.
        decides: whether a sample has one class, so that a decision can choose it and tables go by class.
        decodes: whether a sequence is decoded token by token, so that nothing calls the net as a whole.
    """

    name: ClassVar[str]
    labels: ClassVar[str]
    data_words: ClassVar[str]
    scores: ClassVar[str]
    several: ClassVar[bool] = False
    calibrates: ClassVar[bool] = True
    decides: ClassVar[bool] = False
    decodes: ClassVar[bool] = False

    def outputs(self, classes: int) -> int:
        """How many numbers the net gives for so many classes."""
        return classes

    def whole(self, net: nn.Module) -> nn.Module:
        """The net with what makes its outputs logits ``(N, K)``."""
        return net

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities of logits ``(N, K)``."""

    @abstractmethod
    def logits(self, probabilities: Tensor) -> Tensor:
        """Logits that have these probabilities."""

    @abstractmethod
    def example(self, logits: Tensor) -> tuple[Tensor, Any]:
        """Labels and soft target of a trial batch with these logits."""

    @abstractmethod
    def table(self, logits: Tensor, class_names: Sequence[str], decision: Any = None) -> pd.DataFrame:
        """The columns of a predictions file that say what is predicted, a row for each row of ``logits``."""

    @abstractmethod
    def truth(self, labels: Tensor, class_names: Sequence[str]) -> pd.DataFrame:
        """The columns of a predictions file that say what is true."""

    @abstractmethod
    def labels_of(self, table: pd.DataFrame, class_names: Sequence[str]) -> Tensor:
        """The labels that :meth:`truth` wrote into a predictions file."""
