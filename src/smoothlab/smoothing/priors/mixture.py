"""Several priors in one: some of the mass goes where each of them sends it."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from smoothlab.classes.info import bind_part
from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_number
from smoothlab.targets import OtherClasses, PerClass, PerSample

if TYPE_CHECKING:
    from smoothlab.classes.info import ClassInfo
    from smoothlab.smoothing.priors.prior import Prior
    from smoothlab.step import Step
    from smoothlab.targets import Prior as PriorFactor


MATRIX_CLASSES = 2048  # up to here an exclusive prior among them makes a matrix, 16 MiB at most


class Mixture(nn.Module):
    """The weighted mean of several priors: ``pi = sum_i w_i pi_i``, with weights that sum to 1.

    Vectors make a vector, with a matrix among them a matrix, with rows of samples among them rows ``(N, K)``; the
    exclusive prior (or one of other classes) counts as a matrix, with votes or beyond 2048 classes as rows. A module,
    so that priors that learn are found.

    Args:
        priors: one or more, by name.
        weights: a number >= 0 for each of these names, some above 0; divided by their sum.

    Raises:
        InvalidArgument: for no prior, or weights that do not fit; in a step, where nothing shows K and a prior without
            a tensor is mixed with others.

    Source: none in particular; a prior by tree and frequency at once is common practice.
    """

    def __init__(self, priors: Mapping[str, Prior], weights: Mapping[str, float]) -> None:
        super().__init__()
        if not isinstance(priors, Mapping) or not priors:
            raise InvalidArgument("priors", priors, "one or more priors, by name")
        if not isinstance(weights, Mapping) or set(weights) != set(priors):
            given = sorted(weights) if isinstance(weights, Mapping) else weights
            raise InvalidArgument("weights", given, f"a number for each of {', '.join(priors)}")
        numbers = {name: check_number(f"weights.{name}", weights[name], at_least=0) for name in priors}
        total = sum(numbers.values())
        if total == 0:
            raise InvalidArgument("weights", dict(weights), "some weight above 0")
        self.priors = dict(priors)
        self.weights = {name: number / total for name, number in numbers.items()}
        self.modules_among_priors = nn.ModuleDict(
            {k: prior for k, prior in priors.items() if isinstance(prior, nn.Module)}
        )
        self._classes: int | None = None
        self._last: tuple[list[Tensor], tuple[object, ...], PerClass] | None = None  # from what, and what

    def bind(self, info: ClassInfo) -> None:
        """Tell the priors that ask for it about the classes."""
        self._classes = len(info.class_names)
        for name, prior in self.priors.items():
            bind_part(f"priors.{name}", prior, info)

    def forward(self, step: Step) -> PriorFactor:
        """The prior factor of this step."""
        parts = [(weight, self.priors[name](step)) for name, weight in self.weights.items() if weight > 0]
        if len(parts) == 1:
            return parts[0][1]
        factors = [factor for _, factor in parts]
        if all(isinstance(factor, str) and factor == factors[0] for factor in factors):
            return factors[0]
        classes = self._num_classes(step, factors)
        by_label = [factor for factor in factors if isinstance(factor, PerClass)]
        exclusive = any(_is_exclusive(factor) for factor in factors)
        if exclusive and (classes > MATRIX_CLASSES or step.labels.is_floating_point()):
            return PerSample(self._rows(parts, step, classes))
        if any(isinstance(factor, PerSample) for factor in factors):
            return PerSample(self._rows(parts, step, classes))
        if by_label or exclusive:
            return self._matrix(parts, step, classes)
        return self._vector(parts, step, classes)

    def _num_classes(self, step: Step, factors: list[PriorFactor]) -> int:
        for factor in factors:
            if isinstance(factor, Tensor):
                return factor.shape[-1]
            if isinstance(factor, OtherClasses):
                return len(factor.weights)
            if isinstance(factor, PerClass | PerSample):
                return (factor.matrix if isinstance(factor, PerClass) else factor.rows).shape[-1]
        classes = step.num_classes or self._classes
        if classes is None:
            raise InvalidArgument("num_classes", None, "K, where neither logits nor the data's classes show it")
        return classes

    def _vector(self, parts: list[tuple[float, PriorFactor]], step: Step, classes: int) -> Tensor:
        """The sum of vectors and uniform priors, ``(K,)``."""
        vectors = [(weight, prior) for weight, prior in parts if isinstance(prior, Tensor)]
        constant = sum(weight for weight, prior in parts if isinstance(prior, str) and prior == "uniform") / classes
        dtype = vectors[0][1].dtype if vectors else step.dtype
        total = torch.full((classes,), constant, dtype=dtype, device=step.labels.device)
        for weight, vector in vectors:
            total = total + weight * vector
        return total

    def _matrix(self, parts: list[tuple[float, PriorFactor]], step: Step, classes: int) -> PerClass:
        """The sum of all, ``(K, K)``; made again only where a tensor is another one, or was changed in place."""
        keys = [_tensor_of(prior) for _, prior in parts]
        tensors = [key for key in keys if isinstance(key, Tensor)]
        still = not any(tensor.requires_grad or tensor.is_inference() for tensor in tensors)
        form = (classes, step.dtype, step.labels.device, *(tensor._version for tensor in tensors if still))
        last = self._last
        if still and last and last[1] == form and all(map(operator.is_, tensors, last[0])):
            return last[2]
        total = self._vector(parts, step, classes).expand(classes, classes)
        for weight, prior in parts:
            if isinstance(prior, PerClass):
                total = total + weight * prior.matrix
            elif _is_exclusive(prior):
                total = total + weight * _exclusive(torch.eye(classes, dtype=total.dtype, device=total.device), prior)
        made = PerClass(total)
        if still:
            self._last = (tensors, form, made)
        return made

    def _rows(self, parts: list[tuple[float, PriorFactor]], step: Step, classes: int) -> Tensor:
        """The sum of all for each sample, ``(..., K)``."""
        labels, total = step.labels, self._vector(parts, step, classes)
        votes = labels if labels.is_floating_point() else None
        for weight, prior in parts:
            if isinstance(prior, PerSample):
                total = total + weight * prior.rows.reshape(*(labels.shape if votes is None else labels.shape[:-1]), -1)
            elif isinstance(prior, PerClass):
                if votes is None:
                    rows = prior.matrix[labels.clamp(0, classes - 1)]
                else:
                    with torch.autocast(votes.device.type, enabled=False):
                        rows = votes.to(prior.matrix.dtype) @ prior.matrix
                total = total + weight * rows
            elif _is_exclusive(prior):
                base = votes
                if base is None:
                    base = (labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)).to(total.dtype)
                total = total + weight * _exclusive(base, prior)
        return total

    def extra_repr(self) -> str:
        """The weights, and priors that are no modules; torch shows those that are."""
        shown = [f"{name}={prior!r}" for name, prior in self.priors.items() if not isinstance(prior, nn.Module)]
        return ", ".join([*shown, f"weights={self.weights}"])


def _is_exclusive(factor: PriorFactor) -> bool:
    return isinstance(factor, OtherClasses) or (isinstance(factor, str) and factor == "exclusive")


def _tensor_of(factor: PriorFactor) -> Tensor | None:
    if isinstance(factor, PerClass):
        return factor.matrix
    if isinstance(factor, OtherClasses):
        return factor.weights
    return factor if isinstance(factor, Tensor) else None


def _exclusive(base: Tensor, prior: PriorFactor) -> Tensor:
    """All classes but the label, for one-hot labels or votes ``(..., K)``; with one class it keeps the mass."""
    if isinstance(prior, OtherClasses):
        return prior.rows(base)
    return (1 - base) / (base.shape[-1] - 1) if base.shape[-1] > 1 else base
