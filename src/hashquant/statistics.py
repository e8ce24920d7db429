"""Intervals and tests for means over queries and training seeds, and Holm's correction.

A mean average precision is uncertain in two ways: other people might have been queried, and the
network might have been trained from another seed. `Resampler` draws both, as arrays of replicates
from which any contrast can be formed: a difference, a ratio, a mean over code lengths.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from hashquant.errors import HashQuantError

#: A contrast this close to zero is rounding.
ROUNDING = 1e-12
#: Elements of one block of identity draws in memory.
BLOCK = 1 << 20

PerSeed = Float64[np.ndarray, "s q"]
Replicates = Float64[np.ndarray, " b"]


@dataclass(frozen=True)
class Interval:
    """An estimate and its percentile interval."""

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


class Resampler:
    """Hierarchical bootstrap of a mean over queries: identities and training seeds are drawn anew.

    Identities: queries of one person are kept together. A replicate draws the identities with
    replacement and adds up their jackknife influences (by how much the mean moves when an identity
    is left out), so that identities with many queries are not trusted too much; deviations are
    scaled by draws of sqrt((k - 1) / chi²), whose spread is that of Student's t with k - 1 degrees
    of freedom. These draws are the same for all cells of one query set: differences are paired.

    Seeds: two to five values cannot be resampled honestly (drawing n of n understates their
    variance by (n - 1) / n, and its percentiles ignore that the variance itself is a guess).
    A replicate moves the mean by a random combination of the seeds' deviations that follows
    Student's t with n - 1 degrees of freedom: exact for normal seed effects. A difference of two
    streams is then Behrens' and Fisher's, whose size stays below its level (Robinson, Annals of
    Statistics 4, 1976). With two seeds t is a Cauchy, its 97.5 % point 12.7 standard errors:
    little is significant then. One seed: the replicates say nothing of training.

    What a seed does to single identities enters both parts, for no bootstrap of a crossed design
    is exact (McCullagh, Bernoulli 6, 2000; Owen, Annals of Applied Statistics 1, 2007): intervals
    are wider than need be where this is most of the spread, never narrower.

    Args:
        identity: whom each query shows.
        replicates: how many are drawn.
        seed: of all draws; the same arguments give the same replicates, in any order of calls.
        queries: name of the query set. Sets of other names or identities are drawn independently.

    Raises:
        HashQuantError: for fewer than two identities.
    """

    def __init__(
        self,
        identity: Int64[np.ndarray, " q"],
        *,
        replicates: int = 5000,
        seed: int = 0,
        queries: str = "",
    ) -> None:
        people, self._cluster, held = np.unique(
            identity, return_inverse=True, return_counts=True
        )
        if len(people) < 2:
            raise HashQuantError(f"identity must name two or more people, got {len(people)}")
        self._people, self._count, self._seed = len(people), replicates, seed
        order = hashlib.sha256(np.ascontiguousarray(identity).tobytes()).hexdigest()
        generator = _generator(seed, "identities", queries, order)
        self._drawn = _multiplicities(generator, replicates, self._people)
        freedom = max(1.0, held.sum() ** 2 / (held**2).sum() - 1)
        self._spread = np.sqrt(freedom / generator.chisquare(freedom, replicates))

    def mean(self, ap: PerSeed) -> float:
        """Return the mean over seeds of the mean over queries; NaN marks an excluded query.

        Raises:
            HashQuantError: if a row has no finite value, or not one value a query.
        """
        sums, counts = self._by_identity(ap)
        return float((sums.sum(axis=1) / counts.sum(axis=1)).mean())

    def replicates(self, ap: PerSeed, stream: str) -> Replicates:
        """Return bootstrap replicates of the mean, whose centre it is.

        The same `stream` and number of seeds give the same draws of seeds, in every query set
        (the runs of one method, examined on two targets); another stream independent ones.

        Raises:
            HashQuantError: as `mean`, and if all finite values are of one identity.
        """
        sums, counts = self._by_identity(ap)
        means = sums.sum(axis=1) / counts.sum(axis=1)
        moved = self._identity_part(sums, counts) + self._seed_part(means, stream)
        return means.mean() + moved

    def _by_identity(
        self, ap: PerSeed
    ) -> tuple[Float64[np.ndarray, "s k"], Float64[np.ndarray, "s k"]]:
        """Return the sum and the number of finite values of every identity."""
        seeds, queries = ap.shape
        if queries != len(self._cluster):
            raise HashQuantError(f"ap must have {len(self._cluster)} queries, got {queries}")
        finite = np.isfinite(ap)
        if seeds == 0 or not finite.any(axis=1).all():
            raise HashQuantError("ap must have a finite value in every row, and a row")
        place = (np.arange(seeds)[:, None] * self._people + self._cluster)[finite]
        size = seeds * self._people
        sums = np.bincount(place, weights=ap[finite], minlength=size)
        counts = np.bincount(place, minlength=size).astype(np.float64)
        return sums.reshape(seeds, -1), counts.reshape(seeds, -1)

    def _identity_part(
        self, sums: Float64[np.ndarray, "s k"], counts: Float64[np.ndarray, "s k"]
    ) -> Replicates:
        total = counts.sum(axis=1, keepdims=True)
        if (counts == total).any():
            raise HashQuantError("ap must have finite values of two or more identities in each row")
        means = sums.sum(axis=1, keepdims=True) / total
        influence = ((sums - means * counts) / (total - counts)).mean(axis=0)
        present = int(counts.any(axis=0).sum())
        influence *= np.sqrt((present - 1) / present)
        rows = max(1, BLOCK // self._people)
        starts = range(0, self._count, rows)
        drawn = np.concatenate([self._drawn[i : i + rows] @ influence for i in starts])
        return (drawn - influence.sum()) * self._spread

    def _seed_part(self, means: Float64[np.ndarray, " s"], stream: str) -> Replicates:
        seeds = len(means)
        if seeds == 1:
            return np.zeros(self._count)
        deviations = means - means[0]  # exactly zero for runs that agree
        deviations -= deviations.mean()
        generator = _generator(self._seed, "seeds", stream, seeds)
        normal = generator.standard_normal((self._count, seeds)) @ deviations
        # One chi² for all streams: a contrast of them is t with n - 1 degrees of freedom, too.
        chi2 = _generator(self._seed, "seed variance", seeds).chisquare(seeds - 1, self._count)
        return normal / np.sqrt(seeds * chi2)


def interval(estimate: float, replicates: Replicates, level: float = 0.95) -> Interval:
    """Return the estimate with the percentile interval of its replicates.

    >>> interval(0.5, np.linspace(0.0, 1.0, 101), level=0.9).low
    0.041

    Raises:
        HashQuantError: for a NaN, or for too few replicates to have such percentiles.
    """
    return Interval(estimate, *_percentiles(estimate, replicates, level), level)


def difference(estimate: float, replicates: Replicates, level: float = 0.95) -> Difference:
    """Return a contrast with its percentile interval and two-sided p-value.

    The p-value is twice the smaller tail beyond zero, the estimate counted as one more replicate
    on either side: never 0, and 1 if all replicates are zero.

    >>> difference(0.5, np.linspace(-0.01, 1.0, 102)).p_value  # two of them are not above zero
    0.05825242718446602

    Raises:
        HashQuantError: for a NaN, or for too few replicates to have such percentiles.
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


