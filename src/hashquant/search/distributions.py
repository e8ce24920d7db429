"""How distances and codes are distributed: counts over all pairs of query and gallery item.

They are stored beside the scores, since the codes themselves are too large for a repository.
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64, Integer, Shaped
from torch import Tensor
from torch.nn.functional import embedding_bag

from hashquant.codes.adc import COARSE_TOP, STRIP
from hashquant.codes.binary import unpack_bits
from hashquant.codes.decoded import inner_scores, vector_scales
from hashquant.codes.family import CodeBudget
from hashquant.codes.real import cosine_scores, unpack_real
from hashquant.machine.threads import workers
from hashquant.search._gallery import Gallery, class_slices
from hashquant.search.comparisons import MissingCodesError, StoredCodes
from hashquant.search.exhaustive import MEMORY_BYTES, hamming_groups
from hashquant.types import QueryTable

#: Bins of distances that are no whole numbers.
BINS = 64
#: Cells that scores by table are counted in, before neighbours are joined to bins.
FINE = 1 << 16
#: Queries that share one pass over the gallery's codewords, and codes unpacked at a time.
_CHUNK, _BLOCK = 32, 1 << 16

Pair = Int64[Tensor, "2 _"]  # of all pairs, and of those of one class
Indices = Integer[Tensor, "n m"]  # of the narrowest kind
Array = Shaped[np.ndarray, "..."]


def distributions(codes: StoredCodes) -> dict[str, Array]:
    """Count the headline's distances between items of one class and of different ones.

    `same` and `different` (b,) count pairs of a query and a gallery item by bin; bin i reaches
    from `edges[i]` to `edges[i + 1]`, (b + 1,) ascending, in units of `comparison`, and
    `larger_is_closer` says which end is near. Hamming distances 0 … L have a bin each, cosines
    64 bins within -1 … 1, other scores 64 from their smallest to their largest. Beside them
    `codeword_use` (m, k), items of each codeword, or `ones` (L,), ones of each bit.

    Raises:
        MissingCodesError: if the queries' look-up tables or the decoded items are not stored.
        HashQuantError: if the parts do not fit each other.
    """
    gallery = Gallery(codes.gallery, codes.gallery_labels, codes.budget)
    larger = codes.form in ("float", "decoded") or (codes.form != "bits" and codes.larger_is_closer)
    use: dict[str, Array] = {}
    if codes.form == "bits":
        comparison, counts = "hamming", _hamming_counts(codes, gallery)
        edges = np.arange(codes.budget.bits + 2) - 0.5
        use["ones"] = _ones(gallery)
    elif codes.form == "float":
        comparison, counts = "cosine", _cosine_counts(codes, gallery)
        edges = np.linspace(-1, 1, BINS + 1)
    elif codes.form == "decoded":
        comparison = "adc"
        counts, edges = _inner_counts(codes)
    else:
        if codes.query_table is None:
            raise MissingCodesError("no query_table is stored with the codes")
        comparison = "adc"
        indices = gallery.indices()
        counts, edges = _table_counts(codes.query_table, codes.query_labels, gallery, indices)
        use["codeword_use"] = _codeword_use(indices, codes.budget)
    total, same = counts.cpu().numpy()
    return {
        "comparison": np.array(comparison),
        "edges": edges,
        "same": same,
        "different": total - same,
        "larger_is_closer": np.array(larger),
        **use,
    }


def _hamming_counts(codes: StoredCodes, gallery: Gallery) -> Pair:
    found = torch.zeros(2, codes.budget.bits + 1, dtype=torch.int64, device=codes.gallery.device)
    for groups in hamming_groups(codes.query, codes.query_labels, gallery):
        found += torch.stack([groups.size.sum(0), groups.relevant.sum(0)])
    return found


def _cosine_counts(codes: StoredCodes, gallery: Gallery) -> Pair:
    """Count cosines, a block of the gallery at a time."""
    queries, items = unpack_real(codes.query), unpack_real(gallery.codes)
    slices = class_slices(gallery.labels, codes.query_labels).cpu()
    found = torch.zeros(2, BINS, dtype=torch.int64, device=items.device)
    for part, start, scores in _blocks(cosine_scores, queries, items):
        bins = scores.add_(1).mul_(BINS / 2).int().clamp_(0, BINS - 1).T  # (n, q)
        found += _counts(bins, slices[part] - start, BINS)
    return found


def _inner_counts(codes: StoredCodes) -> tuple[Pair, Float64[np.ndarray, " edges"]]:
    """Count inner products in two walks: their ends, then the pairs between them."""
    queries, items = codes.query_embedding, codes.gallery_decoded
    if queries is None or items is None:
        raise MissingCodesError("no decoded items are stored with the codes")
    order = codes.gallery_labels.argsort()
    slices = class_slices(codes.gallery_labels[order], codes.query_labels).cpu()
    items = items[order]
    score = functools.partial(inner_scores, scale=float(vector_scales(items).amax()))
    ends = [scores.aminmax() for _, _, scores in _blocks(score, queries, items)]
    low, high = min(float(end.min) for end in ends), max(float(end.max) for end in ends)
    span = max(high - low, 1e-290)
    found = torch.zeros(2, BINS, dtype=torch.int64, device=items.device)
    for part, start, scores in _blocks(score, queries, items):
        bins = scores.sub_(low).mul_(BINS / span).int().clamp_(0, BINS - 1).T  # (n, q)
        found += _counts(bins, slices[part] - start, BINS)
    return found, low + span / BINS * np.arange(BINS + 1)


def _blocks(
    score: Callable[..., Float64[Tensor, "q n"]],
    queries: Float32[Tensor, "q e"],
    items: Float32[Tensor, "n e"],
) -> Iterator[tuple[slice, int, Float64[Tensor, "q n"]]]:
    """Yield scores, with the queries' rows and where the items begin, as many as memory allows."""
    block = max(1, MEMORY_BYTES // (96 * items.shape[1]))
    chunk = max(1, MEMORY_BYTES // (64 * min(block, len(items))))
    for first in range(0, len(queries), chunk):
        part = slice(first, first + chunk)
        for start in range(0, len(items), block):
            yield part, start, score(queries[part], items[start : start + block])


def _table_counts(
    tables: QueryTable, labels: Int64[Tensor, " q"], gallery: Gallery, indices: Indices
) -> tuple[Pair, Float64[np.ndarray, " edges"]]:
    """Count scores in fine cells, and join the cells that are used to bins.

    A score is rounded to a whole number of units, of which at most 2^24 span what the tables
    allow. Such sums are exact in float32, so the counts are the same on every device.
    """
    slices = class_slices(gallery.labels, labels).cpu()
    low = tables.amin(dim=(0, 2)).double()  # (m)
    span = (tables.amax(dim=(0, 2)).double() - low).sum().clamp(min=1e-290)
    scale = (COARSE_TOP - FINE - len(low)) / span

    def count(start: int) -> Pair:
        part = slice(start, start + _CHUNK)
        units = tables[part].double().sub(low[:, None]).mul(scale).round()
        cells = (units * (FINE / COARSE_TOP)).float().flatten(1).T.contiguous()  # (m k, q)
        found = torch.zeros(2, FINE, dtype=torch.int64, device=tables.device)
        for first, bins in _summed(cells, indices):
            found += _counts(bins, slices[part] - first, FINE)
        return found

    with workers(1 if tables.is_cuda else torch.get_num_threads()) as pool:
        fine = functools.reduce(torch.add, pool.map(count, range(0, len(tables), _CHUNK)))
    bins, first, width = _joined(fine)
    cell = float(COARSE_TOP / FINE / scale)
    edges = float(low.sum()) + cell * (first + width * np.arange(BINS + 1))
    return bins, edges


def _summed(cells: Float32[Tensor, "c q"], indices: Indices) -> Iterator[tuple[int, Tensor]]:
    """Yield where a strip of the gallery begins and its cells under each table, (n, q)."""
    books = indices.shape[1]
    offsets = torch.arange(books, dtype=torch.int32, device=indices.device) * (len(cells) // books)
    for first in range(0, len(indices), STRIP):
        rows = indices[first : first + STRIP].int() + offsets
        yield first, embedding_bag(rows, cells, mode="sum").int()


def _counts(bins: Tensor, slices: Int64[Tensor, "q 2"], size: int) -> Pair:
    """Count the bins (n, q) of some items: of all, and of those that `slices` bound."""
    low, high = slices.clamp(0, len(bins)).T.tolist()
    mine = [bins[a:b, i] for i, (a, b) in enumerate(zip(low, high, strict=True)) if a < b]
    same = torch.cat(mine) if mine else bins.new_zeros(0)
    return torch.stack(
        [torch.bincount(values, minlength=size) for values in (bins.flatten(), same)]
    )


def _joined(fine: Pair) -> tuple[Pair, int, int]:
    """Join used cells to `BINS` equal bins; return them, the first cell and how many make one."""
    used = fine[0].nonzero()
    first, last = int(used[0]), int(used[-1])
    width = -(-(last - first + 1) // BINS)
    bins = torch.zeros(2, BINS * width, dtype=torch.int64, device=fine.device)
    bins[:, : last + 1 - first] = fine[:, first : last + 1]
    return bins.view(2, BINS, width).sum(dim=2), first, width


def _codeword_use(indices: Indices, budget: CodeBudget) -> Int64[np.ndarray, "m k"]:
    counted = [torch.bincount(book, minlength=budget.codewords) for book in indices.T]
    use: Int64[np.ndarray, "m k"] = torch.stack(counted).cpu().numpy()
    return use


def _ones(gallery: Gallery) -> Int64[np.ndarray, " bits"]:
    parts = torch.split(gallery.codes, _BLOCK)
    counted = [unpack_bits(part, gallery.budget.bits).sum(dim=0) for part in parts]
    ones: Int64[np.ndarray, " bits"] = torch.stack(counted).sum(dim=0).cpu().numpy()
    return ones
