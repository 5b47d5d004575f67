"""Statistics against scipy, closed forms and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from smoothlab.errors import InvalidArgument
from smoothlab.statistics import (
    bootstrap_covariance,
    bootstrap_variance,
    cross_validated,
    friedman_nemenyi,
    holm,
    luck_of_trainings,
    nadeau_bengio,
    paired_bootstrap,
    paired_t,
    probability_of_best,
    simultaneous_factor,
    variances_added,
)


def test_differences_over_seeds_have_the_interval_and_p_of_scipys_paired_t_test():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 6)) + np.array([[0.5], [0.0]])
    expected = stats.ttest_rel(first, second)
    test = paired_t(first - second)
    assert test.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (test.low, test.high) == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)
    assert "seeds" in test.estimand


@pytest.mark.parametrize("shift", [0.0, 1e-3, 0.3, 40.0])
def test_p_values_agree_with_scipy_from_no_difference_to_a_huge_one(shift):
    values = np.array([-0.2, -0.1, 0.0, 0.1, 0.2]) + shift
    assert paired_t(values).p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-6)


def test_one_seed_has_no_interval_over_seeds():
    test = paired_t([0.3])
    assert test.mean == 0.3
    assert math.isnan(test.low)
    assert math.isnan(test.p)


def test_folds_are_corrected_by_the_rows_that_they_share():
    values = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    test = nadeau_bengio(values, 1 / 4)
    error = math.sqrt(values.var(ddof=1) * (1 / 5 + 1 / 4))
    assert test.error == pytest.approx(error)
    assert test.p == pytest.approx(2 * stats.t.sf(values.mean() / error, 4), rel=1e-6)
    assert test.error == pytest.approx(1.5 * paired_t(values).error)


def test_the_bootstrap_in_closed_form_is_the_one_that_is_drawn():
    random = np.random.default_rng(1)
    first = random.exponential(size=150)
    second = 0.6 * first + random.normal(size=150)
    draws = random.integers(0, 150, (20_000, 150))
    drawn = np.cov(first[draws].mean(1), second[draws].mean(1)) * 150 / 149
    np.testing.assert_allclose(bootstrap_covariance([first, second]), drawn, rtol=0.06)
    assert bootstrap_variance(first) == pytest.approx(stats.sem(first) ** 2)


def test_the_paired_bootstrap_agrees_with_scipys():
    random = np.random.default_rng(2)
    first, second = random.exponential(size=(2, 80))
    test = paired_bootstrap(first, second, resamples=6000)
    expected = stats.bootstrap(
        (first - second,), np.mean, method="percentile", n_resamples=6000, rng=3
    ).confidence_interval
    width = expected.high - expected.low
    assert test.low == pytest.approx(expected.low, abs=0.05 * width)
    assert test.high == pytest.approx(expected.high, abs=0.05 * width)


def test_seeds_on_test_samples_of_their_own_have_the_paired_t_interval():
    values = [0.1, 0.3, 0.2, 0.15]
    test = variances_added(values, np.diag([0.02] * 4), samples=100)
    assert (test.low, test.high, test.p) == pytest.approx(
        (paired_t(values).low, paired_t(values).high, paired_t(values).p)
    )


def test_what_the_seeds_share_is_added_and_what_they_do_not_share_is_not_counted_twice():
    """Brute force: per-seed values are sums of a seed's part, a part of the samples, and one of both."""
    random = np.random.default_rng(4)
    seeds, samples, repetitions = 4, 60, 1500
    means, variances = [], []
    for _ in range(repetitions):
        of_sample = random.normal(size=samples) * 1.0
        scores = random.normal(size=(seeds, 1)) * 0.1 + of_sample + random.normal(size=(seeds, samples)) * 1.5
        test = variances_added(scores.mean(1), bootstrap_covariance(scores), samples=samples)
        means.append(test.mean)
        variances.append(test.error**2)
    truth = 0.1**2 / seeds + 1.0**2 / samples + 1.5**2 / (seeds * samples)
    assert np.mean(variances) == pytest.approx(truth, rel=0.08)
    assert np.var(means) == pytest.approx(truth, rel=0.12)


