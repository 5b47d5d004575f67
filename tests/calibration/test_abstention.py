"""A confidence below which to abstain keeps the errors of the rest below what was asked for."""

import numpy as np
import pytest
from scipy.stats import binom

from smoothlab.calibration.abstention import Abstention, upper_bound
from smoothlab.errors import InvalidArgument


def drawn(generator: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, overconfident by 0.1, and whether each is right."""
    confidence = generator.uniform(0.5, 1.0, size).round(3)
    return confidence, generator.random(size) < confidence - 0.1


@pytest.mark.parametrize(("errors", "count", "delta"), [(0, 10, 0.05), (3, 50, 0.01), (49, 50, 0.2)])
def test_the_bound_is_where_so_few_errors_are_as_unlikely_as_delta(errors, count, delta):
    assert binom.cdf(errors, count, upper_bound(errors, count, delta)) == pytest.approx(delta)
    assert upper_bound(count, count, delta) == 1


def test_the_risk_is_exceeded_no_more_often_than_delta():
    generator = np.random.default_rng(0)
    exceeded, coverages = 0, []
    for _ in range(300):
        abstention = Abstention.fit(*drawn(generator, 1000), risk=0.25, delta=0.2)
        if abstention is None:
            coverages.append(0.0)
            continue
        # The true risk of a kept prediction: the mean of 1.1 - c over c in [threshold, 1].
        exceeded += 1.1 - (abstention.threshold + 1) / 2 > 0.25
        coverages.append(abstention.coverage)
    assert exceeded <= 300 * 0.2
    assert np.mean(coverages) > 0.3  # of 0.6 that an oracle would keep: not by abstaining always


def test_what_it_says_of_itself_is_counted_on_its_samples():
    confidence, correct = drawn(np.random.default_rng(1), 2000)
    abstention = Abstention.fit(confidence, correct, risk=0.3)
    accepted = confidence >= abstention.threshold
    assert abstention.coverage == accepted.mean()
    assert abstention.error == pytest.approx(1 - correct[accepted].mean())
    assert abstention.error < abstention.bound <= 0.3
    assert abstention.rows == 2000


def test_nothing_is_kept_back_where_all_is_well_and_nothing_promised_where_it_cannot_be():
    confidence = np.linspace(0.5, 1, 400)
    assert Abstention.fit(confidence, np.ones(400, bool), risk=0.05).coverage == pytest.approx(1, abs=0.01)
    assert Abstention.fit(confidence, np.zeros(400, bool), risk=0.05) is None
    assert Abstention.fit(confidence[:5], np.ones(5, bool), risk=0.05) is None  # too few to know
    assert Abstention.fit(np.full(50, 0.9), np.arange(50) > 40, risk=0.5) is None  # all are equal: 41 of 50 wrong


@pytest.mark.parametrize("wrong", [{"risk": 0}, {"risk": 1.0}, {"risk": True}, {"risk": 0.1, "delta": 2}])
def test_shares_are_in_0_and_1(wrong):
    with pytest.raises(InvalidArgument, match="expected a number in"):
        Abstention.fit([0.9], [True], **wrong)
