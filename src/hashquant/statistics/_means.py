"""One mean over queries and seeds with its interval, and the paired difference of two."""

import numpy as np
from jaxtyping import Float64, Int64

from hashquant.statistics._intervals import Difference, Interval, difference, interval
from hashquant.statistics._resampling import PerSeed, Resampler


def mean_interval(
    ap: PerSeed,
    identity: Int64[np.ndarray, " q"],
    *,
    replicates: int = 5000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the mean over seeds and queries with its interval; see `Resampler`."""
    resampler = Resampler(identity, replicates=replicates, seed=seed)
    return interval(resampler.mean(ap), resampler.replicates(ap, "a"), level)


def paired_difference(
    a: PerSeed,
    b: Float64[np.ndarray, "t q"],
    identity: Int64[np.ndarray, " q"],
    *,
    replicates: int = 5000,
    seed: int = 0,
    level: float = 0.95,
    streams: tuple[str, str] = ("a", "b"),
) -> Difference:
    """Return mean(a) - mean(b), paired over the identities of the same queries.

    Equal names in `streams` pair the seeds too (row by row: codes of the same trained networks).
    """
    resampler = Resampler(identity, replicates=replicates, seed=seed)
    drawn = resampler.replicates(a, streams[0]) - resampler.replicates(b, streams[1])
    return difference(resampler.mean(a) - resampler.mean(b), drawn, level)