def test_one_seed_has_the_interval_over_samples_and_says_so():
    test = variances_added([0.4], [[0.01]], samples=50)
    half = stats.t.ppf(0.975, 49) * 0.1
    assert (test.low, test.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert "this one training" in test.estimand


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95, 1.0])
def test_an_interval_of_two_variances_never_covers_less_than_it_says(share):
    random = np.random.default_rng(5)
    draws = 4000
    between = share * random.chisquare(2, draws) / 2
    means = random.normal(size=draws)
    spread = np.array([-1.0, 0.0, 1.0])  # three seeds with a variance of one
    hit = []
    for mean, noise in zip(means, between, strict=True):
        values = mean + spread * math.sqrt(3 * noise)
        shared = np.full((3, 3), 1.0 - share)
        test = variances_added(values, shared)
        hit.append(test.low <= 0 <= test.high)
    assert np.mean(hit) > 0.95 - 3 * math.sqrt(0.05 * 0.95 / draws)
    assert np.mean(hit) < 0.98


def test_p_and_interval_say_the_same():
    values, shared = np.array([0.2, 0.5, 0.1]), np.full((3, 3), 0.005)
    test = variances_added(values, shared, samples=200)
    at_its_p = variances_added(values, shared, samples=200, level=1 - test.p)
    assert at_its_p.low == pytest.approx(0.0, abs=1e-6)


def test_holm_is_the_closed_test_of_bonferroni():
    random = np.random.default_rng(6)
    for _ in range(20):
        p = random.random(5) ** 3
        closed = [
            max(
                min(1.0, len(subset) * p[list(subset)].min())
                for size in range(1, 6)
                for subset in itertools.combinations(range(5), size)
                if index in subset
            )
            for index in range(5)
        ]
        np.testing.assert_allclose(holm(p), closed)


def test_an_arm_without_a_test_does_not_count_for_holm():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])


@pytest.mark.parametrize("arms", [2, 3, 5])
def test_friedmans_test_is_the_scatter_of_mean_ranks_over_that_within_data_sets(arms):
    """The general form, which is right with ties."""
    scores = np.random.default_rng(7).integers(0, 4, (9, arms)) + np.arange(arms) // 2
    ranks = friedman_nemenyi(scores)
    by_set = stats.rankdata(scores, axis=1)
    away = by_set - (arms + 1) / 2
    chi_square = 9 * (away.mean(0) ** 2).sum() / ((away**2).sum() / (9 * (arms - 1)))
    assert ranks.p == pytest.approx(stats.chi2.sf(chi_square, arms - 1))
    np.testing.assert_allclose(ranks.ranks, by_set.mean(0))


def test_arms_that_are_equal_everywhere_are_not_told_apart():
    assert friedman_nemenyi([[1.0, 1.0], [2.0, 2.0]]).p == 1.0
    assert friedman_nemenyi([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]).p == 1.0


def test_critical_differences_are_those_of_demsars_table():
    """Demšar, JMLR 2006, table 5: q for 5% and 2, 4, 10 classifiers."""
    for arms, q in ((2, 1.960), (4, 2.569), (10, 3.164)):
        ranks = friedman_nemenyi(np.random.default_rng(8).random((14, arms)))
        assert ranks.critical_difference == pytest.approx(q * math.sqrt(arms * (arms + 1) / (6 * 14)), abs=2e-3)


def test_groups_are_the_largest_sets_of_arms_that_are_not_told_apart():
    """Three arms that always come in this order: the outer two are told apart, their neighbours are not."""
    ranks = friedman_nemenyi([[1.0, 2.0, 3.0]] * 6)
    assert 1.0 < ranks.critical_difference < 2.0
    assert ranks.groups == ((0, 1), (1, 2))
    assert ranks.order == (0, 1, 2)


def test_the_chance_of_being_best_of_two_is_the_tail_of_their_difference():
    error = np.diag([0.3, 0.4])
    chances = probability_of_best([1.0, 1.2], [(error, math.inf)], draws=40_000)
    assert chances[0] == pytest.approx(stats.norm.cdf(0.2 / 0.5), abs=0.01)
    assert chances.sum() == pytest.approx(1.0)


