"""Exact ranks of relevant items under look-up tables, without sorting the gallery.

A coarse whole-number score puts every item into a bin; only items in the bins of relevant items
and the bins next to them can be out of order with one, so only these get float64 scores and are
sorted. All others are counted. The result is that of a full float64 sort, to the bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int32, Int64, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import embedding_bag

from hashquant.codes.binary import Words, code_words

#: Coarse scores stay below this: float32 holds such whole numbers, and their sums, exactly.
COARSE_TOP = 1 << 24
#: Items whose bins are held for one chunk of queries, and whose sums stay in the cache.
BLOCK, STRIP = 1 << 18, 1 << 13
#: Items looked at to decide whether equal codes are worth merging, and when they are.
SAMPLE, MERGE_BELOW = 1 << 16, 0.5

Table = Float64[np.ndarray, "m k"]
Books = Shaped[np.ndarray, "n m"]
Rows = Int64[np.ndarray, " n"]
Columns = Int64[np.ndarray, "4 g"]


@dataclass(frozen=True, eq=False)
class Entries:
    """Gallery items as codeword indices, class by class; `weights` counts equal ones in one."""

    indices: Books
    weights: Rows | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def part(self, low: int, high: int) -> "Entries":
        """Return entries low … high - 1."""
        weights = None if self.weights is None else self.weights[low:high]
        return Entries(self.indices[low:high], weights)

    def parts(self) -> Iterator["Entries"]:
        """Yield all entries at once: they are in memory."""
        yield self


@runtime_checkable
class Walk(Protocol):
    """A gallery that is walked through, part after part, wherever its entries are kept."""

    def __len__(self) -> int: ...

    def part(self, low: int, high: int) -> Entries:
        """Return entries low … high - 1."""
        ...

    def parts(self) -> Iterator[Entries]:
        """Yield all entries in order, as many at a time as are held in memory."""
        ...


@runtime_checkable
class Ranked(Protocol):
    """One query's groups that hold relevant items: a row of `TieGroups`."""

    def __len__(self) -> int: ...

    def write(self, row: Columns) -> None:
        """Write ahead, size, ahead_relevant and relevant of each group."""
        ...


@dataclass(frozen=True, eq=False)
class Blocks:
    """One query's groups as they are to be written."""

    columns: Columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def write(self, row: Columns) -> None:
        """Copy the columns."""
        row[:] = self.columns


def merged_entries(
    indices: Books, packed: UInt8[np.ndarray, "n bytes"], labels: Rows
) -> tuple[Entries, Int64[np.ndarray, " e"]]:
    """Return a gallery in order of class as entries, and their labels.

    Equal codes of a class become one entry with a weight where many are equal; neither choice
    changes a count.
    """
    words = code_words(packed)
    sample = words[:, :SAMPLE]
    if len(_merge(sample, labels[:SAMPLE])[1]) > MERGE_BELOW * sample.shape[1]:
        return Entries(indices), labels
    order, first = _merge(words, labels)
    keep = order[first]
    return Entries(indices[keep], np.diff(first, append=len(order))), labels[keep]


def exact_scores(table: Float[np.ndarray, "m k"], indices: Books) -> Float[np.ndarray, " n"]:
    """Return Σ_m T[m, i_m] in the table's precision, in the order m = 0 … M - 1."""
    scores: Float[np.ndarray, " n"] = table[0].take(indices[:, 0])
    for m in range(1, len(table)):
        scores += table[m].take(indices[:, m])
    return scores


def distinct(
    scores: Float64[np.ndarray, " e"], weights: Rows | None
) -> tuple[Float64[np.ndarray, " v"], Int64[np.ndarray, " v"], Int64[np.ndarray, " v"]]:
    """Return the distinct scores of some entries, how many items have each, and its first rank.

    Ranks are those of entries in order of score, from 0.
    """
    order = None if weights is None else np.argsort(scores)
    ordered = np.sort(scores) if order is None else scores[order]
    new = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    edges = np.append(np.flatnonzero(new), len(ordered))
    ends = edges if weights is None else _before(weights[order])[edges]
    return ordered[edges[:-1]], np.diff(ends), edges[:-1]


def rank_relevant(
    tables: Float64[np.ndarray, "q m k"], entries: Walk, slices: Int64[np.ndarray, "q 2"]
) -> Iterator[Blocks]:
    """Yield each query's groups with relevant items; smaller scores are nearer.

    Row i of `slices` bounds the entries relevant to query i. All queries share one walk.
    """
    books, words = tables.shape[1:]
    counters = [
        RankCounter(table, entries, low, high)
        for table, (low, high) in zip(tables, slices.tolist(), strict=True)
    ]
    coarse = np.stack([counter.prepare() for counter in counters], axis=-1)  # (m, k, q)
    weights = torch.from_numpy(coarse).flatten(0, 1)
    offsets = torch.arange(books, dtype=torch.int32) * words
    bins = torch.empty(len(tables), min(BLOCK, len(entries)), dtype=torch.int32)
    for part in entries.parts():
        for start in range(0, len(part), BLOCK):
            block = part.part(start, start + BLOCK)
            for first in range(0, len(block), STRIP):
                strip = torch.from_numpy(block.indices[first : first + STRIP]).int()
                sums = embedding_bag(strip + offsets, weights, mode="sum")  # (strip, q)
                bins[:, first : first + len(strip)] = sums.T
            for counter, row in zip(counters, bins, strict=True):
                counter.count(row[: len(block)], block)
    while counters:
        yield counters.pop(0).finish()


