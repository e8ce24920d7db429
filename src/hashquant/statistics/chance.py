"""What a ranking by pure chance scores: average precision when every order is equally likely."""

import numpy as np
from jaxtyping import Float64, Int64

from hashquant.errors import HashQuantError


def expected_random_ap(
    relevant: Int64[np.ndarray, " q"], gallery: int
) -> Float64[np.ndarray, " q"]:
    """Return each query's expected average precision when all orders are equally likely.

    Of `gallery` = N items R are `relevant`. AP = (1/R) Σ_k [item k is relevant] · (relevant among
    the first k) / k. Item k is relevant with probability R/N; then each of the k-1 before it is
    with (R-1)/(N-1). So E[AP] = (1/N) Σ_k (1 + (k-1)(R-1)/(N-1)) / k, which is
    (1/N) [H_N + (N - H_N) (R-1)/(N-1)] with H_N = 1 + 1/2 + … + 1/N: exact, of the full ranking.
    A query with nothing relevant is NaN: it is excluded from every mean.

    >>> expected_random_ap(np.array([1, 2, 0]), 2)
    array([0.75, 1.  ,  nan])

    Raises:
        HashQuantError: if a query has more relevant items than the gallery holds.
    """
    _check(relevant, gallery)
    harmonic = (1 / np.arange(1.0, gallery + 1)).sum()
    share = (relevant - 1) / max(gallery - 1, 1)
    expected = (harmonic + (gallery - harmonic) * share) / max(gallery, 1)
    return np.where(relevant > 0, expected, np.nan)


def random_ap_variance(
    relevant: Int64[np.ndarray, " q"], gallery: int
) -> Float64[np.ndarray, " q"]:
    """Return the variance of each query's average precision over all orders; NaN as above.

    R·AP = Σ_{i≤k} I_i I_k / k, with I_k = 1 where item k is relevant. In its square the terms of m
    different items have the expectation p_m = R(R-1)…(R-m+1) / (N(N-1)…(N-m+1)), and their weights
    depend on N alone. Summed over i and j first, those of equal k are
    (p_1 + 3(k-1) p_2 + (k-1)(k-2) p_3) / k², those of k < l, which count twice,
    (2 p_2 + (3k+l-5) p_3 + (k-1)(l-3) p_4) / (kl); the sum over k < l is in H_(l-1). Exact.

    >>> random_ap_variance(np.array([1, 2, 0]), 2)
    array([0.0625, 0.    ,    nan])

    Raises:
        HashQuantError: as `expected_random_ap`.
    """
    _check(relevant, gallery)
    k = np.arange(1.0, gallery + 1)
    before = np.cumsum(1 / k) - 1 / k  # H_(k-1)
    weights = (
        (1 / k**2).sum(),
        (3 * (k - 1) / k**2 + 4 * before / k).sum(),
        ((k - 1) * (k - 2) / k**2 + 2 * (3 * (k - 1) + (k - 5) * before) / k).sum(),
        (2 * (k - 3) * (k - 1 - before) / k).sum(),
    )
    square, chance = np.zeros(len(relevant)), np.ones(len(relevant))
    for taken, weight in enumerate(weights[:gallery]):
        chance = chance * np.maximum(relevant - taken, 0) / (gallery - taken)
        square += weight * chance
    square /= np.square(np.maximum(relevant, 1.0))
    found: Float64[np.ndarray, " q"]
    found = np.maximum(square - expected_random_ap(relevant, gallery) ** 2, 0.0)
    return found


def _check(relevant: Int64[np.ndarray, " q"], gallery: int) -> None:
    if relevant.size and not 0 <= relevant.min() <= relevant.max() <= gallery:
        raise HashQuantError(
            f"relevant must be 0 to {gallery} items, got {relevant.min()} to {relevant.max()}"
        )
