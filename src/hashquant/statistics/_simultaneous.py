"""Several contrasts judged together: intervals that all cover at once, and p-values to match."""

from collections.abc import Sequence

from hashquant.statistics._intervals import Difference, Replicates, difference


def simultaneous(
    contrasts: Sequence[tuple[float, Replicates]], alpha: float = 0.05
) -> list[Difference]:
    """Return each contrast (estimate, replicates) with its interval at level 1 - alpha / m.

    By Bonferroni the m intervals cover together with probability 1 - alpha or more. The p-values
    are multiplied by m: one is at most alpha just where its interval leaves out zero.

    >>> import numpy as np
    >>> drawn = np.arange(-10.0, 990.0)
    >>> [round(found.p_value, 3) for found in simultaneous([(490.0, drawn)] * 2)]
    [0.048, 0.048]

    Raises:
        HashQuantError: for NaN, or too few replicates for so many contrasts.
    """
    number = max(len(contrasts), 1)
    found = [difference(mean, drawn, 1 - alpha / number) for mean, drawn in contrasts]
    return [
        Difference(one.estimate, one.low, one.high, min(1.0, number * one.p_value), 1 - alpha)
        for one in found
    ]
