"""Kernels that count Hamming distances and place scores, for `hashquant.machine.compiled`.

Scores are summed in the order of `codes.adc.exact_scores`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, UInt8, UInt16, UInt32, UInt64

from hashquant.machine.compiled import Kernel, compiled, kernel

#: Queries that one pass over codeword indices serves, and items whose scores it holds.
TOGETHER, STRIP = 4, 1 << 14
#: What a pair costs by tables without kernels, in pairs whose distances are counted.
PAIR_COST = 64
#: A bin is 2^SHIFT units: whole numbers that rise with a score, so that few scores are compared.
SHIFT = 8


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


@kernel("f8[::1], f8[::1], u4[::1], u2[::1]", "f8[::1], f8[::1], u4[::1], u4[::1]")
def bin_values(
    values: Float64[np.ndarray, " v"],
    scale: Float64[np.ndarray, " 3"],
    units: UInt32[np.ndarray, " v"],
    begins: UInt16[np.ndarray, " b"] | UInt32[np.ndarray, " b"],
) -> None:
    """Find the unit of each of the ordered values, and at which of them each bin begins.

    See `count_places` for all of these.
    """
    origin, rate, last = scale[0], scale[1], scale[2]
    begins[:] = 0
    for j in range(len(values)):
        units[j] = np.uint32(min(max((values[j] - origin) * rate, 0.0), last))
        begins[(units[j] >> np.uint32(SHIFT)) + np.uint32(1)] += 1
    for at in range(1, len(begins)):
        begins[at] += begins[at - 1]


@kernel(
    *(
        f"u1[:, ::1], {weights}, f8[:, :, ::1], f8[:, ::1], f8[::1], {begins}[::1],"
        " i8[:, ::1], u4[:, ::1]"
        for weights in ("none", "u4[::1]")
        for begins in ("u2", "u4")
    )
)
def count_places(  # noqa: C901 - a kernel calls no function of its own
    indices: UInt8[np.ndarray, "n m"],
    weights: UInt32[np.ndarray, " n"] | None,
    tables: Float64[np.ndarray, "m k 4"],
    scale: Float64[np.ndarray, "4 3"],
    values: Float64[np.ndarray, " v"],
    begins: UInt16[np.ndarray, " b"] | UInt32[np.ndarray, " b"],
    bounds: Int64[np.ndarray, "4 5"],
    counted: UInt32[np.ndarray, "3 v"],
) -> None:
    """Count where items fall among the ordered values of four queries, but for a query's own.

    `begins` says at which value a bin begins, `scale` is the origin, the units for each 1 of a
    score, the last unit; `bounds`: where a query's values and bins begin, its own items begin and
    end. `counted` has, under each value, its unit, and counts of the items beyond the one before
    and not beyond it, and of those at it.
    """
    scores, reached = np.empty((4, STRIP)), np.empty(STRIP, np.int32)
    for start in range(0, len(indices), STRIP):
        part = indices[start : start + STRIP]
        for j in range(len(part)):
            a = b = c = d = 0.0
            for m in range(indices.shape[1]):
                i = part[j, m]
                a += tables[m, i, 0]
                b += tables[m, i, 1]
                c += tables[m, i, 2]
                d += tables[m, i, 3]
            scores[0, j], scores[1, j], scores[2, j], scores[3, j] = a, b, c, d
        for q in range(4):
            mine = slice(bounds[0, q], bounds[0, q + 1])
            row, ordered = scores[q], values[mine]
            begin = begins[bounds[1, q] : bounds[1, q + 1]]
            units, found, equal = counted[0, mine], counted[1, mine], counted[2, mine]
            origin, rate, last = scale[q, 0], scale[q, 1], scale[q, 2]
            for j in range(len(part)):  # a loop of its own: vector instructions
                reached[j] = np.int32(min(max((row[j] - origin) * rate, 0.0), last))
            own = min(max(bounds[2, q] - start, 0), len(part))
            after = min(max(bounds[3, q] - start, own), len(part))
            for first, end in ((0, own), (after, len(part))):
                for j in range(first, end):
                    unit = np.uint32(reached[j])
                    at = unit >> np.uint32(SHIFT)
                    low = np.uint32(begin[at])
                    low += np.uint32(units[low] < unit)
                    weight = np.uint32(1) if weights is None else weights[start + j]
                    if units[low] <= unit:  # not told yet: the scores decide
                        low, high = np.uint32(begin[at]), np.uint32(begin[at + np.uint32(1)])
                        while low < high:
                            middle = (low + high) >> np.uint32(1)
                            beyond = ordered[middle] < row[j]
                            low, high = (middle + np.uint32(1), high) if beyond else (low, middle)
                        if ordered[low] == row[j]:
                            equal[low] += weight
                    found[low] += weight


@kernel("f8[::1], f8[::1], u4[::1], u4[::1]")
def merge_scores(
    ordered: Float64[np.ndarray, " n"],
    values: Float64[np.ndarray, " v"],
    found: UInt32[np.ndarray, " v"],
    equal: UInt32[np.ndarray, " v"],
) -> None:
    """Count where ordered scores fall among ordered values that end with infinity.

    Counts are as those of `count_places`: beyond the value before and not beyond it, and at it.
    """
    at = 0
    for score in ordered:
        while values[at] < score:
            at += 1
        found[at] += np.uint32(1)
        equal[at] += np.uint32(values[at] == score)


@kernel("u4[::1], u4[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1]")
def list_groups(
    until: UInt32[np.ndarray, " g"],
    equal: UInt32[np.ndarray, " g"],
    own: Int64[np.ndarray, " g"],
    ahead: Int64[np.ndarray, " g"],
    size: Int64[np.ndarray, " g"],
    hits: Int64[np.ndarray, " g"],
    relevant: Int64[np.ndarray, " g"],
) -> None:
    """Write a query's groups: from the counts of others' items and its own ones at each value."""
    before = found = 0
    for g in range(len(own)):
        before += until[g]
        ahead[g] = before - equal[g] + found
        size[g] = equal[g] + own[g]
        hits[g] = found
        relevant[g] = own[g]
        found += own[g]


class Placers(NamedTuple):
    """The kernels that place scores, as machine code: see the functions of their names."""

    score_entries: Kernel[...]
    merge_equal: Kernel[...]
    bin_values: Kernel[...]
    count_places: Kernel[...]
    merge_scores: Kernel[...]
    list_groups: Kernel[...]


def placers(pairs: int) -> Placers | None:
    """Return the kernels that place scores where `compiled` returns one for as much work."""
    found = [
        compiled(function, PAIR_COST * pairs)
        for function in (
            score_entries, merge_equal, bin_values, count_places, merge_scores, list_groups
        )
    ]  # fmt: skip
    kernels = [function for function in found if function is not None]
    return Placers(*kernels) if len(kernels) == len(found) else None
