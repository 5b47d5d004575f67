"""Edges of the input: probability 0 and 1, one sample, empty bins, masked classes, NaN, mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from smoothlab import metrics
from smoothlab.errors import InvalidArgument
from smoothlab.metrics import ClassificationMetrics


def both(values, labels, *, from_logits, **known):
    """Exact and streamed metrics, which must agree."""
    exact = metrics.classification_metrics(values, labels, from_logits=from_logits, **known)
    streaming = ClassificationMetrics(np.shape(values)[-1], from_logits=from_logits)
    streaming.update(values, labels, **known)
    streamed = streaming.compute()
    for name, value in exact.items():
        assert streamed[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name
    return exact


def test_one_sample():
    values = both([[0.2, 0.8]], [1], from_logits=False)
    assert values["ece"] == values["mce"] == pytest.approx(0.2)
    assert values["ece_equal_mass"] == pytest.approx(0.2)
    assert values["ece_classwise"] == pytest.approx(0.2)
    assert values["confidence_gap"] == pytest.approx(-0.2)
    assert values["smece"] == pytest.approx(0.2)
    assert (values["accuracy"], values["aurc"], values["macro_f1"]) == (1.0, 0.0, 1.0)
    assert values["brier"] == pytest.approx(0.08)


def test_certain_and_right_is_perfect():
    values = both([[0.0, 1.0], [1.0, 0.0]], [1, 0], from_logits=False)
    for name, value in values.items():
        assert value == pytest.approx(1.0 if name in ("accuracy", "macro_f1") else 0.0), name


def test_certain_and_wrong_costs_infinity():
    values = both([[0.0, 1.0], [1.0, 0.0]], [0, 1], from_logits=False)
    assert values["nll"] == math.inf
    assert (values["ece"], values["mce"], values["brier"], values["aurc"]) == (1.0, 1.0, 2.0, 1.0)
    assert values["smece"] == pytest.approx(1.0)


def test_logits_keep_the_loss_where_probabilities_underflow():
    values = both([[0.0, 5000.0]], [0], from_logits=True)
    assert values["nll"] == pytest.approx(5000.0)
    assert values["brier"] == pytest.approx(2.0)


def test_masked_classes_of_minus_infinity():
    values = both([[0.0, -math.inf, 0.0], [1.0, -math.inf, 2.0]], [0, 2], from_logits=True)
    assert math.isfinite(values["nll"])
    assert both([[0.0, -math.inf]], [1], from_logits=True)["nll"] == math.inf


def test_confidences_that_round_to_one_keep_their_rank_in_float32():
    """Margins of 20 to 30 are 1.0 in float32 but not apart from one another in float64."""
    generator = torch.Generator().manual_seed(0)
    z = torch.zeros(400, 200)
    z[:, 0] = torch.linspace(20, 34, 400)[torch.randperm(400, generator=generator)]
    y = (torch.rand(400, generator=generator) < torch.linspace(0.5, 0, 400)).long()
    y = y[z[:, 0].argsort().argsort()]
    exact = metrics.classification_metrics(z, y, from_logits=True)
    streaming = ClassificationMetrics(200)
    streaming.update(z, y)
    assert streaming.compute()["aurc"] == pytest.approx(exact["aurc"], abs=1e-6)


def test_the_last_bin_is_closed_and_empty_bins_are_nan():
    bins = metrics.reliability_bins([[1.0, 0.0], [0.05, 0.95]], [0, 0], from_logits=False, num_bins=10)
    assert bins.count.tolist() == [0] * 9 + [2]
    assert np.isnan(bins.confidence[:9]).all()
    assert np.isnan(bins.accuracy[:9]).all()
    assert bins.confidence[9] == pytest.approx(0.975)
    assert (bins.gap[:9] == 0).all()
    assert bins.gap[9] == pytest.approx(0.475)


def test_gaps_per_bin_and_class():
    p, y = [[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.2, 0.8, 0.0]], [0, 1, 1]
    per_class = metrics.confidence_gap_per_class(p, y, from_logits=False)
    assert per_class[:2].tolist() == pytest.approx([0.25, -0.2])
    assert per_class[2].isnan()
    by_label = metrics.confidence_gap_per_class(p, y, from_logits=False, by="label")
    assert by_label[:2].tolist() == pytest.approx([-0.1, 0.2])
    per_bin = metrics.confidence_gap_per_bin(p, y, from_logits=False, num_bins=2)
    assert per_bin[0].isnan()
    assert float(per_bin[1]) == pytest.approx((0.9 + 0.6 + 0.8 - 2) / 3)


def test_ties_in_top_k_share_the_places():
    uniform = np.full((1, 5), 0.2)
    for k in range(1, 6):
        assert metrics.top_k_accuracy(uniform, [3], from_logits=False, k=k) == pytest.approx(k / 5)


def test_votes_score_losses_against_shares_and_accuracy_against_the_mode():
    p, votes = np.array([[0.7, 0.2, 0.1]]), np.array([[3, 1, 0]])
    values = both(p, votes, from_logits=False)
    assert values["nll"] == pytest.approx(-0.75 * math.log(0.7) - 0.25 * math.log(0.2))
    assert values["brier"] == pytest.approx(0.05**2 + 0.05**2 + 0.1**2)
    assert values["accuracy"] == 1.0
    assert values["confidence_gap"] == pytest.approx(-0.3)
    assert both([[1.0, 0.0]], [[5.0, 0.0]], from_logits=False)["nll"] == 0.0


def test_token_sequences_flatten_and_skip_the_mask(predictions):
    logits, labels = predictions(24, 5)
    sequences, tokens = logits.reshape(4, 6, 5).clone(), labels.reshape(4, 6).clone()
    mask = torch.arange(6) < torch.tensor([6, 3, 1, 0])[:, None]
    sequences[~mask], tokens[~mask] = torch.nan, -100
    values = both(sequences, tokens, from_logits=True, mask=mask)
    plain = metrics.classification_metrics(sequences[mask], tokens[mask], from_logits=True)
    assert values == pytest.approx(plain)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_is_read_exactly(predictions, dtype):
    logits, labels = predictions(200, 7)
    rounded = logits.to(dtype)
    values = both(rounded, labels, from_logits=True)
    assert values == pytest.approx(metrics.classification_metrics(rounded.double(), labels, from_logits=True))
    metrics.classification_metrics(torch.softmax(rounded, 1), labels, from_logits=False)


P, Y = [[0.2, 0.8], [0.6, 0.4]], [1, 0]
MISTAKES = {
    "nan": ([[math.nan, 0.5], [0.5, 0.5]], Y, {}, "NaN"),
    "logits as probabilities": ([[2.0, -1.0], [0.5, 0.5]], Y, {}, "from_logits=True"),
    "row sums": ([[0.9, 0.9], [0.5, 0.5]], Y, {}, "from_logits=True"),
    "label too large": (P, [1, 2], {}, "labels = 2"),
    "label negative": (P, [1, -1], {}, "labels = -1"),
    "label a float": (P, [1.0, 0.0], {}, "integers"),
    "too few labels": (P, [1], {}, "labels"),
    "one column": ([[1.0], [1.0]], [0, 0], {}, "K >= 2"),
    "empty": (np.empty((0, 2)), np.empty(0, int), {}, "at least one"),
    "all masked": (P, Y, {"mask": [False, False]}, "at least one"),
    "mask of numbers": (P, Y, {"mask": [1, 0]}, "bools"),
    "negative weight": (P, Y, {"sample_weight": [-1, 1]}, "sample_weight = -1"),
    "nan weight": (P, Y, {"sample_weight": [math.nan, 1]}, "sample_weight"),
    "too few weights": (P, Y, {"sample_weight": [1]}, "sample_weight"),
    "no votes": (P, [[0, 0], [1, 0]], {}, "positive"),
    "negative votes": (P, [[2, -1], [1, 0]], {}, "positive"),
    "text": ([["a", "b"]], [0], {}, "values"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_the_argument(mistake):
    values, labels, known, words = MISTAKES[mistake]
    for call in (metrics.classification_metrics, metrics.ece, metrics.aurc):
        with pytest.raises(InvalidArgument) as raised:
            call(values, labels, from_logits=False, **known)
        assert words in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_bad_logits_are_refused_and_count_nothing(bad):
    streaming = ClassificationMetrics(2)
    streaming.update([[0.0, 1.0]], [1])
    before = streaming.compute()
    for values, labels in (([[bad, 0.0]], [0]), ([[0.0, 1.0]], [2]), ([[-math.inf, -math.inf]], [0])):
        with pytest.raises(InvalidArgument):
            streaming.update(values, labels)
        with pytest.raises(InvalidArgument):
            metrics.nll(values, labels, from_logits=True)
    streaming._computed = None
    assert streaming.compute() == before


def test_other_arguments_are_checked():
    for call in (
        lambda: metrics.ece(P, Y, from_logits=0),
        lambda: metrics.ece(P, Y, from_logits=False, num_bins=0),
        lambda: metrics.rmsce(P, Y, from_logits=False, scheme="quantile"),
        lambda: metrics.aurc(P, Y, from_logits=False, rule="area"),
        lambda: metrics.risk_at_coverage(P, Y, from_logits=False, coverage=0.0),
        lambda: metrics.coverage_at_risk(P, Y, from_logits=False, risk=2.0),
        lambda: metrics.top_k_accuracy(P, Y, from_logits=False, k=3),
        lambda: metrics.smece(P, Y, from_logits=False, width=0.0),
        lambda: metrics.ece_kde(P, Y, from_logits=False, kind="full"),
        lambda: metrics.ece_kde(P, Y, from_logits=False, bandwidth=-1.0),
        lambda: metrics.bootstrap(P, Y, from_logits=False, metrics=("f1",)),
        lambda: metrics.confidence_gap_per_class(P, Y, from_logits=False, by="row"),
        lambda: ClassificationMetrics(1),
        lambda: ClassificationMetrics(3, num_bins=0),
        lambda: ClassificationMetrics(3).update(P, Y),
    ):
        with pytest.raises(InvalidArgument):
            call()


def test_the_package_imports_nothing_heavy():
    import subprocess
    import sys

    heavy = ("torchmetrics", "pytorch_lightning", "hydra", "wandb", "matplotlib", "sklearn", "pandas")
    code = f"import sys, smoothlab.metrics; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_read_only_and_reversed_arrays_are_fine():
    p = np.array(P)
    p.setflags(write=False)
    assert metrics.ece(p, Y, from_logits=False) == metrics.ece(p[::-1], Y[::-1], from_logits=False)
