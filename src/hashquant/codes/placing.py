"""Exact ranks of relevant items under look-up tables by placing every score among theirs.

The compiled way to what `codes.adc.rank_relevant` finds: the float64 scores of the relevant items
are put in order, and a kernel counts all others between them. Nothing is sorted but these.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt32

from hashquant.codes.adc import Blocks, Entries, Rows, Table, exact_scores
from hashquant.codes.compiled import TOGETHER, Kernel

#: Bins a relevant item: more leave fewer scores to compare, fewer stay in the cache.
BINS_EACH, CACHED = 4, 1 << 14


@dataclass(frozen=True, eq=False)
class Places:
    """One query's distinct relevant scores in order, infinity after them, and their bins.

    `relevant` items have each score; `scale` is as `codes.compiled.count_places` takes it.
    """

    values: Float64[np.ndarray, " v"]
    relevant: Int64[np.ndarray, " r"]
    scale: tuple[float, float, float]
    begins: Int32[np.ndarray, " b"]


def rank_by_placing(
    tables: Float64[np.ndarray, "q m k"],
    entries: Entries,
    slices: Int64[np.ndarray, "q 2"],
    kernel: Kernel[...],
) -> list[Blocks]:
    """Return what `rank_relevant` returns; indices must be bytes, `kernel` a `count_places`."""
    found: list[Blocks] = []
    for start in range(0, len(tables), TOGETHER):
        part = tables[start : start + TOGETHER]
        places = [
            places_of(table, entries, low, high)
            for table, (low, high) in zip(part, slices[start:].tolist(), strict=False)
        ]
        found += _placed(part, places, entries, kernel)
    return found


def places_of(table: Table, entries: Entries, low: int, high: int) -> Places:
    """Return the places of one query, whose relevant entries are low … high - 1."""
    scores = exact_scores(table, entries.indices[low:high])
    if entries.weights is None:
        values, relevant = np.unique_counts(scores)
    else:
        values, inverse = np.unique_inverse(scores)
        relevant = np.zeros(len(values), dtype=np.int64)
        np.add.at(relevant, inverse, entries.weights[low:high])
    bins = 1 << (BINS_EACH * len(values)).bit_length()
    bins = max(bins, min(4 * bins, CACHED))
    origin, span = (values[0], values[-1] - values[0]) if len(values) else (0.0, 0.0)
    scale = (float(origin), (bins - 1) / max(float(span), 1e-290), float(bins))
    at = np.clip((values - scale[0]) * scale[1], 0.0, scale[2]).astype(np.int32)
    begins = np.zeros(bins + 2, dtype=np.int32)
    np.cumsum(np.bincount(at, minlength=bins + 1), out=begins[1:])
    return Places(np.append(values, np.inf), relevant, scale, begins)


def _placed(
    tables: Float64[np.ndarray, "q m k"],
    places: list[Places],
    entries: Entries,
    kernel: Kernel[...],
) -> list[Blocks]:
    """Place all entries for up to four queries; a missing one has no values."""
    spare = TOGETHER - len(places)
    empty = Places(
        np.array([np.inf]), np.zeros(0, np.int64), (0.0, 0.0, 0.0), np.zeros(2, np.int32)
    )
    held = [*places, *[empty] * spare]
    lanes = np.pad(tables, ((0, spare), (0, 0), (0, 0))).transpose(1, 2, 0)  # (m, k, 4)
    lengths = [[0, *(len(p.values) for p in held)], [0, *(len(p.begins) for p in held)]]
    bounds = np.cumsum(lengths, axis=1)
    value_at = 2 * bounds[0]
    counts = np.zeros(value_at[-1], dtype=np.uint32)
    kernel(
        np.ascontiguousarray(entries.indices),
        np.zeros(0, np.uint32) if entries.weights is None else entries.weights.astype(np.uint32),
        np.ascontiguousarray(lanes),
        np.array([p.scale for p in held]),
        np.concatenate([p.values for p in held]),
        np.concatenate([p.begins for p in held]),
        bounds,
        counts,
    )
    return [
        _blocks(place, counts[value_at[i] : value_at[i + 1] - 2].reshape(-1, 2))
        for i, place in enumerate(places)
    ]


def _blocks(place: Places, counts: UInt32[np.ndarray, "r 2"]) -> Blocks:
    """Turn counts between and at the values into groups."""
    between, size = counts.T.astype(np.int64)
    relevant: Rows = place.relevant
    ahead = np.cumsum(between) + np.cumsum(size) - size
    return Blocks(ahead, size, np.cumsum(relevant) - relevant, relevant)
