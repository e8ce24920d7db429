"""Exact ranks of relevant items under look-up tables by placing every score among theirs.

The compiled way to what `codes.adc.rank_relevant` finds: the float64 scores of the relevant items
are put in order, and a kernel counts all others between them. Nothing is sorted but these.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt32

from hashquant.codes.adc import Blocks, Entries, Table, exact_scores
from hashquant.codes.compiled import KEY_TOP, Kernel, add_entries, compiled, count_places

Kernels: TypeAlias = tuple[Kernel[...], Kernel[...]]

#: Queries that one pass over codeword indices serves, and items whose scores it holds.
TOGETHER, STRIP = 4, 1 << 15
#: Groups of keys a relevant score: more leave fewer to compare, fewer stay in the cache. Up to
#: this many bits of a key, four times as many groups still stay there.
GROUPS_EACH, CACHED_BITS = 2, 14


@dataclass(frozen=True, eq=False)
class Places:
    """One query's distinct relevant scores in order, infinity after them, and their keys.

    `relevant` items have each score; they are the entries `low` … `high` - 1, and no others are
    counted. `scale`, `begins` and `counts` are as `codes.compiled.count_places` takes them.
    """

    values: Float64[np.ndarray, " v"]
    keys: UInt32[np.ndarray, " v"]
    relevant: Int64[np.ndarray, " r"]
    scale: Float64[np.ndarray, " 3"]
    begins: Int32[np.ndarray, " b"]
    counts: UInt32[np.ndarray, "2 v"]
    low: int
    high: int

    def irrelevant(self, start: int, stop: int) -> Iterator[slice]:
        """Yield the parts of a strip of entries that come before and after the relevant ones."""
        for low, high in ((start, min(stop, self.low)), (max(start, self.high), stop)):
            if low < high:
                yield slice(low - start, high - start)


def placing_kernels(entries: Entries, queries: int) -> Kernels | None:
    """Return the compiled kernels that `rank_by_placing` takes, where they can and would serve."""
    if entries.indices.dtype != np.uint8:
        return None
    pairs = queries * len(entries.indices)
    add, count = compiled(add_entries, pairs), compiled(count_places, pairs)
    return (add, count) if add and count else None


def rank_by_placing(
    tables: Float64[np.ndarray, "q m k"],
    entries: Entries,
    slices: Int64[np.ndarray, "q 2"],
    kernels: Kernels,
) -> list[Blocks]:
    """Return what `rank_relevant` returns, four queries at a time."""
    found: list[Blocks] = []
    for start in range(0, len(tables), TOGETHER):
        part = tables[start : start + TOGETHER]
        places = [
            places_of(table, entries, low, high)
            for table, (low, high) in zip(part, slices[start:].tolist(), strict=False)
        ]
        _place(part, places, entries, kernels)
        found += map(_blocks, places)
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
    origin, span = (values[0], values[-1] - values[0]) if len(values) else (0.0, 0.0)
    rate = KEY_TOP / max(float(span), 1e-290)
    keys = np.clip((values - origin) * rate, 0.0, KEY_TOP).astype(np.uint32)
    bits = (GROUPS_EACH * len(values)).bit_length()
    bits = max(bits, min(bits + 2, CACHED_BITS))
    begins = np.zeros((1 << bits) + 1, dtype=np.int32)
    np.cumsum(np.bincount(keys >> (32 - bits), minlength=1 << bits), out=begins[1:])
    return Places(
        values=np.append(values, np.inf),
        keys=np.append(keys, np.uint32(KEY_TOP + 1)),
        relevant=relevant,
        scale=np.array([origin, rate, 32 - bits]),
        begins=begins,
        counts=np.zeros((2, len(values) + 1), dtype=np.uint32),
        low=low,
        high=high,
    )


def _place(
    tables: Float64[np.ndarray, "q m k"], places: list[Places], entries: Entries, kernels: Kernels
) -> None:
    """Place all entries for up to four queries."""
    add, count = kernels
    spare = ((0, TOGETHER - len(places)), (0, 0), (0, 0))
    lanes = np.ascontiguousarray(np.pad(tables, spare).transpose(1, 2, 0))  # (m, k, 4)
    weights = np.zeros(0, np.uint32)
    for start in range(0, len(entries.indices), STRIP):
        part = np.ascontiguousarray(entries.indices[start : start + STRIP])
        stop = start + len(part)
        scores = np.empty((TOGETHER, len(part)))
        add(part, lanes, scores)
        if entries.weights is not None:
            weights = entries.weights[start:stop].astype(np.uint32)
        for row, p in zip(scores, places, strict=False):
            for where in p.irrelevant(start, stop):
                held = row[where], weights[where]
                count(*held, p.scale, p.values, p.keys, p.begins, p.counts)


def _blocks(places: Places) -> Blocks:
    """Turn counts of irrelevant items between and at the values into groups."""
    between, size = places.counts[:, :-1].astype(np.int64)
    size += places.relevant
    ahead = np.cumsum(between + size)
    before = np.cumsum(places.relevant)
    return Blocks(ahead - size, size, before - places.relevant, places.relevant)
