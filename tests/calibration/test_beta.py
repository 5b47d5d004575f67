"""Beta calibration against logistic regression on its two features, and its bounds."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from smoothlab import InvalidArgument
from smoothlab.calibration import Beta


def two(p: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.log1p(-p), np.log(p)], 1))


def test_it_is_logistic_regression_on_log_p_and_log_of_the_rest():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 800)
    p = np.where(labels == 1, generator.beta(3, 1.5, 800), generator.beta(1.2, 2.5, 800))
    calibrator = Beta(0.0).fit(two(p), torch.from_numpy(labels))
    features = np.stack([np.log(p), -np.log1p(-p)], 1)
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(features, labels)
    np.testing.assert_allclose(calibrator.coefficients[:2], expected.coef_[0], atol=1e-3)
    calibrated = calibrator(two(p)).softmax(1).numpy()
    np.testing.assert_allclose(calibrated, expected.predict_proba(features), atol=1e-4)


def test_beta_distributed_scores_have_known_coefficients():
    """Where positives follow Beta(a1, b1) and negatives Beta(a0, b0), a = a1 - a0 and b = b0 - b1."""
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, 60_000)
    p = np.where(labels == 1, generator.beta(3, 1, 60_000), generator.beta(1, 2, 60_000))
    calibrator = Beta().fit(two(p), torch.from_numpy(labels))
    np.testing.assert_allclose(calibrator.coefficients[:2], [2.0, 1.0], atol=0.05)


def test_the_curve_never_falls_though_the_samples_do():
    p = np.linspace(0.05, 0.95, 50)
    calibrator = Beta().fit(two(p), torch.from_numpy((p < 0.5).astype(np.int64)))
    assert bool((calibrator.coefficients[:2] >= 0).all())
    after = calibrator(two(p)).softmax(1)[:, 1]
    assert bool((after.diff() >= -1e-12).all())


def test_separable_samples_have_an_optimum():
    p = np.array([0.1, 0.2, 0.8, 0.9])
    calibrator = Beta().fit(two(p), torch.tensor([0, 0, 1, 1]))
    assert bool(calibrator.coefficients.isfinite().all())
    assert float(calibrator.coefficients.abs().max()) < 50


def test_three_classes_are_refused():
    with pytest.raises(InvalidArgument, match="two classes; with more take Dirichlet"):
        Beta().fit(torch.zeros(2, 3), torch.tensor([0, 1]))
