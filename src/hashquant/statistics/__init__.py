"""Intervals and tests for means over queries and training seeds, and Holm's correction.

A mean average precision is uncertain in two ways: other people might have been queried, and the
network might have been trained from another seed. `Resampler` draws both, as arrays of replicates
from which any contrast can be formed: a difference, a ratio, a mean over code lengths.
Numbers in, numbers out: what a row or a target is stays in `report`.
"""

from hashquant.statistics._intervals import Difference, Interval, difference, holm, interval
from hashquant.statistics._means import mean_interval, paired_difference
from hashquant.statistics._resampling import Resampler
from hashquant.statistics._simultaneous import simultaneous
from hashquant.statistics._spread import Spread, pooled_spread

__all__ = [
    "Difference", "Interval", "Resampler", "Spread", "chance", "difference", "holm", "interval",
    "mean_interval", "paired_difference", "pooled_spread", "ranks", "simultaneous",
]  # fmt: skip
