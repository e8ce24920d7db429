"""Kernels that sum average precisions, for `hashquant.machine.compiled`."""

import numpy as np
from jaxtyping import Float64, Int64

from hashquant.machine.compiled import kernel

Rows = Int64[np.ndarray, "q g"]


@kernel("i8[:, ::1], i8[:, ::1], i8[:, ::1], i8, i8[:, ::1], i8[::1]")
def list_tied(
    ahead: Rows,
    size: Rows,
    relevant: Rows,
    limit: int,
    found: Int64[np.ndarray, "2 f"],
    count: Int64[np.ndarray, " 1"],
) -> None:
    """List row and column of those groups of several items, some relevant, before a rank."""
    at = 0
    for q in range(len(ahead)):
        for g in range(ahead.shape[1]):
            found[0, at] = q  # what is not kept is written over
            found[1, at] = g
            at += (size[q, g] > 1) & (relevant[q, g] > 0) & (ahead[q, g] < limit)
    count[0] = at


@kernel("i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8, i8[:, ::1], f8[:, ::1], f8[:, ::1]")
def fold_gains(
    ahead: Rows,
    size: Rows,
    hits: Rows,
    relevant: Rows,
    limit: int,
    tied: Int64[np.ndarray, "2 f"],
    gains: Float64[np.ndarray, "o f"],
    sums: Float64[np.ndarray, "o q"],
) -> None:
    """Sum the gains of each query's groups by folding halves, for each row of `gains`.

    A single relevant item adds (hits + 1) / (ahead + 1), one of the `tied` what `gains` says.
    """
    width = 1
    while width < ahead.shape[1]:
        width *= 2
    single, folded = np.zeros(width), np.empty(width)
    first = last = 0
    for q in range(len(ahead)):
        before, items, found, own = ahead[q], size[q], hits[q], relevant[q]
        for g in range(len(before)):
            gain = np.float64(found[g] + 1) / np.float64(before[g] + 1)
            counts = (items[g] == 1) & (own[g] > 0) & (before[g] < limit)
            single[g] = gain if counts else 0.0
        while last < tied.shape[1] and tied[0, last] == q:
            last += 1
        for o in range(len(gains)):
            folded[:] = single
            for at in range(first, last):
                folded[tied[1, at]] = gains[o, at]
            half = width // 2
            while half > 0:
                low, high = folded[:half], folded[half : 2 * half]
                for g in range(half):  # a loop of its own: vector instructions
                    low[g] += high[g]
                half //= 2
            sums[o, q] = folded[0]
        first = last
