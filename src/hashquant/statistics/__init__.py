"""Intervals and tests for means over queries and training seeds, and Holm's correction.

A mean average precision is uncertain in two ways: other people might have been queried, and the
network might have been trained from another seed. `Resampler` draws both, as arrays of replicates
from which any contrast can be formed: a difference, a ratio, a mean over code lengths.
Numbers in, numbers out: what a row or a target is stays in `report`.
"""

from hashquant.statistics._intervals import (
    Difference,
    Interval,
    difference,
    holm,
    interval,
    logit,
    logit_slope,
    share_interval,
)
from hashquant.statistics._least import least_difference
from hashquant.statistics._means import mean_interval, paired_difference
from hashquant.statistics._moderation import Moderation, SeedVariance, Spread, moderate
from hashquant.statistics._resampling import Resampler
from hashquant.statistics._simultaneous import simultaneous

__all__ = [
    "Difference", "Interval", "Moderation", "Resampler", "SeedVariance", "Spread", "chance",
    "difference", "holm", "interval", "least_difference", "logit", "logit_slope", "mean_interval",
    "moderate", "paired_difference", "ranks", "share_interval", "simultaneous",
]  # fmt: skip
