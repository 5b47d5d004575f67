"""How a penalty stands beside the cross-entropy in the originals: both averaged over the rows."""

from __future__ import annotations

import pytest
import torch

from smoothlab import SoftTarget, soft_cross_entropy


@pytest.fixture
def with_cross_entropy():
    """Loss and gradient of a recorded case, with a penalty of ours, over the rows that are kept."""

    def compute(case, penalty, ignore_index=-100, step=None):
        logits = torch.tensor(case["inputs"]["logits"], dtype=torch.float64, requires_grad=True)
        labels = torch.tensor(case["inputs"]["target"])
        counted = labels != ignore_index
        target = SoftTarget(labels.where(counted, -100))
        rows = soft_cross_entropy(logits, target, reduction="none")
        loss = (rows + penalty(logits, target, step)).sum() / counted.sum()
        loss.backward()
        return loss.detach(), logits.grad

    return compute


@pytest.fixture
def agree(with_cross_entropy):
    """Assert that the recorded loss and gradient are ours, to 1e-8."""

    def check(case, penalty, **options):
        loss, gradient = with_cross_entropy(case, penalty, **options)
        expected = torch.tensor(case["loss"], dtype=torch.float64)
        torch.testing.assert_close(loss, expected, rtol=1e-8, atol=1e-12)
        expected = torch.tensor(case["grad_logits"], dtype=torch.float64)
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)

    return check
