"""Strength by the model's own uncertainty about each sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from smoothlab.errors import InvalidArgument
from smoothlab.numbers import check_choice, check_share
from smoothlab.step import Step

Measure = Literal["entropy", "max_probability", "margin"]
MEASURES = ("entropy", "max_probability", "margin")
CHUNK = 1 << 18  # logits at once, on a CPU
SMALL = 1 << 14  # logits; below, calls cost more than arithmetic
LARGEST = 100.0  # beyond, the entropy in one visit loses digits


@dataclass(frozen=True)
class Uncertainty:
    """Epsilon of a sample by how uncertain the model is about it: ``low + (high - low) * u``, u in [0, 1].

    Of the K classes whose logits are not -inf, with p = softmax(logits) and its two largest entries p1 >= p2:

    - ``entropy``: ``u = H(p) / log K``
    - ``max_probability``: ``u = (1 - p1) K / (K - 1)``
    - ``margin``: ``u = 1 - (p1 - p2)``

    u is 0 for a certain model and 1 for one that holds all classes for equally likely. The logits come detached, so
    no gradient flows through epsilon. A row of logits with a nan gets ``low``.

    No single publication: the strength by instance goes back to Maher and Kull, "Instance-based Label Smoothing for
    Better Calibrated Classification Networks", ICMLA 2021, whose measure is a teacher's.

    Args:
        measure: of uncertainty, one of the three.
        low: epsilon where the model is certain, in [0, 1).
        high: epsilon where it is entirely uncertain, in [0, 1); below ``low``, certain samples are smoothed more.

    Raises:
        InvalidArgument: for an argument outside its range, and in a step without logits.
    """

    measure: Measure
    low: float
    high: float

    def __post_init__(self) -> None:
        check_choice("measure", self.measure, MEASURES)
        for name in ("low", "high"):
            object.__setattr__(self, name, check_share(name, getattr(self, name)))

    def __call__(self, step: Step) -> Tensor:
        """Epsilon ``(...,)`` of logits ``(..., K)``, in float32 or wider."""
        if step.logits is None:
            raise InvalidArgument("logits", None, "the model's output: the strength depends on its uncertainty")
        share = uncertainty(step.logits, self.measure).nan_to_num_(nan=0.0)
        # rounding must not lead out of the range
        return share.mul_(self.high - self.low).add_(self.low).clamp_(*sorted((self.low, self.high)))


def uncertainty(logits: Tensor, measure: Measure) -> Tensor:
    """How uncertain a model is: 0 certain, 1 all classes equally likely.

    Args:
        logits: ``(..., K)`` of any float type; a class with the logit -inf does not count as one.
        measure: see :class:`Uncertainty`.

    Returns:
        ``(...,)`` in float32 or wider; 0 where fewer than two classes are left.
    """
    num_classes = logits.shape[-1]
    if num_classes < 2:
        return logits.new_zeros(logits.shape[:-1], dtype=torch.promote_types(logits.dtype, torch.float32))
    if logits.device.type == "cpu" and logits.numel() > 0:
        return _in_chunks(logits.reshape(-1, num_classes), measure).reshape(logits.shape[:-1])
    return _uncertainty(logits, measure)


def _in_chunks(logits: Tensor, measure: Measure) -> Tensor:
    """Of many rows ``(N, K)`` on a CPU: as many at once as the cache holds, in one scratch buffer.

    Chunks with masked classes, nan or huge logits are left to the careful form.
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    if logits.numel() <= SMALL:
        share = _of_few(torch.log_softmax(logits, 1, dtype), measure)
        plain = math.isfinite(share.sum().item()) and (measure == "entropy" or math.isfinite(logits.amin().item()))
        return share.clamp_(0.0, 1.0) if plain else _uncertainty(logits, measure)
    chunks = logits.split(max(1, CHUNK // logits.shape[1]))
    scratch = torch.empty(chunks[0].shape, dtype=dtype)
    shares = []
    for chunk in chunks:
        z = chunk.to(dtype)
        p = torch.softmax(z, 1, out=scratch[: len(z)])
        share = _OF_SOFTMAX[measure](z, p)
        plain = math.isfinite(share.sum().item()) and (measure == "entropy" or math.isfinite(z.amin().item()))
        shares.append(share.clamp_(0.0, 1.0) if plain else _uncertainty(chunk, measure))
    return torch.cat(shares)


def _of_few(log_p: Tensor, measure: Measure) -> Tensor:
    """Of a small batch, where torch's log_softmax takes half the time of its softmax."""
    classes = log_p.shape[1]
    if measure == "entropy":
        negative_entropy: Tensor = torch.linalg.vecdot(log_p.exp(), log_p)
        return negative_entropy.div_(-math.log(classes))  # nan at a masked class
    if measure == "max_probability":
        return log_p.amax(1).exp_().neg_().add_(1.0).mul_(classes / (classes - 1))
    first, second = log_p.topk(2, 1).values.exp_().unbind(1)
    return (second - first).add_(1.0)


def _entropy_share(z: Tensor, p: Tensor) -> Tensor:
    top = z.amax(1)
    entropy: Tensor = top - torch.linalg.vecdot(p, z) - p.amax(1).log_()  # log p_k = z_k - z_1 + log p_1
    if top.abs().max().item() > LARGEST:  # digits are lost: a nan asks for the careful form, as a masked class does
        return entropy.fill_(math.nan)
    return entropy.div_(math.log(z.shape[1]))


def _max_probability_share(z: Tensor, p: Tensor) -> Tensor:
    return p.amax(1).neg_().add_(1.0).mul_(z.shape[1] / (z.shape[1] - 1))


def _margin_share(z: Tensor, p: Tensor) -> Tensor:
    """By the two largest of a row: of the largest of each block of classes, and of those in the first one's block.

    topk of whole rows takes twice the time of the softmax.
    """
    rows, classes = p.shape
    width = math.isqrt(classes)
    # a block is every so-manieth class: that is how the maximum over blocks is fast
    blocks = p[:, : classes // width * width].unflatten(1, (width, -1))
    largest = blocks.amax(1)
    place = largest.argmax(1, keepdim=True)
    in_block = blocks[torch.arange(rows), :, place.squeeze(1)]
    candidates = torch.cat([in_block, largest.scatter_(1, place, 0.0), p[:, classes // width * width :]], 1)
    first, second = candidates.topk(2, 1).values.unbind(1)
    return 1.0 - (first - second)


_OF_SOFTMAX = {"entropy": _entropy_share, "max_probability": _max_probability_share, "margin": _margin_share}


def _uncertainty(logits: Tensor, measure: Measure) -> Tensor:
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if measure == "margin":
        log_p = torch.log_softmax(logits, -1)
        first, place = log_p.max(-1, keepdim=True)
        second = log_p.scatter(-1, place, -math.inf).amax(-1)
        share = 1.0 - (first.squeeze(-1).exp() - second.exp())
        return share.where(second > -math.inf, 0.0).clamp(0.0, 1.0)
    classes = _classes(logits)
    if measure == "max_probability":
        share = (1.0 - torch.log_softmax(logits, -1).amax(-1).exp()) / (1.0 - 1.0 / classes)
        return share.clamp(0.0, 1.0)
    # H(p) = -<p, log p> with log p = shifted + log(p1), where shifted is 0 at the largest; a class without
    # probability counts for nothing, but 0 * -inf would be no number
    probabilities = torch.softmax(logits, -1)
    shifted = (logits - logits.amax(-1, keepdim=True)).clamp_min(torch.finfo(logits.dtype).min)
    entropy: Tensor = -torch.linalg.vecdot(probabilities, shifted) - probabilities.amax(-1).log()
    return (entropy / classes.log()).clamp(0.0, 1.0)


def _classes(logits: Tensor) -> Tensor:
    """How many classes of each row are not masked, at least 2: ``(...,)``, or a scalar where none is."""
    if logits.device.type == "cpu" and math.isfinite(logits.amin().item()):
        return logits.new_tensor(logits.shape[-1])
    return (logits != -math.inf).sum(-1).clamp_min(2).to(logits.dtype)
