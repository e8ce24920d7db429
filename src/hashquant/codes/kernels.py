"""Kernels that count Hamming distances and place scores, for `hashquant.compiled`.

Scores are summed in the order of `codes.adc.exact_scores`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, UInt8, UInt16, UInt32, UInt64

from hashquant.compiled import Kernel, compiled, kernel

#: Queries that one pass over codeword indices serves, and items whose bins are held.
TOGETHER, STRIP = 4, 1 << 12


@kernel("u8[::1], u8[:, ::1], i8[::1], i8[::1], u8, u4[:, ::1]")
def count_pairs(
    words: UInt64[np.ndarray, " n"],
    pairs: UInt64[np.ndarray, "p 2"],
    low: Int64[np.ndarray, " p"],
    high: Int64[np.ndarray, " p"],
    bins: int,
    joint: UInt32[np.ndarray, "p bb"],
) -> None:
    """Count the Hamming distances of words low … high - 1 to two queries at once.

    Row i of `joint` holds, at d·bins + e, how many words are d from the first query of pair i
    and e from its second: one counter a word, and both histograms are its margins.
    """
    for i in range(len(pairs)):
        counts = joint[i]
        for word in words[low[i] : high[i]]:
            at = np.uint64(0)
            for c in range(2):
                x = word ^ pairs[i, c]  # what follows compiles to one population count
                x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
                fours = np.uint64(0x3333333333333333)
                x = (x & fours) + ((x >> np.uint64(2)) & fours)
                x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                at = at * bins + (x * np.uint64(0x0101010101010101) >> np.uint64(56))
            counts[at] += np.uint32(1)


@kernel("u1[:, ::1], f8[:, ::1], f8[::1]")
def score_entries(
    indices: UInt8[np.ndarray, "n m"],
    table: Float64[np.ndarray, "m k"],
    scores: Float64[np.ndarray, " n"],
) -> None:
    """Score entries under one query's table, as `codes.adc.exact_scores` does."""
    for j in range(len(indices)):
        score = table[0, indices[j, 0]]
        for m in range(1, indices.shape[1]):
            score += table[m, indices[j, m]]
        scores[j] = score


@kernel("u1[:, ::1], f8[:, :, ::1], f8[:, ::1]")
def score_four(
    indices: UInt8[np.ndarray, "n m"],
    tables: Float64[np.ndarray, "m k 4"],
    scores: Float64[np.ndarray, "4 s"],
) -> None:
    """Score entries as `score_entries` does under four queries' tables, n of at most s."""
    for j in range(len(indices)):
        i = indices[j, 0]
        a, b, c, d = tables[0, i, 0], tables[0, i, 1], tables[0, i, 2], tables[0, i, 3]
        for m in range(1, indices.shape[1]):
            i = indices[j, m]
            a += tables[m, i, 0]
            b += tables[m, i, 1]
            c += tables[m, i, 2]
            d += tables[m, i, 3]
        scores[0, j], scores[1, j], scores[2, j], scores[3, j] = a, b, c, d


@kernel("f8[::1], i8[::1], f8[::1], i8[::1], i8[::1]")
def merge_equal(
    ordered: Float64[np.ndarray, " n"],
    weights: Int64[np.ndarray, " w"],
    values: Float64[np.ndarray, " n"],
    relevant: Int64[np.ndarray, " n"],
    count: Int64[np.ndarray, " 1"],
) -> None:
    """List the distinct values of ordered scores and how many items have each.

    Without `weights` a score is one item's.
    """
    at = 0
    for j in range(len(ordered)):
        if j == 0 or ordered[j] != ordered[j - 1]:
            values[at], relevant[at] = ordered[j], 0
            at += 1
        relevant[at - 1] += weights[j] if len(weights) else 1
    count[0] = at


@kernel("f8[::1], f8[::1], u2[::1]", "f8[::1], f8[::1], u4[::1]")
def bin_values(
    values: Float64[np.ndarray, " v"],
    scale: Float64[np.ndarray, " 3"],
    begins: UInt16[np.ndarray, " b"] | UInt32[np.ndarray, " b"],
) -> None:
    """Find at which of the ordered values each bin begins: `begins` of `count_places`."""
    origin, rate, last = scale[0], scale[1], scale[2]
    begins[:] = 0
    for value in values:
        begins[np.uint32(min(max((value - origin) * rate, 0.0), last)) + np.uint32(1)] += 1
    for at in range(1, len(begins)):
        begins[at] += begins[at - 1]


@kernel(
    "f8[::1], u4[::1], f8[::1], f8[::1], u2[::1], u4[:, ::1]",
    "f8[::1], u4[::1], f8[::1], f8[::1], u4[::1], u4[:, ::1]",
)
def count_places(
    scores: Float64[np.ndarray, " n"],
    weights: UInt32[np.ndarray, " w"],
    scale: Float64[np.ndarray, " 3"],
    values: Float64[np.ndarray, " v"],
    begins: UInt16[np.ndarray, " b"] | UInt32[np.ndarray, " b"],
    counts: UInt32[np.ndarray, "2 v"],
) -> None:
    """Count where scores fall among a query's ordered values, the last of which is infinity.

    `begins` says at which value a bin of scores begins; `scale` is the origin, the bins a unit,
    and the last bin. `counts` holds, under each value, the items that are beyond the value
    before and not beyond it, and those that equal it. Without `weights` an item counts once.
    """
    origin, rate, last = scale[0], scale[1], scale[2]
    found, equal = counts[0], counts[1]
    bins = np.empty(STRIP, np.int32)
    for start in range(0, len(scores), STRIP):
        row = scores[start : start + STRIP]
        for j in range(len(row)):  # a loop of its own: vector instructions
            bins[j] = np.int32(min(max((row[j] - origin) * rate, 0.0), last))
        for j in range(len(row)):
            low = np.uint32(begins[np.uint32(bins[j])])
            value = values[low]
            if value < row[j]:
                low += np.uint32(1)
                high = np.uint32(begins[np.uint32(bins[j]) + np.uint32(1)])
                while low < high:
                    middle = (low + high) >> np.uint32(1)
                    if values[middle] < row[j]:
                        low = middle + np.uint32(1)
                    else:
                        high = middle
                value = values[low]
            weight = weights[start + j] if len(weights) else np.uint32(1)
            found[low] += weight
            if value == row[j]:
                equal[low] += weight


class Placers(NamedTuple):
    """The kernels that place scores, as machine code: see the functions of their names."""

    score_entries: Kernel[...]
    score_four: Kernel[...]
    merge_equal: Kernel[...]
    bin_values: Kernel[...]
    count_places: Kernel[...]


def placers(pairs: int) -> Placers | None:
    """Return the kernels that place scores where `compiled` returns a kernel."""
    found = [
        compiled(function, pairs)
        for function in (score_entries, score_four, merge_equal, bin_values, count_places)
    ]
    kernels = [function for function in found if function is not None]
    return Placers(*kernels) if len(kernels) == len(found) else None
