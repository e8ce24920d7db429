"""Mean ranks over blocks: Friedman's test and Nemenyi's critical difference.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from hashquant.errors import HashQuantError

#: Fewest rows and blocks that Friedman's test is of use for.
FEWEST_ROWS, FEWEST_BLOCKS = 3, 5


@dataclass(frozen=True)
class RankTest:
    """Mean ranks (1 is best) of k rows over n blocks.

    `p_value` is Friedman's, of "all rows are alike"; two rows whose mean ranks differ by less than
    `critical_difference` cannot be told apart at level `alpha`.
    """

    mean_ranks: tuple[float, ...]
    blocks: int
    p_value: float
    critical_difference: float
    alpha: float

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """Places of the rows that cannot be told apart, best first; all where the test says so."""
        if self.p_value > self.alpha:
            return [tuple(int(place) for place in np.argsort(self.mean_ranks, kind="stable"))]
        return groups(self.mean_ranks, self.critical_difference)


def rank_test(scores: Float64[np.ndarray, "n k"], alpha: float = 0.05) -> RankTest:
    """Rank k rows in each of n blocks, the largest score best, ties sharing their mean rank.

    >>> rank_test(np.array([[0.9, 0.5, 0.1]] * 5)).mean_ranks
    (1.0, 2.0, 3.0)

    Raises:
        HashQuantError: for fewer than 3 rows or 5 blocks, or for NaN.
    """
    from scipy.stats import friedmanchisquare, rankdata

    blocks, rows = scores.shape
    if rows < FEWEST_ROWS or blocks < FEWEST_BLOCKS:
        raise HashQuantError(
            f"scores must be of {FEWEST_ROWS} rows and {FEWEST_BLOCKS} blocks or more, "
            f"got {rows} rows and {blocks} blocks"
        )
    if np.isnan(scores).any():
        raise HashQuantError("scores must be numbers, got NaN")
    ranks = rankdata(-scores, axis=1).mean(axis=0)
    # Where every block ties all rows, the statistic is 0 / 0: nothing differs.
    differs = (scores != scores[:, :1]).any()
    p_value = float(friedmanchisquare(*scores.T).pvalue) if differs else 1.0
    found = tuple(float(rank) for rank in ranks)
    return RankTest(found, blocks, p_value, critical_difference(rows, blocks, alpha), alpha)


def critical_difference(rows: int, blocks: int, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference of mean ranks.

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - alpha, rows, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(rows * (rows + 1) / (6 * blocks))


def groups(mean_ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """Return the largest groups of places whose mean ranks lie closer than a difference.

    Best first; a place that is far from all others is in none.

    >>> groups([1.0, 3.0, 1.5, 2.4], 1.0)
    [(0, 2), (2, 3), (3, 1)]
    """
    order = sorted(range(len(mean_ranks)), key=lambda place: (mean_ranks[place], place))
    found: list[tuple[int, ...]] = []
    reached = 0
    for start, first in enumerate(order):
        stop = start + sum(mean_ranks[p] - mean_ranks[first] < difference for p in order[start:])
        if stop - start > 1 and stop > reached:
            found.append(tuple(order[start:stop]))
            reached = stop
    return found
