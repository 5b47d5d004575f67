"""The streaming classes: equal to the exact forms, in fixed space, however the data are cut."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoothlab import metrics
from smoothlab.metrics import ClassificationMetrics, MultilabelMetrics
from smoothlab.metrics.bins import mass_bins
from smoothlab.metrics.calibration_error import expected_error
from smoothlab.metrics.groups import group
from smoothlab.metrics.selective import RiskCoverage
from smoothlab.metrics.sketch import CAPACITY, append, ranked
from smoothlab.metrics.smooth import smooth_error

BOUND = 1e-4  # what the documentation states beyond CAPACITY samples
RANKED = ("aurc", "ece_equal_mass", "smece")


def stream(values, labels, *, cuts=(), num_classes=None, weights=None, **known):
    metric = ClassificationMetrics(num_classes or values.shape[-1], **known)
    for part in np.split(np.arange(len(labels)), cuts):
        metric.update(values[part], labels[part], None if weights is None else weights[part])
    return metric


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 6), st.booleans())
def test_streaming_is_exact_however_batches_are_cut(seed, n, k, weighted):
    random = np.random.default_rng(seed)
    values, labels = random.normal(size=(n, k)) * 3, random.integers(0, k, n)
    weights = random.uniform(0.1, 3.0, n) if weighted else None
    cuts = np.sort(random.integers(0, n + 1, 3))
    streamed = stream(values, labels, cuts=cuts, weights=weights).compute()
    exact = metrics.classification_metrics(values, labels, from_logits=True, sample_weight=weights)
    for name, value in exact.items():
        assert streamed[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize(("n", "k", "dtype"), [(3000, 10, torch.float32), (1500, 300, torch.float32), (600, 300, None)])
def test_streaming_equals_exact_on_many_classes_and_float32(predictions, n, k, dtype):
    logits, labels = predictions(n, k, dtype=dtype or torch.float64)
    exact = metrics.classification_metrics(logits, labels, from_logits=True)
    streamed = stream(logits, labels, cuts=(7, 1000 % n)).compute()
    bound = 1e-6 if dtype is torch.float32 and k >= 128 else 1e-12
    for name, value in exact.items():
        assert streamed[name] == pytest.approx(value, abs=bound), name
    p = torch.softmax(logits, 1)
    from_probabilities = stream(p, labels, from_logits=False).compute()
    exact = metrics.classification_metrics(p, labels, from_logits=False)
    for name, value in exact.items():
        assert from_probabilities[name] == pytest.approx(value, abs=bound), name


def test_beyond_the_table_sums_stay_exact_and_ranks_stay_within_the_bound(predictions):
    logits, labels = predictions(200_000, 4, dtype=torch.float32)
    exact = metrics.classification_metrics(logits, labels, from_logits=True)
    streamed = stream(logits, labels, cuts=range(9000, 200_000, 9000)).compute()
    other = stream(logits, labels, cuts=(1, 70_000)).compute()
    for name, value in exact.items():
        assert streamed[name] == pytest.approx(value, abs=BOUND / 10 if name in RANKED else 1e-11), name
        assert other[name] == pytest.approx(streamed[name], abs=1e-11), name


def confidences(kind, n, random):
    return {
        "uniform": lambda: random.uniform(0.1, 1.0, n),
        "crowded at one": lambda: 1 - 10 ** random.uniform(-14, -1, n),
        "untrained, 10 classes": lambda: 0.1015 + 0.0003 * random.standard_normal(n).clip(-3, 3),
        "smoothed": lambda: 0.9 + 0.001 * random.standard_normal(n),
        "two values": lambda: random.choice([0.3, 0.9], n),
        "half at one": lambda: np.where(random.uniform(size=n) < 0.5, 1.0, random.uniform(0.2, 1.0, n)),
    }[kind]()


@pytest.mark.parametrize("order", ["random", "rising", "blocks"])
@pytest.mark.parametrize(
    "kind", ["uniform", "crowded at one", "untrained, 10 classes", "smoothed", "two values", "half at one"]
)
def test_the_table_follows_any_distribution_in_any_order(kind, order):
    n = 300_000
    random = np.random.default_rng(0)
    confidence = confidences(kind, n, random)
    if order != "random":
        confidence = np.sort(confidence)
    if order == "blocks":
        confidence = confidence.reshape(10, -1)[random.permutation(10)].ravel()
    correct = (random.uniform(size=n) < 0.2 + 0.7 * confidence).astype(float)
    table, filled = np.zeros((3, CAPACITY)), 0
    for part in np.array_split(np.stack((np.ones(n), confidence, correct)), 7, axis=1):
        filled = append(table, filled, part)
    rough, exact = ranked(table, True), group(confidence, correct)
    assert rough.total == n
    for measure in (
        lambda groups: RiskCoverage(groups).area(),
        lambda groups: expected_error(mass_bins(groups, 15)),
        smooth_error,
    ):
        assert measure(rough) == pytest.approx(measure(exact), abs=BOUND)


def test_states_do_not_grow():
    metric = ClassificationMetrics(3)
    sizes = {name: state.numel() for name, state in metric.metric_state.items()}
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        metric.update(torch.randn(40_000, 3, generator=generator), torch.randint(3, (40_000,), generator=generator))
    assert {name: state.numel() for name, state in metric.metric_state.items()} == sizes


def test_nothing_counted_is_nan_and_an_empty_batch_is_nothing(predictions):
    logits, labels = predictions(20, 3)
    metric = ClassificationMetrics(3)
    metric.update(torch.empty(0, 3), torch.empty(0, dtype=torch.long))
    assert all(np.isnan(value) for value in metric.compute().values())
    metric.update(logits, labels)
    full = metric.compute()
    metric.update(logits, labels, sample_weight=torch.zeros(20))
    metric.update(logits * torch.nan, labels - 100, mask=torch.zeros(20, dtype=torch.bool))
    assert metric.compute() == full


def test_reset_pickle_clone_and_forward(predictions):
    logits, labels = predictions(50, 3)
    metric = stream(logits, labels)
    full = metric.compute()
    assert pickle.loads(pickle.dumps(metric)).compute() == full
    assert metric.clone().compute() == full
    first = ClassificationMetrics(3)
    batch = first(logits[:20], labels[:20])
    assert batch == pytest.approx(stream(logits[:20], labels[:20]).compute())
    first(logits[20:], labels[20:])
    assert first.compute() == pytest.approx(full)
    metric.reset()
    metric.update(logits[:20], labels[:20])
    assert metric.compute() == pytest.approx(batch)


def test_states_stay_float64_on_the_cpu_whatever_becomes_of_the_module():
    class Task(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.metric = ClassificationMetrics(2)
            self.labels = MultilabelMetrics(2)

    task = Task().half().to("meta")
    for metric in (task.metric, task.labels):
        assert {(state.dtype, state.device.type) for state in metric.metric_state.values()} == {(torch.float64, "cpu")}
    assert not task.state_dict()


def test_the_reliability_bins_are_the_exact_ones(predictions):
    logits, labels = predictions(300, 4)
    streamed = stream(logits, labels).reliability_bins()
    exact = metrics.reliability_bins(logits, labels, from_logits=True)
    for part in ("lower", "upper", "count", "confidence", "accuracy"):
        np.testing.assert_allclose(getattr(streamed, part), getattr(exact, part), atol=1e-12)


def test_a_device_other_than_the_cpu_takes_the_plain_path(predictions, monkeypatch):
    """The accelerators' branch of the row pass, run on the CPU."""
    from smoothlab.metrics import row_sums

    logits, labels = predictions(300, 150, dtype=torch.float32)
    exact = metrics.classification_metrics(logits, labels, from_logits=True)
    monkeypatch.setattr(row_sums, "_is_cpu", lambda tensor: False)
    streamed = stream(logits, labels).compute()
    for name, value in exact.items():
        assert streamed[name] == pytest.approx(value, abs=1e-6), name


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4), st.booleans())
def test_multi_label_streaming_is_exact(seed, n, size, from_logits):
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, size)) * 3 if from_logits else random.integers(0, 5, (n, size)) / 4
    labels, mask = random.integers(0, 2, (n, size)), random.uniform(size=(n, size)) < 0.8
    mask[0, 0] = True
    weights = random.integers(1, 4, n)
    metric = MultilabelMetrics(size, from_logits=from_logits)
    for part in np.array_split(np.arange(n), 3):
        metric.update(values[part], labels[part], weights[part], mask[part])
    exact = metrics.multilabel_metrics(values, labels, from_logits=from_logits, sample_weight=weights, mask=mask)
    streamed = metric.compute()
    assert list(streamed) == list(exact)
    for name, value in exact.items():
        assert streamed[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name
