"""Intervals, tests and corrections against hand-made cases, Student's t and scipy's bootstrap."""

from dataclasses import FrozenInstanceError
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hashquant.errors import HashQuantError
from hashquant.statistics import (
    Resampler,
    Spread,
    difference,
    holm,
    interval,
    mean_interval,
    paired_difference,
)

MANY = 20_000  # replicates: a 97.5 % point of t(2) is then known to about 2.5 %


def people(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def some_queries(seeds=3, identities=30, seed=0):
    """Queries clustered by identity: whom they show, and their average precision."""
    rng = np.random.default_rng(seed)
    identity = people(rng.integers(1, 9, identities))
    ap = rng.uniform(size=identities)[identity] + rng.normal(0, 0.1, (seeds, len(identity)))
    return identity, ap


def without_identities(means, queries=6):
    """Average precision that differs between seeds only."""
    return np.repeat(np.array(means)[:, None], queries, axis=1)


def test_the_mean_is_over_seeds_of_means_over_finite_queries():
    resampler = Resampler(np.array([0, 0, 1, 1]))
    ap = np.array([[1.0, 0.5, np.nan, 0.0], [1.0, np.nan, np.nan, 0.5]])
    assert resampler.mean(ap) == (0.5 + 0.75) / 2


def test_seeds_alone_give_students_interval():
    means = [0.50, 0.53, 0.58]
    ours = mean_interval(without_identities(means), people([2, 2, 2]), replicates=MANY)
    theirs = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert ours.estimate == pytest.approx(np.mean(means))
    assert ours.high - ours.estimate == pytest.approx(theirs.high - ours.estimate, rel=0.08)
    assert ours.estimate - ours.low == pytest.approx(ours.estimate - theirs.low, rel=0.08)


def test_one_query_an_identity_gives_students_interval():
    rng = np.random.default_rng(3)
    ap = rng.normal(0.5, 0.1, (1, 8))
    ours = mean_interval(ap, np.arange(8), replicates=MANY, level=0.9)
    theirs = stats.ttest_1samp(ap[0], 0).confidence_interval(0.9)
    assert ours.high - ours.low == pytest.approx(theirs.high - theirs.low, rel=0.06)
    assert ours.level == 0.9


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_contrast_of_two_streams_is_t_on_welchs_standard_error(seeds):
    rng = np.random.default_rng(seeds)
    a, b = rng.normal(0.6, 0.01, seeds), rng.normal(0.5, 0.03, seeds)
    ours = paired_difference(
        without_identities(a), without_identities(b), people([2, 2, 2]), replicates=MANY, level=0.8
    )
    error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / seeds)
    half = stats.t.ppf(0.9, seeds - 1) * error
    assert (ours.high - ours.low) / 2 == pytest.approx(half, rel=0.05)


def test_identities_alone_agree_with_scipys_bootstrap_of_sums_and_counts():
    identity, ap = some_queries(seeds=1, identities=400)
    sums, counts = np.bincount(identity, ap[0]), np.bincount(identity)
    theirs = stats.bootstrap(
        (sums, counts),
        lambda s, c, axis: s.sum(axis=axis) / c.sum(axis=axis),
        paired=True, n_resamples=MANY, method="percentile", rng=np.random.default_rng(0),
    )  # fmt: skip
    ours = mean_interval(ap, identity, replicates=MANY)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.04 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.04 * width)


def test_the_spread_over_unequal_identities_is_the_jackknifes():
    identity, ap = some_queries(seeds=1, identities=25)
    left_out = np.array([ap[0, identity != i].mean() for i in range(25)])
    jackknife = np.sqrt(24 / 25 * np.square(left_out - left_out.mean()).sum())
    sizes = np.bincount(identity)
    freedom = sizes.sum() ** 2 / np.square(sizes).sum() - 1
    drawn = Resampler(identity, replicates=MANY).replicates(ap, "a")
    low, high = np.quantile(drawn - ap.mean(), [0.16, 0.84])
    expected = stats.t.ppf(0.84, freedom) * jackknife
    assert (high - low) / 2 == pytest.approx(expected, rel=0.04)


def test_few_effective_identities_widen_the_draws():
    drawn = Resampler(people([6, 2, 2, 2]), replicates=MANY)
    freedom = 12**2 / (36 + 4 + 4 + 4) - 1  # 2, not the 3 of four equal ones
    chi2 = freedom / np.square(drawn._spread)
    assert stats.kstest(chi2, stats.chi2(freedom).cdf).pvalue > 0.01
    assert stats.kstest(chi2, stats.chi2(3).cdf).pvalue < 1e-6


