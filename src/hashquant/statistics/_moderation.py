"""How much a mean moves from seed to seed, borrowed from all cells of a suite.

The moderated variance of G. K. Smyth, "Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments", Statistical Applications in Genetics and
Molecular Biology 3(1), 2004, with a prior whose centre depends on row and column, as the trend of
limma's does on intensity, and wild rows and columns kept out of it, after B. Phipson, S. Lee,
I. J. Majewski, W. S. Alexander, G. K. Smyth, Annals of Applied Statistics 10(2), 2016.
Neither scipy nor statsmodels has a moderated variance.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from hashquant.errors import HashQuantError
from hashquant.statistics._intervals import holm

#: Fewest groups that a prior is learnt from; fewer stand on their own.
FEWEST = 5
#: How much caution estimates of likeness take: differences at the upper end of their 95 % bound,
#: and a loss of log-likelihood of one standard error.
TAIL, LOSS = 0.05, 0.5
#: Prior freedoms of single cells that are tried; the last stands for "all alike".
FREEDOMS = np.geomspace(1.0, 1000.0, 61)
#: Level at which a group is wild, rounds of fitting, least variance as a share of the mean.
WILD, ROUNDS, LEAST = 0.05, 3, 1e-5

Values = Float64[np.ndarray, " g"]


@dataclass(frozen=True)
class Spread:
    """A variance between training seeds, and the degrees of freedom it is known with."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class SeedVariance:
    """The variance of one cell's seeds, with n - 1 degrees of freedom.

    `row` and `column` say what was trained and what it was examined on; cells of one `source` in a
    column are codes of the same trained networks, and count once.
    """

    row: str
    column: str
    source: str
    variance: float
    freedom: int


@dataclass(frozen=True)
class Prior:
    """What is known of each group, and of one that was not seen; `wild` ones stand alone."""

    groups: Mapping[str, Spread]
    other: Spread | None
    wild: tuple[str, ...] = ()

    def get(self, name: str) -> Spread | None:
        """Return a group's spread."""
        return self.groups.get(name, self.other)


@dataclass(frozen=True)
class Moderation:
    """The variances of a suite: a column's times a row's ratio, and how far cells stray from it.

    `freedom` is the prior's: inf where cells stray from it by chance alone. `seeds` is how many
    most cells have.
    """

    rows: Prior
    columns: Prior
    freedom: float
    seeds: int

    def spread(
        self, row: str, column: str, variance: float = 0.0, seeds: int = 1, *, planned: int = 0
    ) -> Spread | None:
        """Return a cell's variance, given that of its own seeds; None where nothing is known.

        With `planned` seeds, the freedom is what all cells would have with so many.
        """
        ratio, level = self.rows.get(row), self.columns.get(column)
        if ratio is None or level is None:
            return None
        known = 1 / (1 / ratio.freedom + 1 / level.freedom)
        own = seeds - 1
        if planned:
            known *= (planned - 1) / max(1, self.seeds - 1)
            own = planned - 1
        weight = 1.0 if math.isinf(self.freedom) else self.freedom / (self.freedom + own)
        mean = weight * ratio.variance * level.variance + (1 - weight) * variance
        # Squared coefficients of variation add up: the prior's own, and the centre's.
        return Spread(mean, 1 / (1 / (self.freedom + own) + weight**2 / known))


def moderate(cells: Sequence[SeedVariance]) -> Moderation | None:
    """Learn from the seeds of all cells; None where no two seeds differ.

    The centre of the prior is a product: the variance of the cell's column, and the ratio of its
    row. Each is pooled over the other and moderated over its likes, in turn until stable.

    >>> alike = [SeedVariance(r, "lfw", r, 0.01, 1) for r in "abcdef"]
    >>> moderate(alike).spread("a", "lfw", 0.01, 2)
    Spread(variance=0.01, freedom=6.0)

    Raises:
        HashQuantError: for a negative variance, or one that is no number.
    """
    several = [cell for cell in cells if cell.freedom > 0]
    if any(not math.isfinite(cell.variance) or cell.variance < 0 for cell in several):
        raise HashQuantError("variance must be 0 or more in every cell")
    found = np.array([cell.variance for cell in several])
    if not found.any():
        return None
    found = np.maximum(found, LEAST * found.mean())
    rows, columns = _names(c.row for c in several), _names(c.column for c in several)
    by_row = np.array([rows.index(cell.row) for cell in several])
    by_column = np.array([columns.index(cell.column) for cell in several])
    ratio, level = np.ones(len(found)), np.ones(len(found))
    prior = {"rows": Prior({}, None), "columns": Prior(dict.fromkeys(columns, EXACT), EXACT)}
    for _ in range(ROUNDS):
        if len(columns) > 1:
            pooled = _pooled(several, found / ratio, lambda cell: cell.column)
            prior["columns"] = group_prior(pooled)
            level = np.array([prior["columns"].groups[c].variance for c in columns])[by_column]
        prior["rows"] = group_prior(_pooled(several, found / level, lambda cell: cell.row))
        ratio = np.array([prior["rows"].groups[r].variance for r in rows])[by_row]
    single = _pooled(several, found / (ratio * level), lambda cell: f"{cell.source} {cell.column}")
    enough = len(single) > len(rows) + len(columns)
    freedom = cell_freedom(list(single.values())) if enough else math.inf
    freedoms = [cell.freedom for cell in several]
    seeds = 1 + max(set(freedoms), key=freedoms.count)
    return Moderation(prior["rows"], prior["columns"], freedom, seeds)