@dataclass(eq=False)
class RankCounter:
    """One query's walk over the gallery: prepare, count block after block, finish.

    What is held depends on the bins and on the relevant entries, not on the gallery.
    """

    table: Table
    entries: Walk
    low: int
    high: int

    def prepare(self) -> Float32[np.ndarray, "m k"]:
        """Return the coarse table; number the stretches of bins by its relevant ones.

        Even numbers are stretches of bins whose items need only be counted, odd ones hold
        relevant items and their neighbours.
        """
        relevant = self.entries.part(self.low, self.high)
        count = bin_count(len(self.entries), len(relevant), len(self.table))
        coarse = coarse_table(self.table, count)
        bins = exact_scores(coarse, relevant.indices).astype(np.int32)
        near = np.zeros(count + 3, dtype=np.bool_)
        for offset in range(3):
            near[bins + offset] = True
        near[0] = False  # stands for the bin before the first
        number = np.cumsum(near[1:] != near[:-1], dtype=np.int32)[:count]
        self._counts = np.zeros(int(number[-1]) + 1, dtype=np.int64)
        small = len(self._counts) < 1 << 15
        self._number = torch.from_numpy(number.astype(np.int16) if small else number)
        scores = exact_scores(self.table, relevant.indices)
        self._values, self._relevant, first = distinct(scores, relevant.weights)
        self._stretch = np.sort(number[bins])[first]  # stretches rise with the scores
        # Beyond the value before and not beyond each, and equal to it; the last are beyond all.
        self._until, self._equal = np.zeros((2, len(first) + 1), dtype=np.int64)
        return coarse

    def count(self, bins: Int32[Tensor, " b"], block: Entries) -> None:
        """Count a block's items by stretch, and those of odd ones by their exact scores."""
        number = self._number.index_select(0, bins)
        here = np.flatnonzero((number & 1).bool().numpy())
        stretches, weights = len(self._counts), block.weights
        if weights is None:
            self._counts += torch.bincount(number, minlength=stretches).numpy()
        else:
            held = torch.from_numpy(weights).double()
            counts = torch.bincount(number, held, minlength=stretches)
            self._counts += counts.long().numpy()  # whole numbers below 2^53: exact
        scores = exact_scores(self.table, block.indices[here])
        kept, items, _ = distinct(scores, None if weights is None else weights[here])
        at = np.searchsorted(self._values, kept)
        inside = at < len(self._values)
        equal = self._values[at[inside]] == kept[inside]
        np.add.at(self._until, at, items)
        np.add.at(self._equal, at[inside][equal], items[inside][equal])

    def finish(self) -> Blocks:
        """Return the groups of equal score that hold relevant items."""
        self._counts[1::2] = 0
        relevant, size = self._relevant, self._equal[:-1]
        ahead = np.cumsum(self._until[:-1]) - size + np.cumsum(self._counts)[self._stretch]
        return Blocks(np.stack([ahead, size, np.cumsum(relevant) - relevant, relevant]))


def counter_bytes(items: int, relevant: int, books: int) -> int:
    """Return what a `RankCounter` holds at most, and its share of a block, in bytes."""
    return 4 * bin_count(items, relevant, books) + 8 * BLOCK + 64 * relevant


def bin_count(items: int, relevant: int, books: int) -> int:
    """Return how many bins pay: enough that few items share one with a relevant item.

    A bin is a power of two wide and wider than `books` coarse units, which bound twice the
    rounding error of a coarse score.
    """
    wanted = 1 << int(8 * (items * max(relevant, 1)) ** 0.5).bit_length()
    return min(wanted, COARSE_TOP >> books.bit_length())


def coarse_table(table: Table, count: int) -> Float32[np.ndarray, "m k"]:
    """Return a table whose sums, truncated, are bins 0 … count - 1 in the order of the scores.

    Entries are whole numbers of units, an exact fraction of a bin each. A coarse sum is within
    M/2 units of the scaled score, and a bin is wider than M units: two items whose bins are not
    equal or adjacent are in the order of their bins.
    """
    books = len(table)
    shifted = table - table.min(axis=1, keepdims=True)
    span, size = float(shifted.max(axis=1).sum()), float(np.abs(table).max(axis=1).sum())
    unit = float(COARSE_TOP // count)
    # A unit stays four times coarser than the rounding error of the float64 scores themselves.
    finest = 4 * books * float(np.finfo(np.float64).eps) * size
    scale = (count * unit - unit - books) / max(span, finest * COARSE_TOP, 1e-290)
    coarse: Float32[np.ndarray, "m k"] = (np.rint(shifted * scale) / unit).astype(np.float32)
    return coarse


def _merge(words: Words, labels: Rows) -> tuple[Rows, Int64[np.ndarray, " e"]]:
    """Return the order by class and code, and where each new one begins in it."""
    keys = (*words, labels)
    order = np.lexsort(keys)
    new = [key[order][1:] != key[order][:-1] for key in keys]
    return order, np.concatenate([[0], np.flatnonzero(np.any(new, axis=0)) + 1])


def _before(values: Shaped[np.ndarray, " n"]) -> Int64[np.ndarray, " c"]:
    """Return the sum of the values before each position, and of all."""
    sums = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=sums[1:])
    return sums
