"""Looks at growing data: alpha as published boundaries spend it, and races by a t test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from smoothlab.errors import InvalidArgument
from smoothlab.statistics import cannot_win, levels_of_looks


def bounds(looks: tuple[int, ...], level: float = 0.95) -> list[float]:
    shares = tuple(look / looks[-1] for look in looks)
    return [float(stats.norm.ppf(0.5 + share / 2)) for share in levels_of_looks(shares, level=level)]


def test_the_boundaries_are_those_of_lan_and_demets():
    """Of five looks as DeMets and Lan print them (Statistics in Medicine 1994), of three as gsDesign does."""
    assert bounds((1, 2, 3, 4, 5)) == pytest.approx([2.44, 2.43, 2.41, 2.40, 2.39], abs=6e-3)
    assert bounds((1, 2, 3)) == pytest.approx([2.2794, 2.2949, 2.2959], abs=2e-4)
    assert levels_of_looks((1.0,)) == pytest.approx((0.95,))
    assert levels_of_looks((0.2, 0.4)) == pytest.approx(levels_of_looks((0.2, 0.4, 1.0))[:2])


def test_all_looks_together_are_wrong_as_often_as_one():
    random = np.random.default_rng(0)
    looks = (5, 10, 20)
    sums = random.standard_normal((40_000, 20)).cumsum(1)
    reached = np.stack([np.abs(sums[:, look - 1]) / math.sqrt(look) for look in looks], axis=1)
    crossed = (reached > np.array(bounds(looks))).any(1).mean()
    assert crossed == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize("shares", [(), (0.5, 0.5), (0.5, 0.4), (0.0, 0.5), (0.5, 1.1)])
def test_looks_rise(shares):
    with pytest.raises(InvalidArgument, match="rising"):
        levels_of_looks(shares)


def test_an_arm_is_behind_where_a_one_sided_t_test_says_so():
    differences = [0.02, 0.03, 0.01, 0.04]
    assert stats.ttest_1samp(differences, 0, alternative="greater").pvalue < 0.05
    assert cannot_win(differences)
    assert not cannot_win([-value for value in differences])
    assert not cannot_win([0.02, 0.03, -0.04, 0.04])
    assert not cannot_win([0.5])
    assert not cannot_win([0.5, math.nan])
