"""Seeded predictions that the tests of metrics share, and hypothesis' settings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "metrics",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("metrics")


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Small tensors, and a core may be shared: threads would wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def predictions():
    """Draw (n, k) logits and labels that follow a colder softmax of them: an over-confident model."""

    def draw(n: int, k: int, *, seed: int = 0, scale: float = 2.0, cold: float = 0.7, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(n, k, generator=generator, dtype=torch.float64) * scale
        labels = torch.multinomial(torch.softmax(logits * cold, 1), 1, generator=generator)[:, 0]
        return logits.to(dtype), labels

    return draw