def test_replicates_depend_neither_on_the_order_of_calls_nor_on_the_object():
    identity, ap = some_queries()
    first, second = Resampler(identity, replicates=99), Resampler(identity, replicates=99)
    second.replicates(ap[:2], "other")
    assert np.array_equal(first.replicates(ap, "a"), second.replicates(ap, "a"))
    assert not np.array_equal(first.replicates(ap, "a"), second.replicates(ap, "b"))
    other = Resampler(identity, replicates=99, seed=1)
    assert not np.array_equal(first.replicates(ap, "a"), other.replicates(ap, "a"))


def test_a_stream_draws_the_same_seeds_in_every_query_set():
    near, far = Resampler(people([2, 2, 2])), Resampler(people([1, 1, 2, 2]), queries="far")
    ap = without_identities([0.1, 0.2, 0.4])
    assert np.allclose(near.replicates(ap, "a"), far.replicates(ap, "a"), rtol=0, atol=1e-12)
    signs = [x > ap.mean() for x in (near.replicates(ap, "a"), far.replicates(ap, "b"))]
    assert np.mean(signs[0] == signs[1]) == pytest.approx(0.5, abs=0.03)


def test_query_sets_of_other_names_or_identities_are_drawn_independently():
    identity, ap = some_queries(seeds=1)
    here = Resampler(identity).replicates(ap, "a")
    for other in (Resampler(identity, queries="there"), Resampler(identity[::-1].copy())):
        assert abs(np.corrcoef(here, other.replicates(ap, "a"))[0, 1]) < 0.1
    assert np.array_equal(here, Resampler(identity).replicates(ap, "a"))


def test_one_identity_draw_serves_all_cells():
    identity, ap = some_queries(seeds=1)
    shifted = paired_difference(ap + 0.01, ap, identity)
    assert shifted.low == pytest.approx(0.01) == shifted.high
    assert shifted.p_value == pytest.approx(2 / 5001)


def test_equal_streams_pair_the_seeds_and_numbers_of_seeds_may_differ():
    identity, ap = some_queries()
    paired = paired_difference(ap + 0.01, ap, identity, streams=("a", "a"))
    apart = paired_difference(ap + 0.01, ap, identity)
    assert paired.high - paired.low < 1e-9 < apart.high - apart.low
    assert paired_difference(ap, ap[:2], identity).estimate == pytest.approx(
        ap.mean() - ap[:2].mean()
    )


@pytest.mark.parametrize("seeds", [1, 3])
def test_nothing_differs_from_itself(seeds):
    identity, ap = some_queries(seeds)
    same = paired_difference(ap, ap.copy(), identity, streams=("a", "a"))
    assert same == difference(0.0, np.zeros(5000))
    assert (same.estimate, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert paired_difference(ap, ap, identity).p_value > 0.9


def test_runs_that_agree_have_no_spread_of_seeds():
    identity, ap = some_queries(seeds=1)
    resampler = Resampler(identity, replicates=99)
    alone, thrice = (resampler.replicates(x, "a") for x in (ap, np.repeat(ap, 3, axis=0)))
    assert np.allclose(alone, thrice, rtol=0, atol=1e-15)


@pytest.mark.parametrize("freedom", [4.5, np.inf])
def test_a_spread_gives_students_interval_of_its_variance_and_freedom(freedom):
    spread, resampler = Spread(0.0004, freedom), Resampler(people([2, 2, 2]), replicates=MANY)
    for means in ([0.50, 0.53, 0.58], [0.4, 0.4, 0.4], [0.5]):
        cell = without_identities(means)
        found = interval(resampler.mean(cell), resampler.replicates(cell, "a", spread))
        half = stats.t.ppf(0.975, freedom) * np.sqrt(0.0004 / len(means))
        assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.08)


def test_seeds_that_agree_pair_under_a_spread_too():
    lucky, resampler = without_identities([0.5, 0.5]), Resampler(people([2, 2, 2]))
    drawn = [resampler.replicates(lucky, "a", Spread(0.01, 3.0)) for _ in range(2)]
    assert np.ptp(drawn[0]) > 0.1
    assert difference(0.0, drawn[0] - drawn[1]).p_value == 1.0


def test_other_people_with_the_same_seeds_leave_training_out():
    identity, ap = some_queries()
    resampler = Resampler(identity, replicates=999)
    alone = resampler.people(ap)
    np.testing.assert_allclose(alone, resampler.replicates(ap.mean(0, keepdims=True), "a"))
    assert np.std(resampler.replicates(ap, "a", Spread(0.01, 9.0))) > 1.5 * np.std(alone)


