"""Seeded predictions that the tests of metrics share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session")
def predictions():
    """Draw (n, k) logits and labels that follow a colder softmax of them: an over-confident model."""

    def draw(n: int, k: int, *, seed: int = 0, scale: float = 2.0, cold: float = 0.7, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(n, k, generator=generator, dtype=torch.float64) * scale
        labels = torch.multinomial(torch.softmax(logits * cold, 1), 1, generator=generator)[:, 0]
        return logits.to(dtype), labels

    return draw
