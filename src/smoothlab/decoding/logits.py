"""From a net's logits to log-probabilities of the tokens that may follow."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 or wider, as sums of log-probabilities need them."""
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()


def best_tokens(logits: Tensor, count: int, *, forbidden: list[int]) -> tuple[Tensor, Tensor]:
    """The most probable tokens and their log-probabilities, without log-probabilities of all of them being made.

    Args:
        logits: ``(B, K)``; those of ``forbidden`` tokens are overwritten.
        count: how many, at most K.
        forbidden: tokens that never follow; the others are not rescaled, so that log-probabilities are the net's.

    Returns:
        Log-probabilities ``(B, count)``, falling, and token ids ``(B, count)``.
    """
    logits = widened(logits)
    total = logits.logsumexp(dim=1, keepdim=True)
    logits[:, forbidden] = -torch.inf
    best, tokens = logits.topk(count, dim=1)
    return best - total, tokens


def log_probability(logits: Tensor, token: int) -> Tensor:
    """That of one token, ``(B,)``, under logits ``(B, K)``."""
    logits = widened(logits)
    return logits[:, token] - logits.logsumexp(dim=1)
