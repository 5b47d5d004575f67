"""A prior by neighbours in time: the labels before and after it in its sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smoothlab.classes.info import ClassInfo
from smoothlab.errors import InvalidArgument
from smoothlab.smoothing.priors.distribution import checked_weights, normalised
from smoothlab.step import SEQUENCE, Step
from smoothlab.targets import PerSample


class Neighbours:
    """The mass of a label goes to the labels around it in its sequence: at the distance d, before and after, ``w_d``.

    Normalised over the neighbours that are there: none beyond the ends, none that is outside [0, K), such as ignored
    labels. Padding that is a class of its own is taken out by the smoother's ``exclude``. A label without any neighbour
    keeps its mass; in espresso, whose formula is the same otherwise, its target sums to ``1 - epsilon``.

    The prior is a distribution for each label, ``(N, T, K)``, as large as the logits, although it has few entries.

    Args:
        weights: one number >= 0 a distance, 1 first, some above 0; published: 5 and 2.

    Raises:
        InvalidArgument: for other weights; in a step, for labels that are no sequences, or where nothing shows K.

    Source: Chorowski and Jaitly, "Towards better decoding and language model integration in sequence to sequence
    models", Interspeech 2017; the weights are espresso's.
    """

    def __init__(self, weights: Sequence[float] = (5.0, 2.0)) -> None:
        self.weights = normalised("weights", checked_weights("weights", weights, 1)).tolist()
        self._classes: int | None = None

    def bind(self, info: ClassInfo) -> None:
        """Learn the number of classes."""
        self._classes = len(info.class_names)

    def __call__(self, step: Step) -> PerSample:
        """The distributions ``(N, T, K)`` of labels ``(N, T)`` or votes ``(N, T, K)``.

        Flat labels ``(M,)`` are sequences one after the other where the metadata say of which one each is.
        """
        labels, votes = step.labels, step.labels.is_floating_point()
        classes = step.num_classes or self._classes
        if classes is None:
            raise InvalidArgument("num_classes", None, "K, where neither logits nor the data's classes show it")
        sequence = step.metadata.get(SEQUENCE) if labels.ndim == 1 else None
        if sequence is None and labels.ndim < (3 if votes else 2):
            raise InvalidArgument(
                "labels", tuple(labels.shape), "sequences (N, T), as of task=translation: neighbours are those in time"
            )
        if votes:
            return PerSample(self._of_votes(labels.to(step.dtype)))
        return PerSample(self._of_labels(labels, classes, step.dtype, sequence))

    def _of_labels(self, labels: Tensor, classes: int, dtype: torch.dtype, sequence: Tensor | None) -> Tensor:
        around = self._around(labels)
        weights = torch.tensor([*self.weights[::-1], 0.0, *self.weights], dtype=dtype).to(labels.device)
        shares = weights * ((around >= 0) & (around < classes))  # (..., T, 2 reach + 1)
        if sequence is not None:
            shares = shares * (self._around(sequence) == sequence.unsqueeze(-1))
        sums = shares.sum(-1)
        shares[..., len(self.weights)] = (sums == 0).to(dtype)  # the label itself
        rows = torch.zeros(*labels.shape, classes, dtype=dtype, device=labels.device)
        rows.scatter_add_(-1, around.clamp(0, classes - 1), shares)
        return rows.div_(sums.where(sums > 0, 1).unsqueeze(-1))

    def _around(self, values: Tensor) -> Tensor:
        """What stands at each place and as far around it as there are weights, -1 beyond the ends."""
        reach = len(self.weights)
        return torch.nn.functional.pad(values, (reach, reach), value=-1).unfold(-1, 2 * reach + 1, 1)

    def _of_votes(self, votes: Tensor) -> Tensor:
        rows = torch.zeros_like(votes)
        length = votes.shape[-2]
        for distance, weight in enumerate(self.weights[: length - 1], start=1):
            rows[..., distance:, :] += weight * votes[..., : length - distance, :]
            rows[..., : length - distance, :] += weight * votes[..., distance:, :]
        sums = rows.sum(-1, keepdim=True)
        return torch.where(sums > 0, rows / sums.where(sums > 0, 1), votes)

    def __repr__(self) -> str:
        return f"Neighbours({[round(weight, 4) for weight in self.weights]})"
