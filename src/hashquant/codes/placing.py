"""Exact ranks of relevant items under look-up tables by placing every score among theirs.

The compiled way to what `codes.adc.rank_relevant` finds: the float64 scores of the relevant items
are put in order, and a kernel counts all others between them. Nothing is sorted but these, unless
they are so many that to look among them leaves the cache: then blocks of others are merged in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64, UInt8, UInt16, UInt32

from hashquant.codes.adc import Columns, Entries, Table, Walk
from hashquant.codes.kernels import SHIFT, TOGETHER, Placers

#: Bins a relevant item: more leave fewer scores to compare, fewer stay in the cache.
BINS_EACH, CACHED = 2, 1 << 14
#: Most bins, of which the last unit still fits into 31 bits, and the unit of no score.
MOST_BINS, BEYOND = 1 << 30 - SHIFT, (1 << 32) - 1
#: Relevant items from which others are merged in, and how many others at a time.
MERGED_FROM, BLOCK = 1 << 18, 1 << 20
#: Items below which no counter of the kernel can overflow.
PLACED_BELOW = 1 << 32


@dataclass(frozen=True, eq=False)
class Places:
    """One query's distinct relevant scores in order, infinity after them, and how they are binned.

    `relevant` items have each score; `scale` is as `codes.kernels.count_places` takes it.
    """

    values: Float64[np.ndarray, " v"]
    relevant: Int64[np.ndarray, " r"]
    scale: tuple[float, float, float]
    bins: int


@dataclass(frozen=True, eq=False)
class Four:
    """Up to four queries that one call of the kernel serves, as it takes them.

    Each query's `values` end with infinity; `slices` has where its own entries begin and end.
    """

    relevant: list[Int64[np.ndarray, "_"]]
    slices: Int64[np.ndarray, "2 5"]
    tables: Float64[np.ndarray, "m k 4"]
    scale: Float64[np.ndarray, "4 3"]
    values: Float64[np.ndarray, " v"]
    begins: UInt16[np.ndarray, " b"] | UInt32[np.ndarray, " b"]
    bounds: Int64[np.ndarray, "2 5"]
    counted: UInt32[np.ndarray, "3 v"]

    def count(
        self,
        indices: UInt8[np.ndarray, "n m"],
        weights: UInt32[np.ndarray, " n"] | None,
        start: int,
        kernels: Placers,
    ) -> None:
        """Place the entries from `start` on; the counts of all add up."""
        bounds = np.concatenate([self.bounds, self.slices - start])
        kernels.count_places(
            indices, weights, self.tables, self.scale, self.values, self.begins, bounds,
            self.counted,
        )  # fmt: skip

    def finish(self, kernels: Placers) -> "Iterator[Placed]":
        """Yield each query's groups."""
        for begin, relevant in zip(self.bounds[0], self.relevant, strict=False):
            until, equal = self.counted[1:, begin : begin + len(relevant)]
            yield Placed(until, equal, relevant, kernels)


@dataclass(frozen=True, eq=False)
class Merging:
    """One query with many relevant items, entries low … high - 1: their scores, and the counts.

    The `values` end with infinity; `counted` has the last two rows of that of a `Four`.
    """

    table: Table
    values: Float64[np.ndarray, " v"]
    relevant: Int64[np.ndarray, "_"]
    low: int
    high: int
    counted: UInt32[np.ndarray, "2 v"]

    def count(
        self,
        indices: UInt8[np.ndarray, "n m"],
        weights: UInt32[np.ndarray, " n"] | None,
        start: int,
        kernels: Placers,
    ) -> None:
        """Put the others' scores in order, block after block, and merge them; `weights` is None."""
        own, after = (min(max(at - start, 0), len(indices)) for at in (self.low, self.high))
        for part in (indices[:own], indices[after:]):
            for first in range(0, len(part), BLOCK):
                block = part[first : first + BLOCK]
                scores = np.empty(len(block))
                kernels.score_entries(block, self.table, scores)
                scores.sort()
                kernels.merge_scores(scores, self.values, *self.counted)

    def finish(self, kernels: Placers) -> "Iterator[Placed]":
        """Yield the query's groups."""
        until, equal = self.counted[:, : len(self.relevant)]
        yield Placed(until, equal, self.relevant, kernels)


@dataclass(frozen=True, eq=False)
class Placed:
    """One query's groups as they were counted, see `codes.kernels.list_groups`."""

    until: UInt32[np.ndarray, " g"]
    equal: UInt32[np.ndarray, " g"]
    relevant: Int64[np.ndarray, " g"]
    kernels: Placers

    def __len__(self) -> int:
        return len(self.relevant)

    def write(self, row: Columns) -> None:
        """Write the groups into the columns of a row."""
        self.kernels.list_groups(self.until, self.equal, self.relevant, *row)


