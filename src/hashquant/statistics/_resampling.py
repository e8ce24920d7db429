"""The hierarchical bootstrap of a mean over queries: identities and training seeds drawn anew."""

import hashlib
import json
import math

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from hashquant.errors import HashQuantError
from hashquant.statistics._intervals import Replicates
from hashquant.statistics._moderation import Spread

#: Elements of one block of identity draws in memory.
BLOCK = 1 << 20

PerSeed = Float64[np.ndarray, "s q"]


class Resampler:
    """Hierarchical bootstrap of a mean over queries: identities and training seeds are drawn anew.

    Identities: the queries of one person stay together. A replicate draws identities with
    replacement and adds up their jackknife influences (how far the mean moves when one is left
    out), so that the spread is the jackknife's and no draw is without queries. Factors
    sqrt(f / chi²) turn it into Student's t, for few or unequal identities: f is Kish's effective
    number of them, (sum of sizes)² / (sum of squared sizes), less one. All cells of a query set
    share these draws, so that differences are paired.

    Seeds: resampling n of n understates their variance by (n - 1) / n, and its percentiles ignore
    that two to five values hardly tell a variance. A replicate instead moves the mean by a random
    combination of the seeds' deviations that is Student's t, exact if seed effects are normal. The
    variance is the seeds' own with n - 1 degrees of freedom, or a `Spread` learnt from more cells:
    the 97.5 % point is 12.7 standard errors for two seeds alone, and 2.4 with 8 degrees of freedom.
    All streams share one draw of the quantile of chi², which makes any contrast of cells of equal
    freedom a t of that freedom on Welch's standard error: never liberal (Mickey and Brown, Annals
    of Mathematical Statistics 37, 1966). With one seed and no `Spread` the replicates say nothing
    of training.

    What a seed does to single identities enters both parts, for no bootstrap of a crossed design
    is exact (McCullagh, Bernoulli 6, 2000): where it prevails, intervals are wider than need be.

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
        people, self._cluster, held = np.unique(identity, return_inverse=True, return_counts=True)
        if len(people) < 2:
            raise HashQuantError(f"identity must name two or more people, got {len(people)}")
        self._people, self._count, self._seed = len(people), replicates, seed
        generator = _generator(seed, "identities", queries, identity.tolist())
        self._drawn = _multiplicities(generator, replicates, self._people)
        freedom = max(1.0, held.sum() ** 2 / (held**2).sum() - 1)
        self._spread = np.sqrt(freedom / generator.chisquare(freedom, replicates))
        self._chance = _generator(seed, "seed variance").uniform(size=replicates)

    def mean(self, ap: PerSeed) -> float:
        """Return the mean over seeds of the mean over queries; NaN marks an excluded query.

        Raises:
            HashQuantError: if a row has no finite value, or not one value a query.
        """
        sums, counts = self._by_identity(ap)
        return float((sums.sum(axis=1) / counts.sum(axis=1)).mean())

    def replicates(self, ap: PerSeed, stream: str, spread: Spread | None = None) -> Replicates:
        """Return bootstrap replicates of the mean, whose centre it is.

        The same `stream` and number of seeds give the same draws of seeds, in every query set
        (the runs of one method examined on two targets, their rows in the same order); another
        stream gives independent ones. A `spread` says how the mean moves from seed to seed,
        in place of what these seeds alone say.

        Raises:
            HashQuantError: as `mean`, and if all finite values are of one identity.
        """
        sums, counts = self._by_identity(ap)
        means = sums.sum(axis=1) / counts.sum(axis=1)
        moved = self._identity_part(sums, counts) + self._seed_part(means, stream, spread)
        drawn: Replicates = means.mean() + moved
        return drawn

    def people(self, ap: PerSeed) -> Replicates:
        """Return replicates of the mean of these trained networks: other people, the same seeds.

        Raises:
            HashQuantError: as `replicates`.
        """
        sums, counts = self._by_identity(ap)
        mean = float((sums.sum(axis=1) / counts.sum(axis=1)).mean())
        drawn: Replicates = mean + self._identity_part(sums, counts)
        return drawn

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
        moved: Replicates = (drawn - influence.sum()) * self._spread
        return moved

    def _seed_part(
        self, means: Float64[np.ndarray, " s"], stream: str, spread: Spread | None
    ) -> Replicates:
        seeds = len(means)
        if seeds == 1 and spread is None:
            return np.zeros(self._count)
        deviations = means - means[0]  # exactly zero for runs that agree
        deviations -= deviations.mean()
        squares = float(deviations @ deviations)
        known = spread or Spread(squares / (seeds - 1), float(seeds - 1))
        if squares == 0.0:  # any direction will do, the same one for all that agree
            deviations = np.linspace(-1.0, 1.0, seeds) if seeds > 1 else np.ones(1)
            squares = float(deviations @ deviations)
        generator = _generator(self._seed, "seeds", stream, seeds)
        normal = generator.standard_normal((self._count, seeds)) @ (deviations / np.sqrt(squares))
        moved: Replicates = normal * np.sqrt(known.variance / seeds) * self._widened(known.freedom)
        return moved

    def _widened(self, freedom: float) -> Replicates:
        """Return what turns normal draws into Student's t, sqrt(f / chi²); 1 for f = inf."""
        if math.isinf(freedom):
            return np.ones(self._count)
        from scipy.stats import chi2

        found: Replicates = np.sqrt(freedom / chi2.ppf(self._chance, freedom))
        return found


def _generator(seed: int, *name: str | int | list[int]) -> np.random.Generator:
    """Return a generator of its own for whatever the name says, seeded by their SHA-256."""
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