def _percentiles(estimate: float, replicates: Replicates, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    if not 0 < tail * (len(replicates) + 1) + 1e-9 >= 1:
        raise HashQuantError(
            f"replicates must be enough for level {level}, got {len(replicates)} of them"
        )
    if np.isnan(estimate) or np.isnan(replicates).any():
        raise HashQuantError("estimate and replicates must be numbers, got NaN")
    # Order statistic (b + 1) * tail: the interval excludes zero where the p-value says so.
    low, high = np.quantile(replicates, [tail, 1 - tail], method="weibull")
    return float(low), float(high)


def _generator(seed: int, *name: str | int) -> np.random.Generator:
    digest = hashlib.sha256(json.dumps([seed, *name]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _multiplicities(
    generator: np.random.Generator, replicates: int, people: int
) -> UInt8[np.ndarray, "b k"]:
    """Return how often each identity stands in each draw of as many identities as there are."""
    drawn = np.empty((replicates, people), dtype=np.uint8)  # 255 times has probability < 1e-500
    rows = max(1, BLOCK // people)
    for start in range(0, replicates, rows):
        part = drawn[start : start + rows]
        place = generator.integers(people, size=part.shape) + np.arange(len(part))[:, None] * people
        part[:] = np.bincount(place.ravel(), minlength=part.size).reshape(part.shape)
    return drawn
