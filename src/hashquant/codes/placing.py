"""Exact ranks of relevant items under look-up tables by placing every score among theirs.

The compiled way to what `codes.adc.rank_relevant` finds: the float64 scores of the relevant items
are put in order, and a kernel counts all others between them. Nothing is sorted but these.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt8, UInt32

from hashquant.codes.adc import Blocks, Entries, Table, Walk, distinct
from hashquant.codes.kernels import TOGETHER, Placers

#: Bins a relevant item: more leave fewer scores to compare, fewer stay in the cache.
BINS_EACH, CACHED = 4, 1 << 14
#: Items below which no counter of the kernel can overflow.
PLACED_BELOW = 1 << 32


@dataclass(frozen=True, eq=False)
class Places:
    """One query's distinct relevant scores in order, infinity after them, and their bins.

    `relevant` items have each score; `scale` is as `codes.kernels.count_places` takes it.
    """

    values: Float64[np.ndarray, " v"]
    relevant: Int64[np.ndarray, " r"]
    scale: tuple[float, float, float]
    begins: Int32[np.ndarray, " b"]


@dataclass(frozen=True, eq=False)
class Four:
    """Up to four queries that one call of the kernel serves, as it takes them."""

    relevant: list[Int64[np.ndarray, "_"]]
    tables: Float64[np.ndarray, "m k 4"]
    scale: Float64[np.ndarray, "4 3"]
    values: Float64[np.ndarray, " v"]
    begins: Int32[np.ndarray, " b"]
    bounds: Int64[np.ndarray, "2 5"]
    counts: UInt32[np.ndarray, "2 v"]

    def count(
        self,
        indices: UInt8[np.ndarray, "n m"],
        weights: UInt32[np.ndarray, " w"],
        kernels: Placers,
    ) -> None:
        """Place some entries; the counts of all add up."""
        kernels.count_places(
            indices, weights, self.tables, self.scale, self.values, self.begins, self.bounds,
            self.counts,
        )  # fmt: skip

    def finish(self) -> Iterator[Blocks]:
        """Yield each query's groups."""
        for begin, relevant in zip(self.bounds[0], self.relevant, strict=False):
            until, size = self.counts[:, begin : begin + len(relevant)].astype(np.int64)
            yield Blocks(np.cumsum(until) - size, size, np.cumsum(relevant) - relevant, relevant)


def rank_by_placing(
    tables: Float64[np.ndarray, "q m k"],
    entries: Walk,
    slices: Int64[np.ndarray, "q 2"],
    kernels: Placers,
) -> Iterator[Blocks]:
    """Yield what `rank_relevant` yields; indices must be bytes.

    A gallery in memory is walked through for every four queries, whose places stay in the cache;
    one in a file once for all.
    """
    together = TOGETHER if isinstance(entries, Entries) else max(1, len(tables))
    for start in range(0, len(tables), together):
        part = slice(start, start + together)
        yield from _rank(tables[part], entries, slices[part], kernels)


def _rank(
    tables: Float64[np.ndarray, "q m k"],
    entries: Walk,
    slices: Int64[np.ndarray, "q 2"],
    kernels: Placers,
) -> Iterator[Blocks]:
    """Rank queries in one walk."""
    fours = [
        _four(tables[start : start + TOGETHER], entries, slices[start : start + TOGETHER], kernels)
        for start in range(0, len(tables), TOGETHER)
    ]
    for part in entries.parts():
        indices = np.ascontiguousarray(part.indices)
        weights = (np.zeros(0) if part.weights is None else part.weights).astype(np.uint32)
        for four in fours:
            four.count(indices, weights, kernels)
    while fours:
        yield from fours.pop(0).finish()


def places_bytes(relevant: int) -> int:
    """Return what a query of a `Four` holds at most, in bytes."""
    return 4 * CACHED + (8 * BINS_EACH + 24) * relevant


def places_of(table: Table, entries: Walk, low: int, high: int, kernels: Placers) -> Places:
    """Return the places of one query, whose relevant entries are low … high - 1."""
    held = entries.part(low, high)
    scores = np.empty(len(held))
    kernels.score_entries(np.ascontiguousarray(held.indices), np.ascontiguousarray(table), scores)
    values, relevant, _ = distinct(scores, held.weights)
    bins = 1 << (BINS_EACH * len(values)).bit_length()
    bins = max(bins, min(4 * bins, CACHED))
    origin, span = (values[0], values[-1] - values[0]) if len(values) else (0.0, 0.0)
    scale = (float(origin), (bins - 1) / max(float(span), 1e-290), float(bins))
    begins = np.empty(bins + 2, dtype=np.int32)
    kernels.bin_values(values, np.array(scale), begins)
    return Places(np.append(values, np.inf), relevant, scale, begins)


def _four(
    tables: Float64[np.ndarray, "q m k"],
    entries: Walk,
    slices: Int64[np.ndarray, "q 2"],
    kernels: Placers,
) -> Four:
    """Return up to four queries before anything is counted; a missing one has no values."""
    places = [
        places_of(table, entries, low, high, kernels)
        for table, (low, high) in zip(tables, slices.tolist(), strict=True)
    ]
    spare = TOGETHER - len(places)
    empty = Places(
        np.array([np.inf]), np.zeros(0, np.int64), (0.0, 0.0, 0.0), np.zeros(2, np.int32)
    )
    held = [*places, *[empty] * spare]
    lengths = [[0, *(len(p.values) for p in held)], [0, *(len(p.begins) for p in held)]]
    bounds = np.cumsum(lengths, axis=1)
    return Four(
        relevant=[p.relevant for p in places],
        tables=np.pad(tables, ((0, spare), (0, 0), (0, 0))).transpose(1, 2, 0).copy(),
        scale=np.array([p.scale for p in held]),
        values=np.concatenate([p.values for p in held]),
        begins=np.concatenate([p.begins for p in held]),
        bounds=bounds,
        counts=np.zeros((2, bounds[0, -1]), dtype=np.uint32),
    )
