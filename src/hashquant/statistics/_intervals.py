"""Estimates with percentile intervals and two-sided p-values, and Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from hashquant.errors import HashQuantError

#: A contrast this close to zero is rounding.
ROUNDING = 1e-12

#: How near to 0 and 1 a share's logit is taken.
EDGE = 1e-6

Replicates = Float64[np.ndarray, " b"]


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval."""

    estimate: float
    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class Difference:
    """A contrast, its percentile interval and the two-sided p-value of "it is zero"."""

    estimate: float
    low: float
    high: float
    p_value: float
    level: float = 0.95


def interval(estimate: float, replicates: Replicates, level: float = 0.95) -> Interval:
    """Return the estimate with the percentile interval of its replicates.

    >>> interval(50.0, np.arange(1.0, 100.0), level=0.5)
    Interval(estimate=50.0, low=25.0, high=75.0, level=0.5)

    Raises:
        HashQuantError: for NaN, a level outside 0 … 1, or too few replicates for that level.
    """
    return Interval(estimate, *_percentiles(estimate, replicates, level), level)


def share_interval(estimate: float, replicates: Replicates, level: float = 0.95) -> Interval:
    """Return a share of 0 … 1 with an interval that stays there, made on the scale of its logit.

    The replicates' distances from the estimate are divided by the logit's slope, and the ends
    carried back: never below 0 or above 1, and nothing is cut off.

    >>> found = share_interval(0.5, np.linspace(-0.5, 1.5, 99))
    >>> round(found.low, 3), round(found.high, 3)
    (0.02, 0.98)

    Raises:
        HashQuantError: for NaN, a level outside 0 … 1, or too few replicates for that level.
    """
    from scipy.special import expit

    low, high = _percentiles(estimate, replicates, level)
    at, slope = logit(estimate), logit_slope(estimate)
    carried = [float(expit(at + (end - estimate) * slope)) for end in (low, high)]
    return Interval(estimate, carried[0], carried[1], level)


def logit(share: float) -> float:
    """Return log(p / (1 - p)) of a share, kept `EDGE` away from 0 and 1.

    >>> logit(0.5), round(logit(1.0))
    (0.0, 14)
    """
    inside = min(max(share, EDGE), 1 - EDGE)
    return math.log(inside / (1 - inside))


def logit_slope(share: float) -> float:
    """Return how fast the logit of a share grows there, 1 / (p (1 - p)).

    >>> logit_slope(0.5)
    4.0
    """
    inside = min(max(share, EDGE), 1 - EDGE)
    return 1 / (inside * (1 - inside))


def difference(estimate: float, replicates: Replicates, level: float = 0.95) -> Difference:
    """Return a contrast with its percentile interval and two-sided p-value.

    The p-value is twice the smaller tail beyond zero, the estimate counted as one more replicate
    on either side: never 0, and 1 if all replicates are zero.

    >>> difference(48.0, np.arange(-1.0, 98.0)).p_value  # two of 99 are not above zero
    0.06

    Raises:
        HashQuantError: for NaN, a level outside 0 … 1, or too few replicates for that level.
    """
    low, high = _percentiles(estimate, replicates, level)
    tail = min((replicates <= ROUNDING).sum(), (replicates >= -ROUNDING).sum())
    p_value = min(1.0, 2 * float(tail + 1) / (len(replicates) + 1))
    return Difference(estimate, low, high, p_value, level)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for all of them together, by Holm (1979), in the given order.

    >>> holm([0.5, 0.25, 0.25])
    [0.75, 0.75, 0.75]

    Raises:
        HashQuantError: for a value outside 0 … 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise HashQuantError(f"p_values must lie in 0 … 1, got {list(p_values)}")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def _percentiles(estimate: float, replicates: Replicates, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    if not 0 < level < 1:
        raise HashQuantError(f"level must lie between 0 and 1, got {level}")
    if len(replicates) < (least := math.ceil(1 / tail - 1 - 1e-9)):
        raise HashQuantError(f"replicates must be {least} or more, got {len(replicates)}")
    if np.isnan(estimate) or np.isnan(replicates).any():
        raise HashQuantError("estimate and replicates must be numbers, got NaN")
    # Order statistic (b + 1) * tail: the interval excludes zero where the p-value says so.
    low, high = np.quantile(replicates, [tail, 1 - tail], method="weibull")
    return float(low), float(high)
