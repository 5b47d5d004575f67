"""Isotonic regression and histograms against scikit-learn and counting by hand."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from smoothlab import InvalidArgument
from smoothlab.calibration import Histogram, Isotonic


def test_of_two_classes_it_is_scikit_learns_isotonic_regression(drawn):
    logits, labels = drawn(300, 2, seed=0)
    new, _ = drawn(500, 2, seed=1, factor=3.0)
    calibrated = Isotonic(floor=0).fit(logits, labels)(new).softmax(1).numpy()
    p, q = softmax(logits.numpy(), 1)[:, 1], softmax(new.numpy(), 1)[:, 1]
    expected = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, labels.numpy()).predict(q)
    np.testing.assert_allclose(calibrated[:, 1], expected, atol=1e-9)


def test_of_more_classes_it_is_scikit_learns_calibrated_classifier():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 600)
    features = generator.normal(size=(600, 3)) + 1.2 * np.eye(3)[labels]
    model = LogisticRegression().fit(features[:200], labels[:200])
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="isotonic")
    calibrated.fit(features[200:], labels[200:])

    # scikit-learn's goes from the logits of class against rest; ours from any rising function of it, as p is of log p.
    scores = model.decision_function(features)
    curves = Isotonic(floor=0)
    p = scores[200:]
    by_class = []
    for k in range(3):
        points, values = curves.curve(p[:, k], (labels[200:] == k).astype(float), np.ones(400))
        by_class.append(np.interp(scores[:, k], points, values))
    total = np.stack(by_class, 1)
    np.testing.assert_allclose(total / total.sum(1, keepdims=True), calibrated.predict_proba(features), atol=1e-9)


def test_classes_are_brought_back_to_a_sum_of_one(drawn):
    logits, labels = drawn(200, 4, seed=2)
    calibrated = Isotonic(floor=0).fit(logits, labels)(logits).softmax(1).numpy()
    p = softmax(logits.numpy(), 1)
    curves = [IsotonicRegression(out_of_bounds="clip").fit(p[:, k], labels.numpy() == k) for k in range(4)]
    expected = np.stack([curve.predict(p[:, k]) for k, curve in enumerate(curves)], 1)
    rows = expected.sum(1) > 1e-6
    np.testing.assert_allclose(calibrated[rows], (expected / expected.sum(1, keepdims=True))[rows], atol=1e-8)


def test_what_never_happened_is_not_impossible():
    logits = torch.tensor([[2.0, -2.0], [-2.0, 2.0]]).repeat(49, 1)
    labels = torch.tensor([0, 1]).repeat(49)
    for calibrator in (Isotonic(), Histogram()):
        calibrated = calibrator.fit(logits, labels)(logits).softmax(1)
        assert float(calibrated.min()) == pytest.approx(1 / 100)
    zero = Isotonic(floor=0).fit(logits, labels)(logits)
    assert bool(zero.isfinite().all())


def test_the_bins_of_a_histogram_by_hand():
    p = torch.tensor([0.1, 0.2, 0.3, 0.6, 0.7, 0.8], dtype=torch.float64)
    logits = torch.stack([torch.zeros(6, dtype=torch.float64), (p / (1 - p)).log()], 1)
    calibrator = Histogram(num_bins=2, floor=0).fit(logits, torch.tensor([0, 0, 1, 1, 1, 0]))
    calibrated = calibrator(logits).softmax(1)[:, 1]
    assert calibrated.tolist() == pytest.approx([1 / 3] * 3 + [2 / 3] * 3)
    assert calibrator.points[0].tolist() == pytest.approx([0.0, 0.45])  # between the samples beside the edge


def test_equal_probabilities_share_a_bin():
    logits = torch.zeros(30, 2, dtype=torch.float64)
    labels = (torch.arange(30) < 12).long()
    calibrator = Histogram(num_bins=5).fit(logits, labels)
    assert calibrator.summary() == {"points": [1]}
    assert calibrator(logits).softmax(1)[:, 1].tolist() == pytest.approx([0.4] * 30)


def test_one_bin_gives_every_sample_the_base_rate(drawn):
    logits, labels = drawn(100, 3, seed=3)
    calibrated = Histogram(num_bins=1).fit(logits, labels)(logits).softmax(1)
    rates = labels.bincount() / 100
    torch.testing.assert_close(calibrated, rates.double().expand(100, 3))


@pytest.mark.parametrize("make", [lambda: Isotonic(floor=0.5), lambda: Isotonic(floor=-1), lambda: Histogram(0)])
def test_arguments_outside_their_range_are_refused(make):
    with pytest.raises(InvalidArgument):
        make()


def test_another_number_of_classes_than_fitted_is_refused(drawn):
    with pytest.raises(InvalidArgument, match="3 classes, as fitted"):
        Isotonic().fit(*drawn(50, 3, seed=4))(torch.zeros(1, 4))


CURVES = [Isotonic, Histogram, lambda: Histogram(num_bins=3)]


@pytest.mark.parametrize("make", CURVES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [3, 7, 16])
@pytest.mark.parametrize("margin", [0.5, 5.0, 20.0])
def test_rows_that_rounding_alone_tells_apart_get_the_rate_of_all_of_them(make, dtype, size, margin):
    labels = torch.arange(size).repeat(20)
    guess = labels.clone()
    guess[::5] = (guess[::5] + 1) % size  # a fifth is wrong
    logits = (margin * torch.nn.functional.one_hot(guess, size)).to(dtype)
    logits = torch.log_softmax(logits, 1)  # whose rounding differs from row to row
    calibrated = make().fit(logits, labels)(logits).softmax(1)
    right = float((guess == labels).double().mean())
    expected = torch.full_like(calibrated, (1 - right) / (size - 1))
    expected[torch.arange(len(guess)), guess] = right
    torch.testing.assert_close(calibrated, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("make", CURVES[:2])
def test_a_float32_sample_is_read_where_it_was_fitted(make):
    """Margins of 10 to 30: in float32 every probability from 17 on is 1, in float64 none is."""
    margin = torch.linspace(10, 30, 200)
    logits = torch.stack([torch.zeros(200), margin], 1)
    labels = (margin > 20).long()
    calibrated = make().fit(logits, labels)(logits).softmax(1)
    assert float(calibrated[margin < 18, 1].max()) < 0.05
    assert float(calibrated[margin > 24, 1].min()) > 0.95


@pytest.mark.parametrize("make", CURVES)
def test_the_order_of_samples_changes_no_curve(make, drawn):
    logits, labels = drawn(300, 4, seed=8)
    logits = (2 * logits).round() / 2
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    first, second = (make().fit(logits[rows], labels[rows])(logits) for rows in (slice(None), order))
    torch.testing.assert_close(first, second)
