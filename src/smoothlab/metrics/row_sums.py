"""The one pass over (N, K) of streaming metrics: each row reduced to a few numbers, each class to sums.

Rows are taken in blocks that stay in the cache. With many classes the work is done in the input's precision
(float32 at least): the probability of all other classes is summed apart from the largest, so that 1 -
confidence keeps its digits where a float32 confidence would round to 1, and in float64, so that rows that are
permutations of each other stay ties. With few classes everything is float64, which costs nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothlab.metrics.inputs import Array, Batch, check_finite, check_probabilities

MANY_CLASSES = 128  # from here on the passes cost more than the calls, and float32 is half of float64
BLOCK_BYTES = {
    "cpu": 1 << 20,
    "other": 1 << 28,
}  # a CPU wants blocks that fit its cache, a GPU few large launches


@dataclass(frozen=True)
class RowSums:
    """What is left of N rows of K probabilities; arrays on the CPU."""

    predicted: NDArray[np.int64]  # (N,) first of the most probable classes
    confidence: Array  # (N,)
    nll: Array  # (N,) minus the log-probability of the label, or the cross-entropy of the votes
    brier: Array  # (N,) squared distance from the one-hot label, or from the votes
    label_probability: Array  # (N,)
    # Entries that are not their row's largest and not below the first bin edge: few, since rows sum to 1.
    entry_row: NDArray[np.int64]
    entry_class: NDArray[np.int64]
    entry_probability: Array
    class_mass: Array  # (K,) weighted sum over rows of all probabilities but each row's largest


class _Block(NamedTuple):
    predicted: Tensor  # (n,)
    top: Tensor  # (n,) largest probability
    tail: Tensor  # (n,) sum of the others
    squares: Tensor  # (n,) sum of squares of all but the largest
    entries: Tensor  # flat positions of entries at or above the edge
    entry_probability: Tensor
    class_mass: Tensor  # (K,)


def row_sums(batch: Batch, edge: float) -> RowSums:
    """Reduce a batch; entries are listed from probability ``edge`` on.

    Raises:
        InvalidArgument: NaN among the values, or rows that are no distributions.
    """
    many = batch.num_classes >= MANY_CLASSES and batch.values.dtype != torch.float64
    place = batch.values.device.type
    dtype = torch.float32 if many or place == "mps" else torch.float64
    size = BLOCK_BYTES.get(place, BLOCK_BYTES["other"])
    rows = max(1, size // (batch.num_classes * dtype.itemsize))
    weights = None if batch.weights is None else torch.from_numpy(batch.weights)
    parts = []
    for start in range(0, len(batch), rows):
        block = slice(start, start + rows)
        mass = None if weights is None else weights[block].to(place, dtype)
        parts.append(_reduce(batch.values[block], mass, batch.from_logits, dtype, edge))
    return _join(batch, parts, rows)


def _is_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


def _argmax(rows: Tensor) -> Tensor:
    """(n,) the first of the largest entries."""
    # numpy's argmax over contiguous rows is vectorised, torch's is not.
    return torch.from_numpy(rows.contiguous().numpy().argmax(1)) if _is_cpu(rows) else rows.argmax(1)


def _shares(values: Tensor, from_logits: bool, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """(n, K) probabilities in ``dtype`` up to a factor a row, safe to write into; and (n,) the most probable class."""
    if not from_logits:
        p = values.to(dtype, copy=True).contiguous()
    elif values.shape[1] >= MANY_CLASSES or not _is_cpu(values):
        scores = values.to(dtype)
        predicted = _argmax(scores)
        return (scores - scores.gather(1, predicted[:, None])).exp_().contiguous(), predicted
    else:  # torch's softmax over a short last dimension is 5 times slower than over the first one
        p = torch.softmax(values.t().to(dtype, memory_format=torch.contiguous_format), 0).t().contiguous()
    return p, _argmax(p)


def _totals(p: Tensor) -> Tensor:
    """(n,) sums of rows in float64 (float32 on MPS, which has no other)."""
    if _is_cpu(p):
        return torch.from_numpy(p.numpy().sum(1, dtype=np.float64))  # vectorised, where torch's is not
    return p.sum(1, dtype=p.dtype if p.device.type == "mps" else torch.float64)


def _reduce(values: Tensor, weights: Tensor | None, from_logits: bool, dtype: torch.dtype, edge: float) -> _Block:
    p, predicted = _shares(values, from_logits, dtype)
    if not from_logits:
        lowest = float(p.min())
    cpu = _is_cpu(p)
    top = p.gather(1, predicted[:, None])[:, 0]
    p.scatter_(1, predicted[:, None], 0.0)
    tail = _totals(p)
    top = top.to(tail.dtype)
    if from_logits:
        total = top + tail
        top, tail = top / total, tail / total
        p /= total.to(p.dtype).unsqueeze(1)
    else:
        check_probabilities(lowest, float((top + tail - 1.0).abs().max()), values.dtype)
    flat = p.view(-1)
    above = torch.from_numpy(np.flatnonzero(flat.numpy() >= edge)) if cpu else (flat >= edge).nonzero()[:, 0]
    return _Block(
        predicted=predicted,
        top=top,
        tail=tail,
        squares=torch.linalg.vecdot(p, p),
        entries=above,
        entry_probability=flat[above],
        class_mass=p.sum(0) if weights is None else weights @ p,
    )


def _join(batch: Batch, parts: list[_Block], rows: int) -> RowSums:
    size, place = batch.num_classes, batch.values.device
    predicted, top, tail, squares = (
        _gather([getattr(part, name) for part in parts]) for name in ("predicted", "top", "tail", "squares")
    )
    entries = _gather([part.entries + i * rows * size for i, part in enumerate(parts)])
    best = torch.from_numpy(predicted).to(place)[:, None]
    most, own = (_gather([batch.values.gather(1, index)[:, 0]]) for index in (best, batch.labels[:, None]))
    if batch.from_logits:
        check_finite(bool(np.isnan(tail).any()))
        # top / (top + tail) has all the digits of both: neither 1 - tail nor top alone has.
        confidence, miss = top / (top + tail), tail / (top + tail)
        margin = most - own
        nll = margin + np.log1p(tail / top)
        own = confidence * np.exp(-margin)
    else:
        confidence, miss = np.minimum(most, 1.0), 1.0 - most
        with np.errstate(divide="ignore"):
            nll = -np.log(own)
    # (p_y - 1)^2 + sum of the other squares, without the cancellation of sum p^2 - 2 p_y + 1
    right = predicted == batch.labels.cpu().numpy()
    brier = np.where(right, miss**2 + squares, (1.0 - own) ** 2 + top**2 + squares - own**2)
    if batch.votes is not None:
        nll, brier = _against_votes(batch)
    return RowSums(
        predicted=predicted,
        confidence=confidence,
        nll=nll,
        brier=brier,
        label_probability=own,
        entry_row=entries // size,
        entry_class=entries % size,
        entry_probability=_gather([part.entry_probability for part in parts]),
        class_mass=np.sum([part.class_mass.cpu().double().numpy() for part in parts], axis=0),
    )


def _gather(pieces: list[Tensor]) -> NDArray[Any]:
    joined = (torch.cat(pieces) if len(pieces) > 1 else pieces[0]).cpu()
    return joined.numpy() if joined.dtype == torch.int64 else joined.double().numpy()


def _against_votes(batch: Batch) -> tuple[Array, Array]:
    """Cross-entropy and squared distance of (N, K) votes; a second pass that only votes pay for."""
    votes = batch.votes
    assert votes is not None
    values = batch.values.to(votes.dtype)
    logs = torch.log_softmax(values, 1) if batch.from_logits else values.log()
    crossed = torch.where(votes > 0, votes * logs, 0.0).sum(1)  # 0 * log 0 is 0
    distance = ((logs.exp() if batch.from_logits else values) - votes).square().sum(1)
    return -crossed.cpu().double().numpy(), distance.cpu().double().numpy()
