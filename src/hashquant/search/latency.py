"""Search time: what a query costs among 100,000 items, by faiss and by the suite's own ranking.

Every method is timed the same way in the run that scores it: a gallery of `SEARCH_ITEMS` items
made of its own codes, `SEARCH_QUERIES` queries, one thread, a warm-up, the median of `REPEATS`.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from hashquant.codes.product import unpack_indices
from hashquant.codes.real import unpack_real
from hashquant.machine.threads import one_thread
from hashquant.search.comparisons import StoredCodes
from hashquant.types import Codebooks, Embedding

#: Items searched, and queries asked at a time; nearest items that faiss returns.
SEARCH_ITEMS, SEARCH_QUERIES, REPEATS, TOP = 100_000, 32, 5, 100
#: Embeddings without a code are long: no more of them are searched than these bytes hold.
FLOAT_BYTES = 64 << 20

Nearest = Callable[[int], tuple[Any, Any]]  # Any: faiss gives arrays of distances and of places


def search_times(
    codes: StoredCodes, codebooks: Codebooks | None = None, vectors: Embedding | None = None
) -> dict[str, float]:
    """Return milliseconds a query, and what was searched, as plain numbers by name.

    `search_ms_kernel` is the exact ranking of all items by the headline comparison, whatever it
    prepares for these queries included; `search_ms_faiss` the `TOP` nearest by faiss, absent
    where faiss cannot search such codes (product and additive codes need their `codebooks` and the
    queries' `vectors` for it; decoded codes it cannot). Of decoded codes the items are decoded
    before the clock runs. All is timed on the CPU; the settings of threads are put back.
    """
    rows = torch.arange(SEARCH_QUERIES) % len(codes.query)
    asked = enlarged(codes, rows)
    chosen = None if vectors is None else vectors.detach().cpu()[rows]
    with one_thread():
        times = {"search_ms_kernel": _milliseconds(lambda: _rank(asked)) / len(rows)}
        nearest = faiss_search(asked, codebooks, chosen)
        if nearest is not None:
            times["search_ms_faiss"] = _milliseconds(lambda: nearest(TOP)) / len(rows)
    return times | {
        "search_items": float(len(asked.gallery)),
        "search_queries": float(len(rows)),
        "search_threads": 1.0,
    }


def enlarged(codes: StoredCodes, rows: Int64[Tensor, " asked"]) -> StoredCodes:
    """Return the codes as a search of the fixed size on the CPU, with the queries in `rows`.

    A smaller gallery is repeated, each copy with classes of its own: a query has as many relevant
    items as before, and no more equal codes can be merged. Of a larger one, items are taken
    evenly. They are in order of class, as a gallery keeps them.
    """
    size, items, vectors = len(codes.gallery), SEARCH_ITEMS, codes.gallery_decoded
    if codes.form == "float" or vectors is not None:
        width = codes.budget.code_bytes if vectors is None else 4 * vectors.shape[1]
        items = max(1, min(items, FLOAT_BYTES // width))
    place = torch.arange(items)
    source, copy = (place % size, place // size) if size < items else (place * size // items, 0)
    labels, wanted = codes.gallery_labels.cpu(), codes.query_labels.cpu()
    every = torch.cat([labels, wanted])
    labels = labels[source] + copy * (every.max() - every.min() + 1)
    order = labels.argsort(stable=True)

    def some(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.cpu()[rows]

    return replace(
        codes, gallery=codes.gallery.cpu()[source[order]], gallery_labels=labels[order],
        query=codes.query.cpu()[rows], query_labels=wanted[rows],
        query_embedding=some(codes.query_embedding), query_table=some(codes.query_table),
        gallery_decoded=None if vectors is None else vectors.cpu()[source[order]],
        symmetric_table=None, codebooks=None, query_decoded=None,
    )  # fmt: skip


def faiss_search(
    codes: StoredCodes, codebooks: Codebooks | None, vectors: Embedding | None
) -> Nearest | None:
    """Return faiss's search of the gallery for all queries, or None where it cannot serve.

    Bits are searched by an IndexBinaryFlat of whole bytes; codewords by an IndexPQ, additive ones
    by an IndexResidualQuantizer's look-up tables, with the method's own `codebooks`, K a power of
    two, for the queries' `vectors`; embeddings by an IndexFlatIP: all are of length 1. The result
    takes the number of nearest items and returns their distances (or inner products) and their
    places in the gallery.
    """
    import faiss

    if codes.form == "bits":
        bits = faiss.IndexBinaryFlat(8 * codes.budget.code_bytes)
        bits.add(codes.gallery.numpy())
        return partial(bits.search, codes.query.numpy())
    if codes.form == "float":
        floats = faiss.IndexFlatIP(codes.budget.code_bytes // 4)
        floats.add(unpack_real(codes.gallery).numpy())
        return partial(floats.search, unpack_real(codes.query).numpy())
    width = codes.budget.bits_per_subspace
    if codebooks is None or vectors is None or codes.budget.codewords != 1 << width:
        return None
    index = _index(codes, codebooks, vectors.shape[1], width)
    if index is None:
        return None
    indices = unpack_indices(codes.gallery, codes.budget).numpy()
    faiss.copy_array_to_vector(faiss.pack_bitstrings(indices, width).ravel(), index.codes)
    index.ntotal, index.is_trained = len(indices), True
    return partial(index.search, _floats(vectors))


def _index(codes: StoredCodes, codebooks: Codebooks, size: int, width: int) -> Any:  # Any: faiss's
    """Return faiss's index of vectors of a size with these codebooks; None where they do not fit.

    Additive codes are searched by look-up table without lengths: inner products, as ours are.
    """
    import faiss

    books, _, length = codebooks.shape
    if size != (length if codes.form == "additive" else books * length):
        return None
    metric = faiss.METRIC_INNER_PRODUCT if codes.larger_is_closer else faiss.METRIC_L2
    if codes.form == "additive":
        by_table = faiss.AdditiveQuantizer.ST_LUT_nonorm
        make: Any = faiss.IndexResidualQuantizer  # its stub knows fewer arguments
        sums = make(size, books, width, metric, by_table)
        faiss.copy_array_to_vector(_floats(codebooks).ravel(), sums.rq.codebooks)
        sums.rq.is_trained = True
        return sums
    index = faiss.IndexPQ(size, books, width, metric)
    faiss.copy_array_to_vector(_floats(codebooks).ravel(), index.pq.centroids)
    return index


def _rank(codes: StoredCodes) -> None:
    _, groups = next(codes.rankings())
    deque(groups, maxlen=0)


def _milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call after one that is not counted."""
    call()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _floats(tensor: Tensor) -> Float32[np.ndarray, "..."]:
    values: Float32[np.ndarray, ...] = tensor.detach().cpu().float().contiguous().numpy()
    return values
