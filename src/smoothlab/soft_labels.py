"""Soft labels of multi-label samples, and the same samples as questions with two answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.targets import IGNORED

ANSWERS = ["absent", "present"]  # the two classes of a question, in this order


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """What a binary cross-entropy is taken against: for each label the probability that it is present.

    Args:
        values: ``(..., K)`` in [0, 1] of a float type; negative where a label is not known.
        epsilon: the strength that they were made with, in [0, 1): a number, or a tensor with one value, one a row
            ``(..., 1)``, one a label ``(1, K)``, or one each ``(..., K)``.
    """

    values: Tensor
    epsilon: float | Tensor = 0.0

    def entropy(self, num_labels: int) -> Tensor:
        """Entropy of each row ``(...)`` in nats, the mean over its known labels: the floor of the loss."""
        del num_labels  # the values show it; as of SoftTarget.entropy
        known = self.values >= 0
        values = self.values.where(known, 0)
        entropy: Tensor = torch.special.entr(values) + torch.special.entr(1 - values)
        return entropy.sum(-1) / known.sum(-1).clamp_min(1)

    def validate(self) -> SoftLabels:
        """Look at every value, for tests and debugging (on a GPU this waits for the device); returns self.

        Raises:
            InvalidArgument: a value above 1 or that is no number, or an epsilon outside [0, 1).
        """
        if not bool((self.values <= 1).all()):  # written so that nan fails too
            raise InvalidArgument("values", "an entry above 1, or nan", "numbers in [0, 1], or negative")
        epsilon = torch.as_tensor(self.epsilon)
        if not bool(((epsilon >= 0) & (epsilon < 1)).all()):
            raise InvalidArgument("epsilon", self.epsilon, "values in [0, 1)")
        return self


def question_logits(logits: Tensor) -> Tensor:
    """``(N, K)`` logits of labels as ``(N * K, 2)`` logits of "absent" and "present": softmax(0, z) is sigmoid(z).

    A label whose logit is -inf takes no part; its question is answered by (0, 0).
    """
    flat = logits.reshape(-1)
    flat = flat.masked_fill(flat == -math.inf, 0)
    return torch.stack([torch.zeros_like(flat), flat], -1)


def question_labels(labels: Tensor, logits: Tensor | None = None) -> Tensor:
    """``(N, K)`` labels as ``(N * K,)`` class indices: 1 present, 0 absent, -100 where nothing is known or asked.

    Of a share (votes, mixed samples) it is what more than half say.

    Args:
        labels: ``(N, K)``, negative where unknown.
        logits: ``(N, K)``, where a label of logit -inf is not asked for, or None.
    """
    answers = (labels > 0.5).long().masked_fill(labels < 0, IGNORED)
    if logits is not None:
        answers = answers.masked_fill(logits == -math.inf, IGNORED)
    return answers.reshape(-1)
