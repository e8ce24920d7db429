"""Friedman's test and Nemenyi's critical difference, against hand-computed values."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from hashquant.errors import HashQuantError
from hashquant.statistics.ranks import critical_difference, groups, rank_test


def range_of_normals(size, rows):
    """The chance that the range of so many standard normal values is at most `size`."""
    inside = quad(lambda x: norm.pdf(x) * (norm.cdf(x + size) - norm.cdf(x)) ** (rows - 1), -9, 9)
    return rows * inside[0]


@pytest.mark.parametrize(("rows", "blocks"), [(3, 5), (4, 14), (12, 26)])
def test_the_critical_difference_is_the_range_of_normals_in_units_of_a_rank(rows, blocks):
    difference = critical_difference(rows, blocks)
    spread = math.sqrt(rows * (rows + 1) / (12 * blocks))
    assert range_of_normals(difference / spread, rows) == pytest.approx(0.95, abs=1e-6)


def test_of_two_rows_it_is_the_normal_quantile():
    assert critical_difference(2, 10) == pytest.approx(norm.ppf(0.975) * math.sqrt(6 / 60))


def test_five_blocks_in_one_order_by_hand():
    found = rank_test(np.array([[0.3, 0.2, 0.1]] * 5))
    assert found.mean_ranks == (1.0, 2.0, 3.0)
    # Rank sums 5, 10, 15: 12 / (5·3·4) · 350 − 3·5·4 = 10, and chi² of 2 degrees has exp(−x/2).
    assert found.p_value == pytest.approx(math.exp(-5))
    assert found.groups == [(0, 1), (1, 2)]


def test_ties_share_their_mean_rank():
    scores = np.array([[0.5, 0.5, 0.1]] * 4 + [[0.1, 0.5, 0.5]])
    assert rank_test(scores).mean_ranks == pytest.approx((1.8, 1.5, 2.7))


def test_rows_that_never_differ_are_one_group():
    found = rank_test(np.full((6, 4), 0.25))
    assert found.p_value == 1.0
    assert found.groups == [(0, 1, 2, 3)]


def test_without_a_significant_test_nothing_is_told_apart():
    scores = np.array([[3, 2, 1], [1, 2, 3], [3, 2, 1], [1, 2, 3], [2, 3, 1]]) / 10
    found = rank_test(scores)
    assert found.p_value > 0.05
    assert found.groups == [(1, 0, 2)]


def test_groups_are_the_largest_ones():
    assert groups([1.0, 1.5, 1.9, 5.0, 5.2], 1.0) == [(0, 1, 2), (3, 4)]
    assert groups([1.0, 3.0, 5.0], 1.0) == []
    assert groups([1.0, 2.0], 1.0) == []


@pytest.mark.parametrize(
    ("scores", "said"),
    [(np.ones((4, 3)), "5 blocks or more, got 3 rows and 4 blocks"),
     (np.ones((5, 2)), "got 2 rows and 5 blocks"),
     (np.full((5, 3), np.nan), "got NaN")],
)  # fmt: skip
def test_what_no_test_fits_is_refused(scores, said):
    with pytest.raises(HashQuantError, match=said):
        rank_test(scores)