def test_rounding_is_no_difference():
    identity, ap = some_queries(seeds=1)
    assert paired_difference(ap + 1e-16, ap - 1e-16, identity).p_value == 1.0


def test_an_excluded_query_counts_for_nobody():
    identity, ap = some_queries(seeds=2)
    kept = identity != 5
    some = np.where(kept, ap, np.nan)
    ours = mean_interval(some, identity, replicates=MANY)
    without = mean_interval(ap[:, kept], identity[kept], replicates=MANY)
    assert ours.estimate == pytest.approx(without.estimate, abs=1e-12)
    assert ours.high - ours.low == pytest.approx(without.high - without.low, rel=0.15)


def test_draws_in_blocks_are_draws_of_as_many_identities(monkeypatch):
    identity, ap = some_queries(seeds=1, identities=7)
    monkeypatch.setattr("hashquant.statistics._resampling.BLOCK", 20)
    ours = Resampler(identity, replicates=501)
    assert ours._drawn.shape == (501, 7)
    assert (ours._drawn.sum(axis=1) == 7).all()
    assert ours._drawn.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)
    assert len(ours.replicates(ap, "a")) == 501


def test_percentiles_are_order_statistics_and_agree_with_the_p_value():
    drawn = np.arange(-24.0, 975.0)  # 999 replicates: the 25th is the 2.5 % point
    found = interval(475.0, drawn)
    assert (found.low, found.high) == (pytest.approx(0.0, abs=1e-9), pytest.approx(950.0))
    assert difference(475.0, drawn).p_value == pytest.approx(2 * 26 / 1000)
    assert difference(475.0, drawn + 0.5).p_value == pytest.approx(2 * 25 / 1000)
    assert difference(-475.0, -drawn - 0.5).p_value == pytest.approx(2 * 25 / 1000)
    assert difference(475.0, drawn + 0.5).low > 0


def test_a_p_value_is_never_zero():
    assert difference(1.0, np.ones(99)).p_value == 2 / 100


def test_results_do_not_change():
    with pytest.raises(FrozenInstanceError):
        interval(0.0, np.zeros(99)).low = 1.0


@pytest.mark.parametrize(
    ("estimate", "drawn", "level", "message"),
    [
        (0.0, np.zeros(38), 0.95, "replicates must be 39 or more, got 38"),
        (np.nan, np.zeros(99), 0.95, "must be numbers"),
        (0.0, np.full(99, np.nan), 0.95, "must be numbers"),
        (0.0, np.zeros(99), 1.0, "level must lie between 0 and 1"),
    ],
)
def test_intervals_refuse_what_has_no_percentiles(estimate, drawn, level, message):
    for judge in (interval, difference):
        with pytest.raises(HashQuantError, match=message):
            judge(estimate, drawn, level)
    assert interval(0.0, np.zeros(39)).low == 0.0


@pytest.mark.parametrize(
    ("ap", "message"),
    [
        (np.zeros((2, 3)), "must have 4 queries, got 3"),
        (np.array([[0.5] * 4, [np.nan] * 4]), "finite value in every row"),
        (np.zeros((0, 4)), "finite value in every row, and a row"),
        (np.array([[0.5, 0.2, np.nan, np.nan]]), "two or more identities"),
    ],
)
def test_replicates_refuse_what_they_cannot_resample(ap, message):
    with pytest.raises(HashQuantError, match=message):
        Resampler(np.array([0, 0, 1, 1])).replicates(ap, "a")


def test_one_identity_is_refused():
    with pytest.raises(HashQuantError, match="two or more people, got 1"):
        Resampler(np.zeros(4, dtype=np.int64))


def test_holm_by_hand():
    # Sorted: 4 * 0.005, 3 * 0.01, 2 * 0.03, 1 * 0.04 -> 0.02, 0.03, 0.06, max(0.06, 0.04).
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    places = range(len(p_values))
    groups = [g for size in places for g in combinations(places, size + 1)]
    adjusted = [
        min(1.0, max(len(g) * min(p_values[j] for j in g) for g in groups if i in g))
        for i in places
    ]
    assert holm(p_values) == pytest.approx(adjusted)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan])
def test_holm_refuses_what_is_no_p_value(wrong):
    with pytest.raises(HashQuantError, match="p_values must lie in 0 … 1"):
        holm([0.5, wrong])
