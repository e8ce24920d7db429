"""The least difference that a paired test can tell, with the seeds there are or with more."""

from collections.abc import Sequence

import numpy as np

from hashquant.statistics._intervals import Replicates
from hashquant.statistics._moderation import Spread


def least_difference(people: Replicates, means: Sequence[Spread], alpha: float = 0.05) -> float:
    """Return how large a difference must be for a two-sided test at level `alpha`.

    `people` are replicates of the difference on other people, and `means` what each side's mean
    over seeds varies by. The seeds' part is Student's t, its chi² shared by both sides, as in
    `Resampler`: with few degrees of freedom no single t has the tails of the sum.

    >>> round(least_difference(np.linspace(-1.0, 1.0, 39), [], alpha=0.5), 3)
    0.526
    """
    from scipy.stats import chi2

    generator = np.random.default_rng(0)
    chance = generator.uniform(size=len(people))
    moved = people - people.mean()
    for spread in means:
        normal = generator.standard_normal(len(people))
        finite = np.isfinite(spread.freedom)
        wide = np.sqrt(spread.freedom / chi2.ppf(chance, spread.freedom)) if finite else 1.0
        moved = moved + normal * np.sqrt(spread.variance) * wide
    return float(np.quantile(np.abs(moved), 1 - alpha, method="weibull"))
