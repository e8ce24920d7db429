"""Moderated variances: known limits, planted priors found again, wild rows, copies that count once.

Smyth's formulas are held to his own numbers: the mean and the variance of log s² of a scaled F.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import polygamma

from hashquant.errors import HashQuantError
from hashquant.statistics import SeedVariance, Spread, moderate
from hashquant.statistics._moderation import cell_freedom, group_prior, inverse_trigamma, smyth


def suite(variances, *, seeds=2, rows=8, columns=4, lengths=2, rng=None):
    """Cells whose variances are drawn with n - 1 degrees of freedom around (rows, columns)."""
    rng = rng or np.random.default_rng(0)
    centre = np.broadcast_to(variances, (rows, columns))
    return [
        SeedVariance(f"r{r}", f"c{c}", f"r{r} {k}",
                     float(centre[r, c] * rng.chisquare(seeds - 1) / (seeds - 1)), seeds - 1)
        for r in range(rows) for c in range(columns) for k in range(lengths)
    ]  # fmt: skip


@given(st.floats(1e-5, 1e5))
def test_the_inverse_of_trigamma_is_one(value):
    assert float(polygamma(1, inverse_trigamma(value))) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(("freedom", "variance"), [(4.0, 0.01), (10.0, 2.0)])
def test_a_planted_prior_is_found_again(freedom, variance):
    rng = np.random.default_rng(1)
    own = np.full(4000, 3.0)
    drawn = variance * freedom / rng.chisquare(freedom, 4000) * rng.chisquare(3.0, 4000) / 3.0
    found = smyth(drawn, own, cautious=False)
    assert found.freedom == pytest.approx(freedom, rel=0.15)
    assert found.variance == pytest.approx(variance, rel=0.05)


def test_variances_that_differ_by_chance_alone_are_equal():
    drawn = 0.5 * np.random.default_rng(2).chisquare(3.0, 20_000) / 3.0
    equal = smyth(np.full(400, 0.5), np.full(400, 3.0))
    assert equal == Spread(0.5, math.inf)
    found = smyth(drawn, np.full(20_000, 3.0), cautious=False)
    assert found.freedom > 30
    assert found.variance == pytest.approx(0.5, rel=0.08)


def test_caution_never_takes_variances_for_more_alike():
    rng = np.random.default_rng(3)
    for _ in range(50):
        drawn = rng.chisquare(4.0, 8) / 4.0 * rng.choice([1.0, 4.0], 8)
        bold, careful = (smyth(drawn, np.full(8, 4.0), cautious=c) for c in (False, True))
        assert careful.freedom <= bold.freedom


@pytest.mark.parametrize("freedom", [3.0, 8.0])
def test_how_far_cells_stray_from_a_known_centre_is_found(freedom):
    rng = np.random.default_rng(4)
    drawn = freedom / rng.chisquare(freedom, 3000) * rng.chisquare(1.0, 3000)
    found = cell_freedom([Spread(float(value), 1.0) for value in drawn])
    assert found == pytest.approx(freedom, rel=0.2)


def test_cells_of_one_variance_share_it_with_far_more_freedom_than_their_own():
    found = moderate(suite(0.01))
    spread = found.spread("r0", "c0", 0.01, 2)
    assert spread.variance == pytest.approx(0.01, rel=0.3)
    assert spread.freedom > 5
    more = found.spread("r0", "c0", planned=5)
    assert more.freedom > spread.freedom


def test_rows_and_columns_of_their_own_variance_keep_it():
    centre = np.outer(4.0 ** np.linspace(0, 1, 8), [1.0, 1.0, 9.0, 1.0]) * 0.01
    found = moderate(suite(centre, seeds=6, lengths=4))
    for r in range(8):
        for c in range(4):
            known = found.spread(f"r{r}", f"c{c}", centre[r, c], 6)
            assert known.variance == pytest.approx(centre[r, c], rel=0.5)


def test_a_wild_row_stands_alone_and_takes_no_part_in_the_prior():
    centre = np.full((8, 4), 0.01)
    tame = moderate(suite(centre))
    centre[3] = 1.0
    found = moderate(suite(centre))
    assert found.rows.wild == ("r3",)
    assert found.spread("r3", "c0", 1.0, 2).variance > 0.3
    for row in ("r0", "r5"):
        before, after = (one.spread(row, "c0", 0.01, 2).variance for one in (tame, found))
        assert after == pytest.approx(before, rel=0.3)


def test_copies_and_codes_of_the_same_networks_count_once():
    cells = suite(0.01, rows=6)
    copies = [cell for cell in cells for _ in range(3)]
    once, thrice = moderate(cells), moderate(copies)
    mine, theirs = (one.spread("r1", "c1", 0.02, 2) for one in (once, thrice))
    assert (mine.variance, mine.freedom) == pytest.approx((theirs.variance, theirs.freedom))


def test_a_cell_of_one_seed_borrows_all_it_has():
    found = moderate([*suite(0.01), SeedVariance("r0", "new", "x", 0.0, 0)])
    spread = found.spread("r0", "c0")
    assert spread.variance == pytest.approx(0.01, rel=0.4)
    assert found.spread("a new row", "c0") is not None
    few = moderate(suite(0.01, rows=3, columns=1))
    assert few.spread("a new row", "c0") is None


def test_fewer_rows_than_tell_anything_keep_their_own():
    pooled = {name: Spread(value, 4.0) for name, value in zip("abcd", (1.0, 2.0, 3.0, 9.0))}  # noqa: B905
    assert group_prior(pooled).groups == pooled


def test_without_seeds_that_differ_nothing_is_known():
    assert moderate([]) is None
    assert moderate([SeedVariance("a", "b", "a", 0.0, 0)]) is None
    assert moderate([SeedVariance("a", "b", "a", 0.0, 3)]) is None


@pytest.mark.parametrize("wrong", [-0.1, math.nan])
def test_what_is_no_variance_is_refused(wrong):
    with pytest.raises(HashQuantError, match="variance must be 0 or more"):
        moderate([SeedVariance("a", "b", "a", wrong, 1)])


@given(st.floats(0.01, 100), st.integers(0, 5))
def test_the_unit_of_measurement_does_not_matter(unit, seed):
    plain = suite(0.01, rng=np.random.default_rng(seed))
    scaled = [SeedVariance(c.row, c.column, c.source, c.variance * unit, c.freedom) for c in plain]
    one, other = (moderate(cells).spread("r0", "c0", f * 0.01, 2)
                  for cells, f in ((plain, 1.0), (scaled, unit)))  # fmt: skip
    assert other.variance == pytest.approx(one.variance * unit, rel=1e-6)
    assert other.freedom == pytest.approx(one.freedom, rel=1e-6)


@given(st.permutations(range(16)))
def test_the_order_of_cells_does_not_matter(order):
    cells = suite(0.01, rows=4, columns=2)
    one, other = moderate(cells), moderate([cells[place] for place in order])
    mine, theirs = (m.spread("r2", "c1", 0.02, 2) for m in (one, other))
    assert (mine.variance, mine.freedom) == pytest.approx((theirs.variance, theirs.freedom))
