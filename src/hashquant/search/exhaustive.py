"""Exhaustive search as exact counts: where each query's relevant items rank among all items.

No ranking is ever stored. Memory is bounded for any gallery, and neither the order of the
gallery nor the size of a chunk changes a bit of the result.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from hashquant.codes.adc import Ranked, Walk, counter_bytes, rank_relevant
from hashquant.codes.binary import WORD_BITS, distance_counts
from hashquant.codes.decoded import inner_scores, vector_scales
from hashquant.codes.kernels import TOGETHER, count_pairs, placers
from hashquant.codes.placing import PLACED_BELOW, places_bytes, rank_by_placing
from hashquant.codes.real import cosine_scores, unpack_real
from hashquant.errors import HashQuantError
from hashquant.machine.compiled import compiled
from hashquant.machine.threads import ahead, workers
from hashquant.metrics.ranking import RADIUS
from hashquant.metrics.ties import TieGroups, groups_of_scores
from hashquant.search._gallery import (
    AnyGallery,
    AnyLabels,
    Gallery,
    StoredGallery,
    check_queries,
    check_width,
    class_slices,
)
from hashquant.search.ondevice import distance_chunks, score_chunks
from hashquant.types import Counts, PackedCodes, QueryTable

__all__ = [
    "Gallery", "StoredGallery", "cosine_groups", "hamming_groups", "inner_groups", "table_groups"
]  # fmt: skip

Rows = Int64[np.ndarray, " n"]
Vectors = Float32[Tensor, "n e"]
Scored = Callable[[Vectors, Vectors], Float64[Tensor, "q n"]]
Rank = Callable[[Float64[np.ndarray, "q m k"], Walk, Int64[np.ndarray, "q 2"]], Iterator[Ranked]]

MEMORY_BYTES = 256 << 20
#: Queries of a thread that share one walk through a gallery in memory.
_CHUNK = 32
#: Bytes that a relevant item is given while its query is evaluated: more than it takes.
_EVALUATED = 400


def hamming_groups(
    query_codes: PackedCodes,
    query_labels: AnyLabels,
    gallery: AnyGallery,
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[TieGroups]:
    """Yield the groups of equal Hamming distance 0 … L, for chunks of queries in their order.

    On the CPU distances are population counts of packed words; on CUDA see `ondevice`. Both
    count the same whole numbers. A stored gallery is read on the CPU.

    Raises:
        HashQuantError: if queries and gallery do not fit each other.
    """
    check_width("query", query_codes, gallery.budget)
    check_queries(len(query_codes), query_labels)
    if not query_codes.is_cuda:
        return _popcounted_chunks(query_codes, query_labels, gallery, memory_bytes)
    return _device_chunks(query_codes, query_labels, _in_memory(gallery), memory_bytes)


def table_groups(
    tables: QueryTable,
    query_labels: AnyLabels,
    gallery: AnyGallery,
    *,
    larger_is_closer: bool,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[TieGroups]:
    """Yield the groups of equal look-up table score that hold relevant items, chunk by chunk.

    A score is the float64 sum over books in the order m = 0 … M - 1: equal codes tie exactly.
    Tables serve ADC, SDC (the table of the query's own codewords) and asymmetric Hamming
    (`codes.binary.asymmetric_table`). A stored gallery is read on the CPU. Memory does not grow
    with the gallery, but with a query's relevant items: their distinct scores are its groups.

    Raises:
        HashQuantError: if tables do not fit the gallery or are not finite.
    """
    check_queries(len(tables), query_labels)
    if tuple(tables.shape[1:]) != gallery.books:
        raise HashQuantError(
            f"tables must have (books, codewords) {gallery.books}, got {tuple(tables.shape[1:])}"
        )
    if not bool(torch.isfinite(tables).all()):
        raise HashQuantError("tables must be finite, got NaN or infinite scores")
    if tables.is_cuda:
        signed = tables.double().neg() if larger_is_closer else tables
        return score_chunks(signed, query_labels, _in_memory(gallery), memory_bytes)
    return _counted_chunks(tables, query_labels, gallery, larger_is_closer, memory_bytes)


def cosine_groups(
    query_codes: PackedCodes,
    query_labels: AnyLabels,
    gallery: Gallery,
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[TieGroups]:
    """Yield the groups of equal cosine that hold relevant items, for embeddings without a code.

    Cosines are those of `codes.real.cosine_scores`: equal embeddings tie exactly.

    Raises:
        HashQuantError: if queries and gallery do not fit each other, or are no unit embeddings.
    """
    check_width("query", query_codes, gallery.budget)
    check_queries(len(query_codes), query_labels)
    slices = class_slices(gallery.labels, query_labels)
    queries, items = unpack_real(query_codes), unpack_real(gallery.codes)
    return _scored_chunks(queries, items, slices, cosine_scores, memory_bytes)


def inner_groups(
    vectors: Float[Tensor, "q e"],
    query_labels: AnyLabels,
    items: Float[Tensor, "n size"],
    labels: Int64[Tensor, " items"],
    *,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[TieGroups]:
    """Yield the groups of equal inner product that hold relevant items, for decoded items.

    Products are those of `codes.decoded.inner_scores`: equal vectors tie exactly.

    Raises:
        HashQuantError: if queries, items and labels do not fit each other, or are not finite.
    """
    check_queries(len(vectors), query_labels)
    if not 0 < len(items) == len(labels) or items.shape[1] != vectors.shape[1]:
        raise HashQuantError(
            f"decoded items must have a label each and the queries' {vectors.shape[1]} values, "
            f"got {len(items)} of {items.shape[1]} values and {len(labels)} labels"
        )
    if not bool(items.isfinite().all() & vectors.isfinite().all()):
        raise HashQuantError("decoded items and queries must be finite, got a NaN or an infinity")
    order, items = torch.argsort(labels), items.float()
    score = partial(inner_scores, scale=float(vector_scales(items).amax()))
    slices = class_slices(labels[order], query_labels)
    return _scored_chunks(vectors.float(), items[order], slices, score, memory_bytes // 3)


def _popcounted_chunks(
    codes: PackedCodes, labels: AnyLabels, gallery: AnyGallery, memory_bytes: int
) -> Iterator[TieGroups]:
    """Count distances on the CPU, each thread for its share of a chunk's queries."""
    bits, threads = gallery.budget.bits, torch.get_num_threads()
    rows, slices = codes.numpy(), gallery.slices(labels)
    bounds = slices.numpy()
    kernel = compiled(count_pairs, len(codes) * len(gallery)) if bits <= WORD_BITS else None

    def count(part: Rows) -> tuple[Tensor, Tensor]:
        counts = torch.zeros(2, len(part), bits + 1, dtype=torch.int64)
        for start, items in gallery.blocks():
            found = distance_counts(rows[part], items, bounds[part] - start, bits, kernel)
            counts += torch.from_numpy(np.stack(found))
        total, relevant = counts
        return total, relevant

    # Counts of up to 2^15 a chunk are scored by one thread: handing less out costs more.
    chunk = max(1, min(1 << 15, memory_bytes // 256) // max(bits + 1, 128))
    with workers(threads) as pool:
        for start in range(0, len(rows), chunk):
            stop = min(start + chunk, len(rows))
            shares = np.array_split(np.arange(start, stop), min(threads, stop - start))
            counts = zip(*pool.map(count, shares), strict=True)
            size, relevant = (torch.cat(parts) for parts in counts)
            yield _distance_groups(size, relevant, slices[start:stop], len(gallery))


def _device_chunks(
    codes: PackedCodes, labels: AnyLabels, gallery: Gallery, memory_bytes: int
) -> Iterator[TieGroups]:
    """Count distances on a CUDA device."""
    for size, relevant, slices in distance_chunks(codes, labels, gallery, memory_bytes):
        yield _distance_groups(size, relevant, slices, len(gallery))


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
    gallery: AnyGallery,
    larger_is_closer: bool,
    memory_bytes: int,
) -> Iterator[TieGroups]:
    """Rank on the CPU, each thread some queries in one walk through the gallery."""
    entries, slices = gallery.entries(labels)
    totals = gallery.slices(labels).diff(dim=1).flatten()
    books, words = gallery.books
    most = int(slices.diff(dim=1).max()) if len(slices) else 0
    placed = words <= 256 and len(gallery) < PLACED_BELOW
    kernels = placers(len(tables) * len(entries)) if placed else None
    rank: Rank
    if kernels is None:
        rank, held = rank_relevant, counter_bytes(len(entries), most, books)
    else:
        rank, held = partial(rank_by_placing, kernels=kernels), places_bytes(most)
    alone = _EVALUATED * most > memory_bytes
    threads = 1 if alone else torch.get_num_threads()
    stored = isinstance(gallery, StoredGallery)
    limit = memory_bytes // (threads * (held + 16 * books * words))
    limit = max(limit // 2, limit - TOGETHER)  # queries that are being prepared are held twice
    chunk = _share(len(tables), threads, limit if stored else min(limit, _CHUNK))
    few = max(1, memory_bytes // (_EVALUATED * max(most, 1)))
    sign = -1.0 if larger_is_closer else 1.0

    def ranked(start: int) -> list[TieGroups]:
        part = slice(start, start + chunk)
        signed = tables[part].double().mul(sign).numpy()
        found = rank(signed, entries, slices[part].numpy())
        return [
            _stack(list(islice(found, len(total))), total, len(gallery))
            for total in torch.split(totals[part], few)
        ]

    starts = range(0, len(tables), chunk)
    for groups in map(ranked, starts) if alone else ahead(ranked, starts, threads):
        while groups:
            yield groups.pop(0)  # held by whoever asked for it, and no longer here


def _share(queries: int, threads: int, limit: int) -> int:
    """Return how many queries a thread takes in one walk: whole fours of its part, up to `limit`.

    >>> _share(10, 2, 32), _share(1000, 2, 32)
    (8, 32)
    """
    fours = -(-queries // (threads * TOGETHER))
    return max(1, min(limit, fours * TOGETHER))


def _in_memory(gallery: AnyGallery) -> Gallery:
    """Refuse a stored gallery.

    Raises:
        HashQuantError: if it is one.
    """
    if isinstance(gallery, StoredGallery):
        raise HashQuantError("queries of a stored gallery must be on the CPU, got a CUDA device")
    return gallery


def _scored_chunks(
    queries: Float32[Tensor, "q e"],
    items: Float32[Tensor, "n e"],
    slices: Int64[Tensor, "q 2"],
    score: Scored,
    memory_bytes: int,
) -> Iterator[TieGroups]:
    """Rank on any device by sorting every score, some items being multiplied at a time."""
    chunk = max(1, memory_bytes // (64 * len(items)))
    blocks = torch.split(items, max(1, memory_bytes // (32 * items.shape[1])))
    for start in range(0, len(queries), chunk):
        part = slice(start, start + chunk)
        scores = torch.cat([score(queries[part], block) for block in blocks], dim=1)
        yield groups_of_scores(scores.neg_(), slices[part])


def _stack(ranked: list[Ranked], total: Int64[Tensor, " q"], gallery_size: int) -> TieGroups:
    """Write the rows of a chunk, padded to one width."""
    width = max(map(len, ranked))
    rows = np.empty((4, len(ranked), width), dtype=np.int64)
    for i, groups in enumerate(ranked):
        groups.write(rows[:, i, : len(groups)])
        padding = gallery_size, 0, int(total[i]), 0
        rows[:, i, len(groups) :] = np.array(padding).reshape(4, 1)
    ahead, size, hits, relevant = torch.from_numpy(rows)
    return TieGroups(ahead, size, hits, relevant, total, gallery_size)
