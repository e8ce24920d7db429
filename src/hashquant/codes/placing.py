"""Exact ranks of relevant items under look-up tables by placing every score among theirs.

The compiled way to what `codes.adc.rank_relevant` finds: the float64 scores of the relevant items
are put in order, and a kernel counts all others between them. Nothing is sorted but these.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt16, UInt32

from hashquant.codes.adc import Blocks, Entries, Table, Walk
from hashquant.codes.kernels import TOGETHER, Placers

#: Bins a relevant item: more leave fewer scores to compare, fewer stay in the cache.
BINS_EACH, CACHED = 4, 1 << 14
#: Entries whose scores are held for four queries.
BLOCK = 1 << 16
#: Items below which no counter of the kernel can overflow.
PLACED_BELOW = 1 << 32


@dataclass(frozen=True, eq=False)
class Places:
    """One query's distinct relevant scores in order, infinity after them, and what falls there.

    Its entries low … high - 1 are relevant, `relevant` items under each value. `scale`, `begins`
    and `counts` are as `codes.kernels.count_places` takes them; it counts all other entries.
    """

    low: int
    high: int
    values: Float64[np.ndarray, " v"]
    relevant: Int64[np.ndarray, " r"]
    scale: Float64[np.ndarray, " 3"]
    begins: UInt16[np.ndarray, " b"] | UInt32[np.ndarray, " b"]
    counts: UInt32[np.ndarray, "2 v"]

    def count(
        self,
        scores: Float64[np.ndarray, " n"],
        weights: UInt32[np.ndarray, " w"],
        start: int,
        kernels: Placers,
    ) -> None:
        """Place the entries from `start` on by their scores; the counts of all add up."""
        low, high = max(self.low - start, 0), max(self.high - start, 0)
        for part in (slice(low), slice(high, None)) if low < len(scores) else (slice(None),):
            kernels.count_places(
                scores[part], weights[part], self.scale, self.values, self.begins, self.counts
            )

    def blocks(self) -> Blocks:
        """Return the groups of equal score that hold relevant items."""
        until, equal = self.counts[:, :-1].astype(np.int64)
        hits = np.cumsum(self.relevant) - self.relevant
        return Blocks(np.cumsum(until) - equal + hits, equal + self.relevant, hits, self.relevant)


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
    places = [
        places_of(table, entries, low, high, kernels)
        for table, (low, high) in zip(tables, slices.tolist(), strict=True)
    ]
    spare = -len(tables) % TOGETHER
    padded = np.pad(tables, ((0, spare), (0, 0), (0, 0)))
    fours = [
        np.ascontiguousarray(padded[first : first + TOGETHER].transpose(1, 2, 0))
        for first in range(0, len(tables), TOGETHER)
    ]
    scores, begin = np.empty((TOGETHER, BLOCK)), 0
    for part in entries.parts():
        for start in range(0, len(part), BLOCK):
            block = part.part(start, start + BLOCK)
            indices = np.ascontiguousarray(block.indices)
            weights = (np.zeros(0) if block.weights is None else block.weights).astype(np.uint32)
            for four, first in zip(fours, range(0, len(tables), TOGETHER), strict=True):
                kernels.score_four(indices, four, scores)
                for place, row in zip(places[first : first + TOGETHER], scores, strict=False):
                    place.count(row[: len(block)], weights, begin + start, kernels)
        begin += len(part)
    while places:
        yield places.pop(0).blocks()


def places_bytes(relevant: int) -> int:
    """Return what one query's `Places` hold at most, in bytes."""
    return 4 * CACHED + (8 * BINS_EACH + 24) * relevant


def places_of(table: Table, entries: Walk, low: int, high: int, kernels: Placers) -> Places:
    """Return the places of one query, whose relevant entries are low … high - 1."""
    held = entries.part(low, high)
    scores = np.empty(len(held))
    kernels.score_entries(np.ascontiguousarray(held.indices), np.ascontiguousarray(table), scores)
    if held.weights is None:
        ordered, weights = np.sort(scores), np.zeros(0, dtype=np.int64)
    else:
        order = np.argsort(scores)
        ordered, weights = scores[order], held.weights[order]
    values, relevant = np.empty(len(held) + 1), np.empty(len(held), dtype=np.int64)
    count = np.zeros(1, dtype=np.int64)
    kernels.merge_equal(ordered, weights, values, relevant, count)
    size = int(count[0])
    values, relevant = values[: size + 1], relevant[:size]
    values[size] = np.inf
    bins = 1 << (BINS_EACH * size).bit_length()
    bins = max(bins, min(4 * bins, CACHED))
    span = float(values[size - 1] - values[0]) if size else 0.0
    scale = np.array([values[0] if size else 0.0, (bins - 1) / max(span, 1e-290), bins])
    begins = np.empty(bins + 2, dtype=np.uint16 if size < 1 << 16 else np.uint32)
    kernels.bin_values(values[:-1], scale, begins)
    counts = np.zeros((2, size + 1), dtype=np.uint32)
    return Places(low, high, values, relevant, scale, begins, counts)
