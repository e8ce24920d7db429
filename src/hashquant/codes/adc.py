"""Exact ranks of relevant items under look-up tables, without sorting the gallery.

A coarse whole-number score puts every item into a bin; only items in the bins of relevant items
and the bins next to them can be out of order with one, so only these get float64 scores and are
sorted. All others are counted. The result is that of a full float64 sort, to the bit.
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int32, Int64, Shaped
from torch import Tensor
from torch.nn.functional import embedding_bag

#: Coarse scores stay below this: float32 holds such whole numbers, and their sums, exactly.
COARSE_TOP = 1 << 24
#: Items scored at a time for one chunk of queries.
BLOCK = 1 << 15

Table = Float64[np.ndarray, "m k"]
Books = Shaped[np.ndarray, "n m"]
Weights = Int64[np.ndarray, " n"]
Column = Int64[np.ndarray, " g"]


@dataclass(frozen=True, eq=False)
class Entries:
    """Gallery items as codeword indices, class by class; `weights` counts equal ones in one."""

    indices: Books
    weights: Weights | None = None


class Blocks(NamedTuple):
    """One query's groups that hold relevant items: a row of `TieGroups`."""

    ahead: Column
    size: Column
    ahead_relevant: Column
    relevant: Column


def exact_scores(table: Table, indices: Books) -> Float64[np.ndarray, " n"]:
    """Return Σ_m T[m, i_m] in float64, in the order m = 0 … M - 1."""
    scores: Float64[np.ndarray, " n"] = table[0].take(indices[:, 0])
    for m in range(1, len(table)):
        scores += table[m].take(indices[:, m])
    return scores


def rank_relevant(
    tables: Float64[np.ndarray, "q m k"],
    entries: Entries,
    slices: Int64[np.ndarray, "q 2"],
    pool: Executor,
) -> list[Blocks]:
    """Return each query's groups with relevant items; smaller scores are nearer.

    Row i of `slices` bounds the entries relevant to query i; queries are spread over `pool`.
    """
    books, words = tables.shape[1:]
    counters = [
        RankCounter(table, entries, low, high)
        for table, (low, high) in zip(tables, slices.tolist(), strict=True)
    ]
    coarse = np.stack(list(pool.map(RankCounter.prepare, counters)), axis=-1)  # (m, k, q)
    weights = torch.from_numpy(coarse).flatten(0, 1)
    offsets = torch.arange(books, dtype=torch.int32) * words
    for start in range(0, len(entries.indices), BLOCK):
        part = torch.from_numpy(entries.indices[start : start + BLOCK]).int() + offsets
        sums = embedding_bag(part, weights, mode="sum")  # (b, q)
        bins = sums.T.to(torch.int32, memory_format=torch.contiguous_format)
        for _ in pool.map(RankCounter.count, counters, bins.unbind(), repeat(start)):
            pass  # lets an error of a thread through
    return list(pool.map(RankCounter.finish, counters))


@dataclass(eq=False)
class RankCounter:
    """One query's walk over the gallery: prepare, count block after block, finish."""

    table: Table
    entries: Entries
    low: int
    high: int

    def prepare(self) -> Float32[np.ndarray, "m k"]:
        """Return the coarse table; number the stretches of bins by its relevant ones.

        Even numbers are stretches of bins whose items need only be counted, odd ones hold
        relevant items and their neighbours.
        """
        relevant = self.entries.indices[self.low : self.high]
        count = bin_count(len(self.entries.indices), len(relevant), len(self.table))
        coarse = coarse_table(self.table, count)
        self._relevant_bins = exact_scores(coarse, relevant).astype(np.int32)
        near = np.zeros(count + 3, dtype=np.bool_)
        for offset in range(3):
            near[self._relevant_bins + offset] = True
        near[0] = False  # stands for the bin before the first
        number = np.cumsum(near[1:] != near[:-1], dtype=np.int32)[:count]
        self._number = torch.from_numpy(number)
        self._counts = np.zeros(int(number[-1]) + 2, dtype=np.int64)
        self._scores: list[Float64[np.ndarray, " e"]] = []
        self._weights: list[Weights] = []
        return coarse

    def count(self, bins: Int32[Tensor, " b"], start: int) -> None:
        """Count a block of items by stretch, and keep the exact scores of those in odd ones."""
        number = self._number.index_select(0, bins)
        here = np.flatnonzero((number & 1).bool().numpy()) + start
        weights = self.entries.weights
        if weights is None:
            counts = torch.bincount(number, minlength=len(self._counts)).numpy()
        else:
            stop = start + len(number)
            ones = torch.from_numpy(weights[start:stop]).double()  # exact below 2^53
            found = torch.bincount(number, ones, minlength=len(self._counts))
            counts = found.long().numpy()
            self._weights.append(weights[here])
        self._counts += counts
        self._scores.append(exact_scores(self.table, self.entries.indices[here]))

    def finish(self) -> Blocks:
        """Sort what was kept, and find the group of every relevant item in it."""
        scores, upto = self._sorted()
        relevant = exact_scores(self.table, self.entries.indices[self.low : self.high])
        order = np.argsort(relevant)
        values = relevant[order]
        first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])[: len(values)])
        values = values[first]
        weights = self.entries.weights
        held = (
            np.ones(len(order), dtype=np.int64)
            if weights is None
            else weights[self.low : self.high][order]
        )
        inside = np.add.reduceat(held, first) if len(first) else np.zeros(0, dtype=np.int64)
        left = upto[np.searchsorted(scores, values, side="left")]
        right = upto[np.searchsorted(scores, values, side="right")]
        self._counts[1::2] = 0
        counted = np.cumsum(self._counts)
        stretch = self._number.numpy()[self._relevant_bins[order][first]]
        return Blocks(left + counted[stretch], right - left, np.cumsum(inside) - inside, inside)

    def _sorted(self) -> tuple[Float64[np.ndarray, " e"], Int64[np.ndarray, " c"]]:
        """Return the kept scores in order, and how many items come before each position."""
        scores = np.concatenate(self._scores)
        if not self._weights:
            scores.sort()
            return scores, np.arange(len(scores) + 1)
        order = np.argsort(scores)
        upto = np.concatenate([[0], np.cumsum(np.concatenate(self._weights)[order])])
        return scores[order], upto


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
