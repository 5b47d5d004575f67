"""What every metric reads: values, labels or votes, weights and a mask, checked once, flattened to rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothlab.errors import InvalidArgument

Array = NDArray[np.float64]
# Half-precision softmax rows miss 1 by percents, float32 ones by 1e-6; a row of logits misses it by far more.
SUM_TOLERANCE = {torch.float16: 2e-2, torch.bfloat16: 5e-2}
DEFAULT_SUM_TOLERANCE = 1e-3
POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY

Result = TypeVar("Result", covariant=True)


class Metric(Protocol[Result]):
    """A metric as its caller sees it; ``more`` and ``options`` are what one metric alone takes, as ``help`` shows."""

    def __call__(
        self,
        values: Any,
        labels: Any,
        *more: Any,
        from_logits: bool,
        sample_weight: Any = None,
        mask: Any = None,
        **options: Any,
    ) -> Result:
        """See the metric."""


def reads(make: Callable[..., Any], *, weights: bool = True) -> Callable[[Callable[..., Result]], Metric[Result]]:
    """Let a metric take values and labels, as :func:`read` describes them, in place of what is made of them.

        @reads(Prediction.of)
        def top_k_accuracy(prediction: Prediction, *, k: int = 5) -> float: ...

        top_k_accuracy(values, labels, from_logits=True, mask=mask, k=3)

    Args:
        make: turns the arguments that all metrics share into the metric's first one.
        weights: whether the metric takes ``sample_weight``.
    """

    def of(function: Callable[..., Result]) -> Metric[Result]:
        _, *own = inspect.signature(function).parameters.values()

        @functools.wraps(function)
        def metric(values: Any, labels: Any, *more: Any, from_logits: bool, **options: Any) -> Result:
            shared = {name: options.pop(name) for name in optional if name in options}
            return function(make(values, labels, from_logits=from_logits, **shared), *more, **options)

        optional = ("sample_weight", "mask") if weights else ("mask",)
        shown = [inspect.Parameter(name, POSITIONAL, annotation=Any) for name in ("values", "labels")]
        shown += [inspect.Parameter("from_logits", KEYWORD, annotation=bool)]
        shown += [inspect.Parameter(name, KEYWORD, default=None, annotation=Any) for name in optional]
        returned = inspect.signature(function).return_annotation
        shown = sorted(shown + own, key=lambda parameter: parameter.kind)
        metric.__signature__ = inspect.Signature(shown, return_annotation=returned)  # type: ignore[attr-defined]
        metric.__annotations__ = {name.name: name.annotation for name in shown} | {"return": returned}
        return cast("Metric[Result]", metric)

    return of


@dataclass(frozen=True)
class Batch:
    """Rows that a metric counts, as tensors on the device they came on."""

    values: Tensor  # (N, K) floating, the caller's dtype: logits or probabilities
    labels: Tensor  # (N,) int64; for votes their mode
    votes: Tensor | None  # (N, K) float64 (float32 on MPS), rows sum to 1
    weights: Array | None  # (N,) positive; None where every sample counts once
    from_logits: bool

    def __len__(self) -> int:
        return self.values.shape[0]

    @property
    def num_classes(self) -> int:
        """K."""
        return self.values.shape[1]


def tensor(name: str, data: Any) -> Tensor:
    """Take a tensor, an array or nested lists as a detached tensor."""
    if isinstance(data, torch.Tensor):
        return data.detach()
    try:
        array = np.asarray(data)
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):
            array = array.copy()  # torch shares memory with writable, forward arrays only
        return torch.from_numpy(array)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(name, type(data).__name__, "a tensor or an array of numbers") from error


def floating(name: str, data: Any) -> Tensor:
    """Take numbers as a floating tensor; integers and bools become float64."""
    result = tensor(name, data)
    if result.is_complex():
        raise InvalidArgument(name, str(result.dtype), "real numbers")
    return result if result.is_floating_point() else result.double()


def vector(name: str, data: Any, length: int) -> Array:
    """Take ``length`` numbers, none of them NaN, as a float64 array on the CPU."""
    array = floating(name, data).reshape(-1).cpu().double().numpy()
    if array.size != length:
        raise InvalidArgument(name, array.size, f"{length} numbers, one a sample")
    if np.isnan(array).any():
        raise InvalidArgument(name, f"NaN at position {int(np.isnan(array).argmax())}", "numbers")
    return array


def weight_vector(sample_weight: Any, length: int) -> Array | None:
    """Take sample weights: finite, not negative, not all zero; None where none came."""
    if sample_weight is None:
        return None
    weights = vector("sample_weight", sample_weight, length)
    if weights.size and not (np.isfinite(weights).all() and weights.min() >= 0.0):
        raise InvalidArgument("sample_weight", float(weights.min()), "finite numbers >= 0")
    return weights


def read(
    values: Any,
    labels: Any,
    *,
    from_logits: bool,
    sample_weight: Any = None,
    mask: Any = None,
    allow_empty: bool = False,
) -> Batch:
    """Check and flatten the arguments that all multi-class metrics share.

    Args:
        values: probabilities or logits of shape ``(..., K)``; leading dimensions (tokens of a sequence) are
            flattened.
        labels: class indices of shape ``(...)``, or votes of shape ``(..., K)``: counts or a distribution,
            any non-negative numbers with a positive sum.
        from_logits: what ``values`` are; never guessed from their range.
        sample_weight: ``(...)`` numbers >= 0; a weight counts like that many copies of the sample.
        mask: ``(...)`` bools, False where a position does not count; its values and label may be anything.
        allow_empty: whether no counted row at all is fine (a rank without samples).

    Raises:
        InvalidArgument: shapes that do not fit, a label outside ``[0, K)``, no counted sample.
    """
    if not isinstance(from_logits, bool):
        raise InvalidArgument("from_logits", from_logits, "True or False")
    rows = floating("values", values)
    if rows.ndim < 2 or rows.shape[-1] < 2:
        raise InvalidArgument("values", tuple(rows.shape), "shape (..., K) with K >= 2 classes")
    leading, num_classes = rows.shape[:-1], rows.shape[-1]
    rows = rows.reshape(-1, num_classes)
    answers = tensor("labels", labels).to(rows.device)
    has_votes = answers.shape == (*leading, num_classes)
    if not has_votes and answers.shape != leading:
        shapes = f"shape {tuple(leading)}, or {(*leading, num_classes)} for votes"
        raise InvalidArgument("labels", tuple(answers.shape), shapes)
    answers = answers.reshape(-1, num_classes) if has_votes else answers.reshape(-1)
    weights = weight_vector(sample_weight, len(rows))

    counted = _counted(mask, weights, len(rows))
    if counted is not None:
        index = torch.from_numpy(counted).to(rows.device)
        rows, answers = rows[index], answers[index]
        weights = None if weights is None else weights[counted]
    if len(rows) == 0 and not allow_empty:
        raise InvalidArgument("values", "no counted sample", "at least one")
    if has_votes:
        votes = _distribution(answers)
        return Batch(rows, votes.argmax(1), votes, weights, from_logits)
    return Batch(rows, _indices(answers, num_classes), None, weights, from_logits)


def _counted(mask: Any, weights: Array | None, length: int) -> NDArray[np.bool_] | None:
    """Rows that count, None where all do: a weight of zero takes a row out as the mask does."""
    counted = None if weights is None or weights.all() else weights > 0.0
    if mask is None:
        return counted
    chosen = tensor("mask", mask).reshape(-1).cpu()
    if chosen.dtype != torch.bool or chosen.numel() != length:
        raise InvalidArgument("mask", f"{chosen.numel()} x {chosen.dtype}", f"{length} bools, one a label")
    return chosen.numpy() if counted is None else chosen.numpy() & counted


def _indices(labels: Tensor, num_classes: int) -> Tensor:
    if labels.is_floating_point() or labels.is_complex():
        raise InvalidArgument("labels", str(labels.dtype), "integers, or votes with one column a class")
    labels = labels.long()
    if len(labels):
        for extreme in (int(labels.min()), int(labels.max())):
            if not 0 <= extreme < num_classes:
                raise InvalidArgument("labels", extreme, f"a class index in [0, {num_classes})")
    return labels


def _distribution(votes: Tensor) -> Tensor:
    votes = votes.float() if votes.device.type == "mps" else votes.double()
    totals = votes.sum(1, keepdim=True)
    if not bool(((votes >= 0).all(1, keepdim=True) & (totals > 0) & totals.isfinite()).all()):
        raise InvalidArgument("labels", "a row of votes", "numbers >= 0 with a positive, finite sum")
    return votes / totals


def check_probabilities(lowest: float, worst_sum: float, dtype: torch.dtype) -> None:
    """Refuse rows that are no distributions, by their lowest entry and a sum's largest distance from 1."""
    if not (lowest >= 0.0 and worst_sum <= SUM_TOLERANCE.get(dtype, DEFAULT_SUM_TOLERANCE)):
        what = f"lowest entry {lowest:.4g}, a row sum off by {worst_sum:.4g}"
        raise InvalidArgument("values", what, "probabilities without NaN; for logits say from_logits=True")


def check_finite(bad: bool) -> None:
    """Refuse logits with NaN, +inf or a row of nothing but -inf."""
    if bad:
        raise InvalidArgument("values", "NaN", "logits without NaN or +inf, and a finite one in each row")
