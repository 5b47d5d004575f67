"""Agreement with scikit-learn and torchmetrics on seeded data, where they compute the same thing."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional.classification as theirs

from smoothlab import metrics


@pytest.fixture(params=[(500, 3), (300, 12), (40, 2)])
def drawn(request, predictions):
    logits, labels = predictions(*request.param, seed=request.param[1])
    return logits, labels, torch.softmax(logits, 1)


def test_scikit_learn_agrees(drawn):
    logits, labels, p = drawn
    classes = range(p.shape[1])
    known = {"from_logits": True}
    log_loss = sklearn.metrics.log_loss(labels, p, labels=classes)
    assert metrics.nll(logits, labels, **known) == pytest.approx(log_loss, rel=1e-10)
    assert metrics.brier(logits, labels, **known) == pytest.approx(
        sklearn.metrics.brier_score_loss(labels, p, labels=list(classes), scale_by_half=False), rel=1e-12
    )
    assert metrics.accuracy(logits, labels, **known) == sklearn.metrics.accuracy_score(labels, p.argmax(1))
    f1 = sklearn.metrics.f1_score(labels, p.argmax(1), average="macro")
    assert metrics.macro_f1(logits, labels, **known) == pytest.approx(f1, rel=1e-12)
    auroc = sklearn.metrics.roc_auc_score(labels == p.argmax(1), p.amax(1))
    assert metrics.confidence_auroc(logits, labels, **known) == pytest.approx(auroc, rel=1e-12)
    if p.shape[1] > 2:
        top = sklearn.metrics.top_k_accuracy_score(labels, p, k=2, labels=classes)
        assert metrics.top_k_accuracy(logits, labels, k=2, **known) == pytest.approx(top, rel=1e-12)


def test_scikit_learn_agrees_with_weights(drawn):
    logits, labels, p = drawn
    weights = np.random.default_rng(3).uniform(0.1, 3.0, len(labels))
    known = {"from_logits": True, "sample_weight": weights}
    pairs = {
        "nll": sklearn.metrics.log_loss(labels, p, labels=range(p.shape[1]), sample_weight=weights),
        "accuracy": sklearn.metrics.accuracy_score(labels, p.argmax(1), sample_weight=weights),
        "macro_f1": sklearn.metrics.f1_score(labels, p.argmax(1), average="macro", sample_weight=weights),
        "confidence_auroc": sklearn.metrics.roc_auc_score(labels == p.argmax(1), p.amax(1), sample_weight=weights),
    }
    for name, value in pairs.items():
        assert getattr(metrics, name)(logits, labels, **known) == pytest.approx(value, rel=1e-10), name


def test_scikit_learn_agrees_on_binary_and_multi_label():
    random = np.random.default_rng(5)
    p = random.uniform(size=(200, 4))
    y = (random.uniform(size=p.shape) < p).astype(int)
    ours = metrics.multilabel_metrics(p, y, from_logits=False)
    assert ours["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(y, p > 0.5, average="macro"))
    assert ours["micro_f1"] == pytest.approx(sklearn.metrics.f1_score(y, p > 0.5, average="micro"))
    assert ours["subset_accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(y, p > 0.5))
    assert ours["accuracy"] == pytest.approx(1 - sklearn.metrics.hamming_loss(y, p > 0.5))
    binary = metrics.binary_metrics(p[:, 0], y[:, 0], from_logits=False)
    assert binary["brier"] == pytest.approx(sklearn.metrics.brier_score_loss(y[:, 0], p[:, 0]))
    assert binary["nll"] == pytest.approx(sklearn.metrics.log_loss(y[:, 0], p[:, 0]))
    assert binary["auroc"] == pytest.approx(sklearn.metrics.roc_auc_score(y[:, 0], p[:, 0]))
    assert binary["f1"] == pytest.approx(sklearn.metrics.f1_score(y[:, 0], p[:, 0] > 0.5))


@pytest.mark.parametrize(("norm", "ours"), [("l1", metrics.ece), ("l2", metrics.rmsce), ("max", metrics.mce)])
def test_torchmetrics_agrees_below_confidence_one(drawn, norm, ours):
    logits, labels, p = drawn
    value = theirs.multiclass_calibration_error(p, labels, p.shape[1], n_bins=15, norm=norm)
    assert ours(logits, labels, from_logits=True) == pytest.approx(float(value), abs=1e-5)


def test_torchmetrics_agrees_on_binary_and_f1(drawn):
    logits, labels, p = drawn
    f1 = theirs.multiclass_f1_score(p, labels, p.shape[1], average="macro")
    assert metrics.macro_f1(logits, labels, from_logits=True) == pytest.approx(float(f1), abs=1e-6)
    positive = (labels == 0).long()
    binary = theirs.binary_calibration_error(p[:, 0].contiguous(), positive, n_bins=15)
    ours = metrics.binary_metrics(p[:, 0], positive, from_logits=False)["ece"]
    assert ours == pytest.approx(float(binary), abs=1e-5)


def test_confidence_one_has_no_phantom_bin():
    p, y = torch.tensor([[0.95, 0.05], [1.0, 0.0]]), torch.tensor([0, 1])
    assert metrics.ece(p, y, from_logits=False, num_bins=10) == pytest.approx(0.475)
    assert float(theirs.multiclass_calibration_error(p, y, 2, n_bins=10)) == pytest.approx(0.525)


def test_logits_between_zero_and_one_stay_logits():
    z, y = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1]]), torch.tensor([0, 1])
    expected = float(1 - torch.softmax(z.double(), 1).amax(1).mean())
    assert metrics.ece(z, y, from_logits=True, num_bins=1) == pytest.approx(expected)
    guessed = float(theirs.multiclass_calibration_error(z, y, 3, n_bins=1))
    assert guessed == pytest.approx(0.2)
