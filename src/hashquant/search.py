"""Exhaustive search as exact counts: where each query's relevant items rank among all items.

No ranking is ever stored. Memory is bounded for any gallery, and neither the order of the
gallery nor the size of a chunk changes a bit of the result.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import numpy as np
import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from hashquant.codes.adc import BLOCK, Blocks, bin_count, merged_entries, rank_relevant
from hashquant.codes.binary import distance_counts, distance_counts_by_product
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import table_scores, unpack_indices
from hashquant.errors import HashQuantError
from hashquant.metrics.ranking import RADIUS
from hashquant.metrics.ties import TieGroups, groups_of_scores
from hashquant.types import Counts, Labels, PackedCodes, QueryTable

Rows = Int64[np.ndarray, " n"]
AnyLabels = Int64[Tensor, " labels"]  # as many as items, which is checked

MEMORY_BYTES = 256 << 20
#: Queries that share one pass over the gallery's codewords.
_CHUNK = 32


@dataclass(frozen=True, eq=False)
class Gallery:
    """The items searched: packed codes and labels, put in order of class when built.

    The relevant items of a query are then one slice. A budget without subspaces is binary; its
    packed bytes serve as M codeword indices of K = 256 in asymmetric search.

    Raises:
        HashQuantError: if it is empty, or codes, labels and budget do not fit.
    """

    codes: PackedCodes
    labels: AnyLabels
    budget: CodeBudget

    def __post_init__(self) -> None:
        if len(self.codes) == 0 or len(self.codes) != len(self.labels):
            raise HashQuantError(
                f"a gallery must have as many labels as codes, and at least one, "
                f"got {len(self.codes)} codes and {len(self.labels)} labels"
            )
        _check_width("gallery", self.codes, self.budget)
        if bool((self.labels[1:] < self.labels[:-1]).any()):
            order = torch.argsort(self.labels)
            object.__setattr__(self, "codes", self.codes[order])
            object.__setattr__(self, "labels", self.labels[order])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def books(self) -> tuple[int, int]:
        """M and K of the tables that can search this gallery."""
        if self.budget.subspaces:
            return self.budget.subspaces, self.budget.codewords
        return self.budget.code_bytes, 256

    def indices(self) -> Integer[Tensor, "n m"]:
        """Return the codeword indices, a byte each where K ≤ 256."""
        if not self.budget.subspaces or self.budget.bits_per_subspace == 8:
            return self.codes
        kind = torch.uint8 if self.budget.codewords <= 256 else torch.int32
        parts = torch.split(self.codes, 1 << 20)
        return torch.cat([unpack_indices(part, self.budget).to(kind) for part in parts])


def hamming_groups(
    query_codes: PackedCodes,
    query_labels: AnyLabels,
    gallery: Gallery,
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[TieGroups]:
    """Yield the groups of equal Hamming distance 0 … L, for chunks of queries in their order.

    On the CPU distances are population counts of packed words; on other devices, products of
    ±1. Both count the same whole numbers.

    Raises:
        HashQuantError: if queries and gallery do not fit each other.
    """
    _check_width("query", query_codes, gallery.budget)
    _check_queries(len(query_codes), query_labels)
    if query_codes.is_cuda:
        return _multiplied_chunks(query_codes, query_labels, gallery, memory_bytes)
    return _popcounted_chunks(query_codes, query_labels, gallery, memory_bytes)


def table_groups(
    tables: QueryTable,
    query_labels: AnyLabels,
    gallery: Gallery,
    *,
    larger_is_closer: bool,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[TieGroups]:
    """Yield the groups of equal look-up table score that hold relevant items, chunk by chunk.

    A score is the float64 sum over books in the order m = 0 … M - 1: equal codes tie exactly.
    Tables serve ADC, SDC (the table of the query's own codewords) and asymmetric Hamming
    (`codes.binary.asymmetric_table`).

    Raises:
        HashQuantError: if tables do not fit the gallery or are not finite.
    """
    _check_queries(len(tables), query_labels)
    if tuple(tables.shape[1:]) != gallery.books:
        raise HashQuantError(
            f"tables must have (books, codewords) {gallery.books}, got {tuple(tables.shape[1:])}"
        )
    if not bool(torch.isfinite(tables).all()):
        raise HashQuantError("tables must be finite, got NaN or infinite scores")
    if tables.is_cuda:
        return _sorted_chunks(tables, query_labels, gallery, larger_is_closer, memory_bytes)
    return _counted_chunks(tables, query_labels, gallery, larger_is_closer, memory_bytes)


def workers(count: int) -> ThreadPoolExecutor:
    """Return a pool of threads, each of which lets torch use one thread.

    Torch would start a team of its own inside each thread for long arrays, and teams that share
    a core wait for each other. The setting is a thread's own once it is settled there; the
    caller's is put back when all threads have started.
    """
    before = torch.get_num_threads()
    started = Barrier(count + 1)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # settles it for this thread
        started.wait()

    pool = ThreadPoolExecutor(count, initializer=start)
    for _ in range(count):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(before)
    return pool


def _popcounted_chunks(
    codes: PackedCodes, labels: AnyLabels, gallery: Gallery, memory_bytes: int
) -> Iterator[TieGroups]:
    """Count distances on the CPU, each thread for its share of a chunk's queries."""
    bits, threads = gallery.budget.bits, torch.get_num_threads()
    items, rows = gallery.codes.numpy(), codes.numpy()
    slices = _slices(gallery.labels, labels)
    bounds = slices.numpy()

    def count(part: Rows) -> tuple[Tensor, Tensor]:
        total, relevant = distance_counts(rows[part], items, bounds[part], bits)
        return torch.from_numpy(total), torch.from_numpy(relevant)

    # Counts of up to 2^15 a chunk are scored by one thread: handing less out costs more.
    chunk = max(1, min(1 << 15, memory_bytes // 256) // max(bits + 1, 128))
    with workers(threads) as pool:
        for start in range(0, len(rows), chunk):
            stop = min(start + chunk, len(rows))
            shares = np.array_split(np.arange(start, stop), min(threads, stop - start))
            counts = zip(*pool.map(count, shares), strict=True)
            size, relevant = (torch.cat(parts) for parts in counts)
            yield _distance_groups(size, relevant, slices[start:stop], len(gallery))


def _multiplied_chunks(
    codes: PackedCodes, labels: AnyLabels, gallery: Gallery, memory_bytes: int
) -> Iterator[TieGroups]:
    """Count distances on any device by products of ±1: the CUDA way."""
    bits = gallery.budget.bits
    slices = _slices(gallery.labels, labels)
    for part in (slice(start, start + 256) for start in range(0, len(codes), 256)):
        size, relevant = distance_counts_by_product(
            codes[part], gallery.codes, slices[part], bits, memory_bytes
        )
        yield _distance_groups(size, relevant, slices[part], len(gallery))


def _distance_groups(
    size: Counts, relevant: Counts, slices: Int64[Tensor, "q 2"], gallery_size: int
) -> TieGroups:
    ball = slice(0, RADIUS + 1)
    return TieGroups(
        ahead=size.cumsum(1) - size,
        size=size,
        ahead_relevant=relevant.cumsum(1) - relevant,
        relevant=relevant,
        total_relevant=slices[:, 1] - slices[:, 0],
        gallery_size=gallery_size,
        within_radius=torch.stack([size[:, ball].sum(1), relevant[:, ball].sum(1)], dim=1),
    )


def _counted_chunks(
    tables: QueryTable,
    labels: AnyLabels,
    gallery: Gallery,
    larger_is_closer: bool,
    memory_bytes: int,
) -> Iterator[TieGroups]:
    """Rank on the CPU by coarse bins and exact scores of what they leave open."""
    entries, classes = merged_entries(
        gallery.indices().numpy(), gallery.codes.numpy(), gallery.labels.numpy()
    )
    slices = _slices(torch.from_numpy(classes), labels)
    totals = _slices(gallery.labels, labels).diff(dim=1).flatten()
    most = int(slices.diff(dim=1).max()) if len(slices) else 0
    bins = bin_count(len(classes), most, gallery.books[0])
    threads = torch.get_num_threads()
    one_query = 4 * bins + 8 * BLOCK + 256 * most
    chunk = min(_CHUNK, max(1, memory_bytes // (threads * one_query)))
    sign = -1.0 if larger_is_closer else 1.0

    def rank(start: int) -> TieGroups:
        part = slice(start, start + chunk)
        signed = tables[part].double().mul(sign).numpy()
        return _stack(
            rank_relevant(signed, entries, slices[part].numpy()), totals[part], len(gallery)
        )

    starts = range(0, len(tables), chunk)
    with workers(threads) as pool:
        for first in range(0, len(starts), threads):
            yield from pool.map(rank, starts[first : first + threads])


def _sorted_chunks(
    tables: QueryTable,
    labels: AnyLabels,
    gallery: Gallery,
    larger_is_closer: bool,
    memory_bytes: int,
) -> Iterator[TieGroups]:
    """Rank on any device by sorting every score: the plain way, and the CUDA way."""
    indices = gallery.indices().int()
    slices = _slices(gallery.labels, labels)
    chunk = max(1, memory_bytes // (64 * len(gallery)))
    for start in range(0, len(tables), chunk):
        part = slice(start, start + chunk)
        scores = table_scores(-tables[part] if larger_is_closer else tables[part], indices)
        yield groups_of_scores(scores, slices[part])


def _stack(blocks: list[Blocks], total: Int64[Tensor, " q"], gallery_size: int) -> TieGroups:
    """Pad the rows of a chunk to one width."""
    width = max(len(block.ahead) for block in blocks)
    rows = np.zeros((4, len(blocks), width), dtype=np.int64)
    for i, block in enumerate(blocks):
        n = len(block.ahead)
        rows[:, i, :n] = block
        rows[0, i, n:], rows[2, i, n:] = gallery_size, int(total[i])
    ahead, size, hits, relevant = (torch.from_numpy(x) for x in rows)
    return TieGroups(ahead, size, hits, relevant, total, gallery_size)


def _slices(gallery_labels: Labels, query_labels: AnyLabels) -> Int64[Tensor, "q 2"]:
    """Return the bounds of each query's class among labels in order."""
    ordered, wanted = gallery_labels.contiguous(), query_labels.contiguous()
    low = torch.searchsorted(ordered, wanted)
    return torch.stack([low, torch.searchsorted(ordered, wanted, right=True)], dim=1)


def _check_width(role: str, codes: PackedCodes, budget: CodeBudget) -> None:
    if codes.shape[1] != budget.code_bytes:
        raise HashQuantError(
            f"{role} codes must have {budget.code_bytes} bytes ({budget.bits} bits), "
            f"got {codes.shape[1]}"
        )


def _check_queries(count: int, labels: AnyLabels) -> None:
    if count != len(labels):
        raise HashQuantError(
            f"queries must have a label each, got {count} and {len(labels)} labels"
        )
