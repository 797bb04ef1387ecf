"""Tests of differences equal scipy's, and what they are by hand or by counting every case."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats
from statsmodels.stats.multitest import multipletests

from glaciertime.errors import InputError
from glaciertime.segment.judge.significance import (
    adjusted,
    cohens_d_interval,
    compare_groups,
    compare_pair,
    compare_ranks,
)

RNG = np.random.default_rng(19)
ONE = RNG.normal(0.8, 0.05, 9)
OTHER = ONE - RNG.normal(0.02, 0.03, 9)


def test_paired_t_equals_scipy_and_the_formula_by_hand() -> None:
    found = compare_pair(ONE, OTHER)
    assert (found.t, found.p_t) == pytest.approx(stats.ttest_rel(ONE, OTHER), rel=1e-9)
    gap, n = ONE - OTHER, len(ONE)
    t = gap.mean() / (math.sqrt(((gap - gap.mean()) ** 2).sum() / (n - 1)) / math.sqrt(n))
    assert found.t == pytest.approx(t, rel=1e-9)
    # The density of t, integrated: no distribution of scipy's.
    scale = special.gamma(n / 2) / (math.sqrt((n - 1) * math.pi) * special.gamma((n - 1) / 2))
    tail, _ = integrate.quad(lambda x: scale * (1 + x * x / (n - 1)) ** (-n / 2), abs(t), np.inf)
    assert found.p_t == pytest.approx(2 * tail, rel=1e-6)


def test_wilcoxon_equals_scipy_and_every_change_of_signs_counted() -> None:
    found = compare_pair(ONE, OTHER)
    expected = stats.wilcoxon(ONE, OTHER)
    assert (found.w, found.p_wilcoxon) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)
    gap = ONE - OTHER
    ranks = np.argsort(np.argsort(np.abs(gap))) + 1
    smaller = min(ranks[gap > 0].sum(), ranks[gap < 0].sum())
    sums = [sum(rank for rank, up in zip(ranks, signs, strict=True) if up)
            for signs in itertools.product((0, 1), repeat=len(gap))]  # fmt: skip
    p = min(1.0, 2 * sum(total <= smaller for total in sums) / len(sums))
    assert (found.w, found.p_wilcoxon) == pytest.approx((smaller, p), rel=1e-12)


def test_differences_that_are_equal_share_their_rank() -> None:
    # Behind the decimals 0.7 - 0.5, 0.3 - 0.1 and 0.4 - 0.6 are of three sizes; all six are 0.2, four up and two down.
    found = compare_pair(np.array([0.7, 0.4, 0.3, 0.9, 1.1, 0.8]), np.array([0.5, 0.6, 0.1, 0.7, 0.9, 1.0]))
    assert found.w == 2 * 3.5
    assert found.p_wilcoxon == pytest.approx(2 * (15 + 6 + 1) / 64)


def test_paired_t_is_near_every_change_of_signs_counted() -> None:
    gap = ONE - OTHER
    means = [abs(np.mean(gap * signs)) for signs in itertools.product((-1, 1), repeat=len(gap))]
    counted = np.mean([mean >= abs(gap.mean()) - 1e-15 for mean in means])
    assert compare_pair(ONE, OTHER).p_t == pytest.approx(counted, abs=0.02)


def test_anova_equals_scipy_and_the_sums_of_squares() -> None:
    groups = [RNG.normal(mean, 1, size) for mean, size in ((0, 6), (0.5, 8), (1, 7))]
    found = compare_groups(groups)
    assert (found.f, found.p) == pytest.approx(stats.f_oneway(*groups), rel=1e-12)
    pooled = np.concatenate(groups)
    between = sum(len(one) * (one.mean() - pooled.mean()) ** 2 for one in groups)
    within = sum(((one - one.mean()) ** 2).sum() for one in groups)
    assert found.f == pytest.approx((between / 2) / (within / 18), rel=1e-12)
    assert found.eta_squared == pytest.approx(between / (between + within), rel=1e-12)
    drawn = np.random.default_rng(0)
    above = 0
    for _ in range(2000):
        mixed = np.split(drawn.permutation(pooled), [6, 14])
        above += compare_groups(mixed).f >= found.f
    assert found.p == pytest.approx(above / 2000, abs=0.03)


def test_friedman_equals_scipy_and_the_formula_by_hand() -> None:
    values = RNG.normal(size=(12, 4)) + np.array([0.0, 0.3, 0.6, 1.2])
    found = compare_ranks(values)
    expected = stats.friedmanchisquare(*values.T)
    assert (found.chi_squared, found.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)
    ranks = np.argsort(np.argsort(-values, axis=1), axis=1) + 1
    assert found.mean_ranks == pytest.approx(ranks.mean(axis=0))
    by_hand = 12 / (12 * 4 * 5) * (ranks.sum(axis=0) ** 2).sum() - 3 * 12 * 5
    assert found.chi_squared == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(("models", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_published_table_of_q(models: int, q: float) -> None:
    """Demsar 2006, table 5 (a), at 5 %."""
    found = compare_ranks(RNG.normal(size=(14, models)))
    assert found.critical_difference == pytest.approx(q * math.sqrt(models * (models + 1) / (6 * 14)), rel=2e-3)


def test_the_best_has_rank_one_and_ties_share() -> None:
    values = np.array([[0.9, 0.9, 0.1]] * 5)
    assert compare_ranks(values).mean_ranks.tolist() == [1.5, 1.5, 3.0]
    assert compare_ranks(values, larger_is_better=False).mean_ranks.tolist() == [2.5, 2.5, 1.0]


def test_means_that_differ_in_rounding_are_ties() -> None:
    values = np.array([[0.1 + 0.2, 0.3, 0.5]] * 6)
    assert compare_ranks(values).mean_ranks.tolist() == [2.5, 2.5, 1.0]
    assert "equal on every unit" in compare_pair(values[:, 0], values[:, 1]).reason


def test_cohens_d_is_the_mean_over_the_spread_and_its_interval_holds_it_19_times_in_20() -> None:
    found = compare_pair(ONE, OTHER)
    gap = ONE - OTHER
    assert found.d_z == pytest.approx(gap.mean() / gap.std(ddof=1), rel=1e-9)
    assert found.d_av == pytest.approx(gap.mean() / ((ONE.std(ddof=1) + OTHER.std(ddof=1)) / 2), rel=1e-9)
    assert found.d_z_low < found.d_z < found.d_z_high
    drawn = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        sample = drawn.normal(0.8, 1.0, 12)
        low, high = cohens_d_interval(sample.mean() / sample.std(ddof=1), units=12)
        held += low <= 0.8 <= high
    assert 0.92 <= held / 300 <= 0.98


def test_the_interval_of_d_is_without_zero_where_t_is_significant() -> None:
    n = 10
    critical = stats.t.ppf(0.975, n - 1) / math.sqrt(n)
    assert cohens_d_interval(critical * 1.001, units=n)[0] > 0 > cohens_d_interval(critical * 0.999, units=n)[0]


def test_corrections_by_hand() -> None:
    p = [0.01, 0.04, 0.03, 0.2]
    assert adjusted(p, method="bonferroni") == pytest.approx([0.04, 0.16, 0.12, 0.8])
    # Sorted 0.01 x 4, 0.03 x 3, 0.04 x 2 (not below the one before), 0.2 x 1 (nor here).
    assert adjusted(p, method="holm") == pytest.approx([0.04, 0.09, 0.09, 0.2])


@pytest.mark.parametrize("method", ["bonferroni", "holm"])
def test_corrections_are_those_of_statsmodels_and_leave_what_is_given(method: str) -> None:
    p = np.random.default_rng(3).uniform(0, 0.2, 40).round(2)  # with ties
    given = p.copy()
    np.testing.assert_allclose(adjusted(given, method=method), multipletests(p, method=method)[1], rtol=1e-14)
    np.testing.assert_array_equal(given, p)


def test_a_test_that_was_not_made_is_not_corrected_for() -> None:
    assert adjusted([0.01, math.nan, 0.02], method="bonferroni") == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)
    assert math.isnan(adjusted([math.nan], method="holm")[0])
    with pytest.raises(InputError, match="'fdr' given, one of bonferroni, holm"):
        adjusted([0.1], method="fdr")


def test_fewer_than_five_units_have_no_p_value_but_the_reason() -> None:
    found = compare_pair(ONE[:4], OTHER[:4])
    assert math.isnan(found.p_t)
    assert math.isnan(found.p_wilcoxon)
    assert math.isnan(found.d_z)
    assert found.reason == "4 units in common: no p-value of fewer than 5"
    assert found.difference == pytest.approx((ONE[:4] - OTHER[:4]).mean())
    assert "a group has 1 unit: no p-value" in compare_groups([ONE, OTHER[:1]]).reason
    assert "4 units in common" in compare_ranks(RNG.normal(size=(4, 3))).reason
    assert "2 models: ranks are tested from three on" in compare_ranks(RNG.normal(size=(9, 2))).reason


def test_units_without_a_value_of_both_are_left_out() -> None:
    gone = OTHER.copy()
    gone[2] = np.nan
    found = compare_pair(ONE, gone)
    kept = np.arange(9) != 2
    assert found.units == 8
    assert found.t == pytest.approx(stats.ttest_rel(ONE[kept], OTHER[kept]).statistic, rel=1e-9)


def test_a_difference_without_spread_has_no_test() -> None:
    found = compare_pair(ONE, ONE - 0.1)
    assert math.isnan(found.p_t)
    assert "same on every unit" in found.reason
    assert "all equal" in compare_groups([np.ones(6), np.ones(6)]).reason


def test_swapping_the_two_turns_every_sign_and_no_p() -> None:
    one, other = compare_pair(ONE, OTHER), compare_pair(OTHER, ONE)
    assert (one.t, one.d_z, one.difference) == pytest.approx((-other.t, -other.d_z, -other.difference))
    assert (one.p_t, one.p_wilcoxon) == pytest.approx((other.p_t, other.p_wilcoxon))
    assert (one.d_z_low, one.d_z_high) == pytest.approx((-other.d_z_high, -other.d_z_low), rel=1e-6)


def test_values_of_different_units_are_refused() -> None:
    with pytest.raises(InputError, match="one of each unit, in the same order"):
        compare_pair(ONE, OTHER[:5])
    with pytest.raises(InputError, match="two or more expected"):
        compare_groups([ONE])


@pytest.mark.parametrize("units", [5, 23, 70])
@pytest.mark.parametrize("t", [-60.0, -16.898, -10.9417, -3.0, 0.0])
def test_the_interval_of_d_has_two_ends_and_mirrors_the_sign(t: float, units: int) -> None:
    """Where scipy's distribution of a negative t is NaN too."""
    d = t / np.sqrt(units)
    low, high = cohens_d_interval(d, units=units)
    assert low < d <= high
    mirrored = cohens_d_interval(-d, units=units)
    assert (low, high) == pytest.approx((-mirrored[1], -mirrored[0]))
    for end, share in ((mirrored[0], 0.975), (mirrored[1], 0.025)):
        assert stats.nct.cdf(abs(t), units - 1, end * np.sqrt(units)) == pytest.approx(share, abs=1e-6)