def rank_by_placing(
    tables: Float64[np.ndarray, "q m k"],
    entries: Walk,
    slices: Int64[np.ndarray, "q 2"],
    kernels: Placers,
) -> Iterator[Placed]:
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
) -> Iterator[Placed]:
    """Rank queries in one walk."""
    parties = list(_parties(tables, entries, slices, kernels))
    start = 0
    for part in entries.parts():
        indices = np.ascontiguousarray(part.indices)
        weights = None if part.weights is None else part.weights.astype(np.uint32)
        for party in parties:
            party.count(indices, weights, start, kernels)
        start += len(part)
    while parties:
        yield from parties.pop(0).finish(kernels)


def _parties(
    tables: Float64[np.ndarray, "q m k"],
    entries: Walk,
    slices: Int64[np.ndarray, "q 2"],
    kernels: Placers,
) -> Iterator[Four | Merging]:
    """Yield queries before anything is counted, in their order: those with many items alone."""
    weighted = isinstance(entries, Entries) and entries.weights is not None
    for start in range(0, len(tables), TOGETHER):
        some, own = tables[start : start + TOGETHER], slices[start : start + TOGETHER]
        if weighted or int(np.diff(own).max()) < MERGED_FROM:
            yield _four(some, entries, own, kernels)
        else:
            yield from (
                _merging(table, entries, low, high, kernels)
                for table, (low, high) in zip(some, own.tolist(), strict=True)
            )


def _merging(table: Table, entries: Walk, low: int, high: int, kernels: Placers) -> Merging:
    """Return one query before anything is counted."""
    place = places_of(table, entries, low, high, kernels)
    counted = np.zeros((2, len(place.values)), dtype=np.uint32)
    table = np.ascontiguousarray(table)
    return Merging(table, place.values, place.relevant, low, high, counted)


def places_bytes(relevant: int) -> int:
    """Return what a query of a `Four` holds at most, in bytes."""
    return 4 * CACHED + (8 * BINS_EACH + 28) * relevant


def places_of(table: Table, entries: Walk, low: int, high: int, kernels: Placers) -> Places:
    """Return the places of one query, whose relevant entries are low … high - 1."""
    held = entries.part(low, high)
    scores = np.empty(len(held))
    kernels.score_entries(np.ascontiguousarray(held.indices), np.ascontiguousarray(table), scores)
    weights = np.zeros(0, dtype=np.int64)
    if held.weights is None:
        scores.sort()
    else:
        order = np.argsort(scores)
        scores, weights = scores[order], held.weights[order]
    values, relevant = np.empty(len(held) + 1), np.empty(len(held), dtype=np.int64)
    count = np.zeros(1, dtype=np.int64)
    kernels.merge_equal(scores, weights, values, relevant, count)
    size = int(count[0])
    values[size] = np.inf
    bins = 1 << (BINS_EACH * size).bit_length()
    bins = min(max(bins, min(4 * bins, CACHED)), MOST_BINS)
    origin, span = (values[0], values[size - 1] - values[0]) if size else (0.0, 0.0)
    rate = (bins - 1 << SHIFT) / max(float(span), 1e-290)
    scale = float(origin), rate, float(bins << SHIFT)
    return Places(values[: size + 1], relevant[:size], scale, bins)


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
    empty = Places(np.array([np.inf]), np.zeros(0, np.int64), (0.0, 0.0, 0.0), 0)
    held = [*places, *[empty] * spare]
    lengths = [[0, *(len(p.values) for p in held)], [0, *(p.bins + 2 for p in held)]]
    bounds = np.cumsum(lengths, axis=1)
    longest = max(len(p.values) for p in held)
    begins = np.empty(bounds[1, -1], dtype=np.uint16 if longest <= 1 << 16 else np.uint32)
    counted = np.zeros((3, bounds[0, -1]), dtype=np.uint32)
    for place, at, (first, end) in zip(held, bounds[0], pairwise(bounds[1]), strict=False):
        values = place.values[:-1]
        kernels.bin_values(
            values, np.array(place.scale), counted[0, at : at + len(values)], begins[first:end]
        )
        counted[0, at + len(values)] = BEYOND
    side_by_side = np.zeros((*tables.shape[1:], TOGETHER))
    side_by_side[:, :, : len(tables)] = tables.transpose(1, 2, 0)
    own = np.zeros((2, TOGETHER + 1), dtype=np.int64)
    own[:, : len(slices)] = slices.T
    return Four(
        relevant=[p.relevant for p in places],
        slices=own,
        tables=side_by_side,
        scale=np.array([p.scale for p in held]),
        values=np.concatenate([p.values for p in held]),
        begins=begins,
        bounds=bounds,
        counted=counted,
    )
