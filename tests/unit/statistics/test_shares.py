"""Intervals of a share: within 0 and 1, and the plain ones where the logit is straight."""

import numpy as np
import pytest

from hashquant.statistics import interval, logit, logit_slope, share_interval


def test_a_share_stays_within_0_and_1_and_is_the_plain_interval_far_from_them():
    drawn = 0.03 + 0.05 * np.random.default_rng(0).standard_normal(999)
    found = share_interval(0.03, drawn)
    assert 0 < found.low < 0.03 < found.high < 1
    assert found.high - 0.03 > 0.03 - found.low
    narrow = 0.5 + 0.001 * np.random.default_rng(0).standard_normal(999)
    ours, plain = share_interval(0.5, narrow), interval(0.5, narrow)
    assert (ours.low, ours.high) == (pytest.approx(plain.low), pytest.approx(plain.high))


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_without_any_spread_the_interval_is_the_share(share):
    found = share_interval(share, np.full(99, share))
    assert (found.low, found.high) == (pytest.approx(share, abs=1e-5),) * 2


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_the_slope_is_the_derivative(share):
    step = 1e-6
    rise = (logit(share + step) - logit(share - step)) / (2 * step)
    assert logit_slope(share) == pytest.approx(rise, rel=1e-5)