def test_errors_that_arms_share_do_not_blur_which_is_best():
    chances = probability_of_best([1.0, 1.1], [(np.array([[5.0], [5.0]]), 3)])
    assert chances.tolist() == [1.0, 0.0]


def test_arms_that_tie_share_the_chance_and_one_without_a_value_has_none():
    chances = probability_of_best([1.0, np.nan, 1.0], [])
    np.testing.assert_allclose(chances, [0.5, np.nan, 0.5])


def test_nearest_to_zero_can_be_best():
    assert probability_of_best([-0.3, 0.1], [], towards_zero=True).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_t([]), "at least one finite number"),
        (lambda: paired_t([1.0, math.nan]), "at least one finite number"),
        (lambda: paired_t([1.0, 2.0], level=1.0), "level = 1.0"),
        (lambda: nadeau_bengio([1.0, 2.0], -0.1), "ratio = -0.1"),
        (lambda: variances_added([1.0, 2.0], [[1.0]]), r"a matrix \(2, 2\)"),
        (lambda: friedman_nemenyi([[1.0, 2.0]]), "two of each"),
        (lambda: bootstrap_variance([1.0]), "two samples"),
    ],
)
def test_what_cannot_be_told_from_is_refused(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_folds_whose_rows_explain_them_have_the_interval_of_the_rows():
    """With folds of equal size the standard error is that of all rows, each around the mean of its fold."""
    random = np.random.default_rng(5)
    rows = random.standard_t(4, size=(5, 60))
    rows -= 0.7 * (rows.mean(1, keepdims=True) - rows.mean())  # folds that differ by less than chance
    test = cross_validated(rows.mean(1), rows.var(1, ddof=1) / 60, samples=300)
    pooled = math.sqrt(((rows - rows.mean(1, keepdims=True)) ** 2).sum() / (300 - 5) / 300)
    assert test.error == pytest.approx(pooled)
    assert test.mean == pytest.approx(rows.mean())
    at_once = stats.t.interval(1 - 1.2 * 0.05, 295, rows.mean(), pooled)  # what folds with luck have too much
    assert (test.low, test.high) == pytest.approx(at_once)
    assert test.of_runs == 0


def test_what_folds_differ_by_beyond_their_rows_is_added():
    values = np.array([0.1, 0.5, -0.3, 0.2, 0.0])
    test = cross_validated(values, np.full(5, 0.01), samples=500)
    assert test.error**2 == pytest.approx(values.var(ddof=1) / 5)
    assert test.of_runs == pytest.approx((values.var(ddof=1) - 0.01) / 5)
    assert stats.norm.ppf(0.975) < (test.high - test.mean) / test.error < stats.t.ppf(0.975, 4)
    with pytest.raises(InvalidArgument, match="5 variances"):
        cross_validated(values, [0.1], samples=500)
    with pytest.raises(InvalidArgument, match="at least two"):
        cross_validated([0.1], [0.1], samples=500)


CHANCES = (np.arange(400) + 0.5) / 400  # of quantiles over which is integrated


@pytest.mark.parametrize("luck", [0.0, 0.1, 0.4, 1.0, 2.0, 3.0, 5.0, 20.0])
def test_intervals_over_folds_cover_whatever_the_luck_of_trainings_is(luck):
    """``luck`` is the variance between trainings over that of rows, which five folds need not show."""
    scatter = (1 + luck) * stats.chi2.ppf(CHANCES, 4) / 4
    values = np.array([-1.0, -1.0, 0.0, 1.0, 1.0])  # with a variance of one
    estimates = [cross_validated(values * math.sqrt(variance), np.ones(5), samples=5e6) for variance in scatter]
    half = np.array([estimate.high for estimate in estimates]) / math.sqrt((1 + luck) / 5)
    assert 0.939 < np.mean(2 * stats.norm.cdf(half) - 1) < 0.9645


@pytest.mark.parametrize("shared", [0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0])
def test_intervals_over_seeds_cover_whatever_test_samples_share(shared):
    """``shared`` is the variance that all five have in common over that of the mean of their own."""
    own = stats.chi2.ppf(CHANCES, 4) / 4
    values = np.array([-1.0, -1.0, 0.0, 1.0, 1.0])
    estimates = [variances_added(values * math.sqrt(5 * variance), np.full((5, 5), shared)) for variance in own]
    half = np.array([estimate.high for estimate in estimates]) / math.sqrt(1 + shared)
    assert 0.949 < np.mean(2 * stats.norm.cdf(half) - 1) < 0.961


def test_intervals_over_folds_and_their_p_values_say_the_same():
    random = np.random.default_rng(8)
    for row in random.standard_normal((40, 5)) * 2 + 1.2:
        test = cross_validated(row, np.ones(5), samples=500)
        assert (test.p < 0.05) == (test.low > 0 or test.high < 0)
        wider = test.widened(1.3, 0.95)
        assert (wider.p < 0.05) == (wider.low > 0 or wider.high < 0)


def test_the_smallest_detectable_difference_is_found_in_four_of_five():
    random = np.random.default_rng(6)
    test = paired_t(random.normal(size=40))
    assert test.of_runs == pytest.approx(test.error**2)
    truth = test.detectable()
    drawn = random.normal(truth, test.error * math.sqrt(40), size=(4000, 40))
    low = drawn.mean(1) - stats.t.ppf(0.975, 39) * test.error
    assert (low > 0).mean() == pytest.approx(0.8, abs=0.03)
    assert test.detectable(runs=4) == pytest.approx(truth / 2)
    assert test.detectable(rows=4) == truth
    assert math.isnan(paired_t([1.0]).detectable())
    assert paired_t([1.0, 1.0]).detectable() == 0


def test_a_widened_interval_and_its_p_value_agree():
    test = paired_t([0.3, 0.1, 0.4, 0.2, 0.25])
    for factor in np.linspace(1, 12, 60):
        wide = test.widened(float(factor), 0.95)
        assert (wide.low > 0) == (wide.p < 0.05)
        assert wide.high - wide.mean == pytest.approx(factor * (test.high - test.mean))
    assert math.isnan(paired_t([0.3]).widened(2.0, 0.95).low)


def test_intervals_of_independent_differences_are_as_wide_as_sidaks_and_of_equal_ones_as_wide_as_one():
    independent = simultaneous_factor(np.eye(6))
    sidak = stats.norm.ppf(0.5 + 0.95 ** (1 / 6) / 2) / stats.norm.ppf(0.975)
    assert independent == pytest.approx(sidak, rel=0.02)
    alike = np.random.default_rng(7).normal(size=30)
    assert simultaneous_factor([alike, 2 * alike, 0 * alike]) == pytest.approx(1.0, abs=0.02)
    assert simultaneous_factor([alike]) == 1.0
    three = np.random.default_rng(8).normal(size=(3, 400)) + 1.5 * np.random.default_rng(9).normal(size=400)
    assert 1.0 < simultaneous_factor(three) < sidak
    with pytest.raises(InvalidArgument, match="a row for each"):
        simultaneous_factor(alike)


def test_the_luck_of_trainings_is_what_their_rows_do_not_explain():
    random = np.random.default_rng(11)
    rows = random.normal(size=(5, 400)) + 0.5 * random.normal(size=400)
    lucky = rows + 0.3 * random.normal(size=(5, 1))
    for losses in (rows, lucky):
        covariance = bootstrap_covariance(losses)
        errors = luck_of_trainings(losses.mean(1), covariance)
        assert (errors**2).sum() == pytest.approx(variances_added(losses.mean(1), covariance).error ** 2)
    assert (errors[:-1] ** 2).sum() > 0.9 * (errors**2).sum()  # of those with luck
    assert luck_of_trainings([0.1, 0.2, 0.4], np.zeros((3, 3)))[-1] == 0.0
    assert not luck_of_trainings([0.1, 0.2, 0.4], 0.1 * np.eye(3))[:-1].any()  # rows explain all of it
    assert not luck_of_trainings([0.1, 0.1], np.zeros((2, 2))).any()
    with pytest.raises(InvalidArgument, match="at least two"):
        luck_of_trainings([0.1], np.zeros((1, 1)))