#: What is known without error.
EXACT = Spread(1.0, math.inf)


def _names(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _pooled(
    cells: Sequence[SeedVariance], values: Values, group: Callable[[SeedVariance], str]
) -> dict[str, Spread]:
    """Return the mean variance of each group; what shares its trained networks counts once."""
    parts: dict[str, dict[tuple[str, str], list[tuple[float, int]]]] = {}
    for cell, value in zip(cells, values, strict=True):
        trained = parts.setdefault(group(cell), {}).setdefault((cell.source, cell.column), [])
        trained.append((float(value), cell.freedom))
    found = {}
    for name, networks in parts.items():
        means = [np.mean([value for value, _ in same]) for same in networks.values()]
        freedoms = [max(freedom for _, freedom in same) for same in networks.values()]
        found[name] = Spread(float(np.average(means, weights=freedoms)), float(sum(freedoms)))
    return found


def group_prior(pooled: Mapping[str, Spread]) -> Prior:
    """Return every group's variance moved towards the others', as far as these are alike.

    Wild groups keep their own, and take no part in what the others are moved to. Fewer than
    `FEWEST` groups keep their own: how alike they are cannot be told.
    """
    if len(pooled) < FEWEST:
        return Prior(dict(pooled), None)
    names = list(pooled)
    variances = np.array([pooled[name].variance for name in names])
    freedoms = np.array([pooled[name].freedom for name in names])
    kept = _tame(variances, freedoms)
    prior, most = smyth(variances[kept], freedoms[kept]), float(freedoms[kept].sum())
    groups = {}
    for name, tame in zip(names, kept, strict=True):
        groups[name] = _posterior(prior, pooled[name], most) if tame else pooled[name]
    wild = tuple(name for name, tame in zip(names, kept, strict=True) if not tame)
    return Prior(groups, Spread(prior.variance, min(prior.freedom, most)), wild)


def _posterior(prior: Spread, own: Spread, most: float) -> Spread:
    if math.isinf(prior.freedom):
        return Spread(prior.variance, most)
    freedom = prior.freedom + own.freedom
    variance = (prior.freedom * prior.variance + own.freedom * own.variance) / freedom
    return Spread(variance, min(freedom, most))


def _tame(variances: Values, freedoms: Values) -> Bool[np.ndarray, " g"]:
    """Return which groups are not wild.

    Each is tested by F against what all others say; Holm's correction runs over them. The wildest
    goes, and the rest is looked at again.
    """
    from scipy.stats import f

    kept = np.ones(len(variances), dtype=bool)
    while kept.sum() >= FEWEST:
        left = np.flatnonzero(kept)
        chances = []
        for place in left:
            others = left[left != place]
            prior = smyth(variances[others], freedoms[others], cautious=False)
            known = min(prior.freedom, float(freedoms[others].sum()))
            ratio = variances[place] / prior.variance
            tails = f.sf(ratio, freedoms[place], known), f.cdf(ratio, freedoms[place], known)
            chances.append(min(1.0, 2 * float(min(tails))))
        if min(holm(chances)) > WILD:
            break
        kept[left[int(np.argmin(chances))]] = False
    return kept


def smyth(variances: Values, freedoms: Values, *, cautious: bool = True) -> Spread:
    """Return the prior of variances by the mean and the variance of their logarithms.

    Its freedom is inf where they differ by chance alone. With caution, they are taken to differ
    as much as their 95 % bound allows: few groups tell little of how alike they are.

    >>> smyth(np.full(9, 0.5), np.full(9, 4.0))
    Spread(variance=0.5, freedom=inf)
    """
    from scipy.special import digamma, polygamma
    from scipy.stats import chi2

    half = freedoms / 2
    shifted = np.log(variances) - digamma(half) + np.log(half)
    noise, count = polygamma(1, half), len(variances) - 1
    seen = float(np.var(shifted, ddof=1))
    seen *= count / float(chi2.ppf(TAIL, count)) if cautious else 1.0
    beyond = seen - float(noise.mean())
    if beyond <= 0:
        return Spread(float(np.average(variances, weights=freedoms)), math.inf)
    prior = inverse_trigamma(beyond)
    centre = float(np.average(shifted, weights=1 / (noise + beyond)))
    return Spread(math.exp(centre + float(digamma(prior)) - math.log(prior)), 2 * prior)


def inverse_trigamma(value: float) -> float:
    """Return the x whose trigamma is a positive value, by Newton's steps on 1 / trigamma.

    >>> round(inverse_trigamma(1.6449340668), 6)  # pi² / 6
    1.0
    """
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        here = float(polygamma(1, x))
        step = here * (1 - here / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x


def cell_freedom(ratios: Sequence[Spread]) -> float:
    """Return the prior freedom of variances around a known centre 1, inf where they fit it.

    The least whose likelihood is within `LOSS` of the best: log s² of two seeds has so long a tail
    that its variance would tell next to nothing.
    """
    from scipy.stats import f

    values, own = (np.array([getattr(r, name) for r in ratios]) for name in ("variance", "freedom"))
    likely = np.array([f.logpdf(values, own, tried).sum() for tried in FREEDOMS])
    close = likely >= likely.max() - LOSS
    place = int(np.argmax(close))
    return math.inf if place == len(FREEDOMS) - 1 else float(FREEDOMS[place])
