"""Simulated suites: methods equal or apart by a planted step, judged as a report judges them.

A suite has rows, two code lengths, several targets; every row and length is trained from n seeds.
A seed moves the logit of a target's mAP, the seeds of one training together on all targets in
part; people are of unequal difficulty and unequally often queried.
"""

from dataclasses import dataclass

import numpy as np

from hashquant.statistics import (
    Resampler,
    SeedVariance,
    Spread,
    difference,
    logit,
    logit_slope,
    moderate,
    share_interval,
)

TRUTH, LENGTHS = 0.4, 2
#: Standard deviation between seeds of the logit: that of the stored suite cross-domain.
SCATTER = 0.09


@dataclass(frozen=True)
class Design:
    """How a suite is drawn; `variances` are those of the rows' seeds, relative to `SCATTER`²."""

    seeds: int
    variances: tuple[float, ...] = (1.0,) * 8
    targets: int = 4
    identities: int = 100
    person: float = 0.1
    query: float = 0.2
    shared: float = 0.3  #: part of a seed's variance that all targets share
    skewed: bool = False
    step: float = 0.0  #: by how much mAP the second row is below the others
    replicates: int = 999
    borrowed: bool = True  #: the variance is moderated, not of the cell's own seeds alone


def drawn(design, rng):
    """Return whom queries show on one target, and average precision of (row, length, seed)."""
    targets = []
    shape = (len(design.variances), LENGTHS, design.seeds)
    common = _effects(design, rng, shape)
    for _ in range(design.targets):
        sizes = np.minimum(rng.geometric(0.2, design.identities), 30)
        identity = np.repeat(np.arange(design.identities), sizes)
        hard = rng.normal(0, design.person, design.identities)[identity]
        hard = hard + rng.normal(0, design.query, len(identity))
        own = _effects(design, rng, shape)
        moved = np.sqrt(design.shared) * common + np.sqrt(1 - design.shared) * own
        moved *= SCATTER / logit_slope(TRUTH) * np.sqrt(design.variances)[:, None, None]
        noise = rng.normal(0, 0.05, (*shape, len(identity)))
        ap = TRUTH + hard + moved[..., None] + noise
        ap[1] -= design.step
        targets.append((identity, ap))
    return targets


def _effects(design, rng, shape):
    """Return effects of mean 0 and variance 1: normal, or as skewed as an exponential."""
    return rng.exponential(size=shape) - 1 if design.skewed else rng.normal(size=shape)


def cells(targets):
    """Return what a report would learn the spread of seeds from."""
    found = {}
    for place, (_, ap) in enumerate(targets):
        for row, length in np.ndindex(ap.shape[:2]):
            means = [logit(float(mean)) for mean in ap[row, length].mean(axis=1)]
            source = f"r{row} {length}"
            found[place, row, length] = SeedVariance(
                f"r{row}", f"t{place}", source, float(np.var(means, ddof=1)), len(means) - 1
            )
    return found


@dataclass
class Verdict:
    """What was said of one target at one length: covered or not, and p-values by pair."""

    covered: np.ndarray  # (r,)
    p_values: np.ndarray  # (r, r), 1 on the diagonal


def judged(design, number, *, start=0):
    """Draw one study and return its verdict on the first target and length, of all rows."""
    rng = np.random.default_rng([start, design.seeds, number])
    targets = drawn(design, rng)
    variances = cells(targets)
    moderation = moderate(list(variances.values()))
    identity, ap = targets[0]
    resampler = Resampler(identity, replicates=design.replicates, seed=number)
    means, replicates = [], []
    for row in range(len(ap)):
        known = variances[0, row, 0]
        spread = moderation.spread(known.row, known.column, known.variance, design.seeds)
        mean = resampler.mean(ap[row, 0])
        scaled = Spread(spread.variance / logit_slope(mean) ** 2, spread.freedom)
        means.append(mean)
        spread = scaled if design.borrowed else None
        replicates.append(resampler.replicates(ap[row, 0], f"r{row}", spread))
    return Verdict(_covered(design, means, replicates), _p_values(means, replicates))


def _covered(design, means, replicates):
    truths = [TRUTH - design.step * (row == 1) for row in range(len(means))]
    found = [share_interval(m, r) for m, r in zip(means, replicates, strict=True)]
    return np.array([i.low <= t <= i.high for i, t in zip(found, truths, strict=True)])


def _p_values(means, replicates):
    p = np.ones((len(means), len(means)))
    for a in range(len(means)):
        for b in range(a):
            found = difference(means[a] - means[b], replicates[a] - replicates[b])
            p[a, b] = p[b, a] = found.p_value
    return p


def rates(design, studies, *, start=0):
    """Return coverage, and the rate of p ≤ 5 % over all pairs and for the two noisiest rows."""
    found = [judged(design, number, start=start) for number in range(studies)]
    covered = np.mean([verdict.covered for verdict in found])
    wrong = np.mean([verdict.p_values <= 0.05 for verdict in found], axis=0)
    upper = wrong[np.triu_indices(len(wrong), 1)]
    first, second = np.argsort(design.variances)[-2:]
    return float(covered), float(upper.mean()), float(wrong[first, second])


def power(design, studies, comparisons, *, start=1):
    """Return how often the step of the second row is found in a table of so many comparisons."""
    found = [judged(design, number, start=start).p_values[1] for number in range(studies)]
    rivals = np.delete(np.array(found), 1, axis=1)
    return float((rivals <= 0.05 / comparisons).mean())
