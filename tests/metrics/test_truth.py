"""Scores against a known posterior: by hand, by the definition of the expected NLL, and in any size of chunk."""

import numpy as np
import pytest
import torch

from smoothlab.errors import InvalidArgument
from smoothlab.metrics import truth
from smoothlab.metrics.truth import truth_metrics


def drawn(rows: int = 400, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    posterior = torch.softmax(2 * torch.randn(rows, classes, generator=generator, dtype=torch.double), 1)
    return torch.randn(rows, classes, generator=generator), posterior


def test_by_hand():
    metrics = truth_metrics([[0.8, 0.2], [0.4, 0.6]], [[0.5, 0.5], [0.3, 0.7]], from_logits=False)
    assert metrics["true_calibration_error"] == pytest.approx((0.3 + 0.1) / 2)
    assert metrics["true_squared_calibration_error"] == pytest.approx((0.09 + 0.01) / 2)
    assert metrics["true_confidence_gap"] == pytest.approx((0.3 - 0.1) / 2)
    assert metrics["true_accuracy"] == pytest.approx(0.6)
    assert metrics["bayes_accuracy"] == pytest.approx(0.6)
    entropies = [-np.log(0.5), -0.3 * np.log(0.3) - 0.7 * np.log(0.7)]
    assert metrics["bayes_nll"] == pytest.approx(np.mean(entropies))


def test_bayes_and_excess_add_up_to_the_expected_nll_of_the_model():
    logits, posterior = drawn()
    metrics = truth_metrics(logits, posterior, from_logits=True)
    expected = -(posterior * torch.log_softmax(logits.double(), 1)).sum(1).mean()
    assert metrics["bayes_nll"] + metrics["excess_nll"] == pytest.approx(float(expected))


def test_the_truth_itself_has_no_error_and_no_excess_in_float32_either():
    _, posterior = drawn()
    for exact in (posterior, posterior.float()):
        metrics = truth_metrics(exact.log(), exact, from_logits=True)
        assert metrics["excess_nll"] == pytest.approx(0, abs=1e-7)
        assert metrics["true_calibration_error"] == pytest.approx(0, abs=1e-7)
        assert metrics["true_accuracy"] == pytest.approx(metrics["bayes_accuracy"])


def test_classes_that_cannot_be_count_nothing_and_a_certain_mistake_counts_without_end():
    first, other = [[0.0, 1.0]], [[1.0, 0.0]]
    assert truth_metrics(first, first, from_logits=False)["excess_nll"] == 0
    assert truth_metrics(other, first, from_logits=False)["excess_nll"] == np.inf


def test_chunks_change_nothing(monkeypatch):
    whole = truth_metrics(*drawn(), from_logits=True)
    monkeypatch.setattr(truth, "CHUNK", 37)
    assert truth_metrics(*drawn(), from_logits=True) == pytest.approx(whole, rel=1e-12)


def test_what_does_not_fit_is_refused():
    logits, posterior = drawn()
    with pytest.raises(InvalidArgument, match="posterior"):
        truth_metrics(logits[:5], posterior, from_logits=True)
    with pytest.raises(InvalidArgument, match="nan"):
        truth_metrics(logits.masked_fill(logits > 2, torch.nan), posterior, from_logits=True)
