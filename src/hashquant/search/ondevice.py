"""Exhaustive search on a CUDA device: products and sorts, or Triton's kernels where they work.

Both count the same whole numbers. The kernels are tried once against the plain way; where they
cannot be compiled, or a single count differs, the plain way serves.
"""

import functools
import logging
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import ModuleType

import torch
from jaxtyping import Float64, Int64, Integer
from torch import Tensor

from hashquant.codes.binary import distance_counts_by_product
from hashquant.codes.product import table_scores
from hashquant.metrics.ties import TieGroups, groups_of_places, groups_of_scores, in_order, placed
from hashquant.search._gallery import AnyLabels, Gallery, class_slices
from hashquant.types import Counts, PackedCodes, QueryTable

#: Queries whose distances are counted together.
_TOGETHER = 256

Slices = Int64[Tensor, "q 2"]

log = logging.getLogger(__name__)


def distance_chunks(
    codes: PackedCodes, labels: AnyLabels, gallery: Gallery, memory_bytes: int
) -> Iterator[tuple[Counts, Counts, Slices]]:
    """Yield the items, and relevant ones, at each Hamming distance, and the slices of a chunk."""
    bits, kernels = gallery.budget.bits, fused(codes.device)
    slices = gallery.slices(labels)
    for start in range(0, len(codes), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        asked = codes[part], gallery.codes, slices[part], bits
        if kernels is None:
            yield *distance_counts_by_product(*asked, memory_bytes), slices[part]
        else:
            yield *kernels.fused_distance_counts(*asked), slices[part]


def score_chunks(
    tables: QueryTable, labels: AnyLabels, gallery: Gallery, memory_bytes: int
) -> Iterator[TieGroups]:
    """Yield the groups of equal look-up table score; smaller is nearer."""
    kernels, slices = fused(tables.device), class_slices(gallery.labels, labels)
    indices = gallery.indices()
    if kernels is None:
        indices = indices.int()
        chunk = max(1, memory_bytes // (64 * len(gallery)))
        for start in range(0, len(tables), chunk):
            part = slice(start, start + chunk)
            yield groups_of_scores(table_scores(tables[part], indices), slices[part])
        return
    books = indices.T.contiguous()
    chunk = max(1, memory_bytes // (64 * _widest(slices) + 8 * tables[0].numel()))
    for start in range(0, len(tables), chunk):
        part = slice(start, start + chunk)
        yield placed_groups(tables[part].double(), books, slices[part], kernels.fused_places)


def placed_groups(
    tables: Float64[Tensor, "q m k"],
    books: Integer[Tensor, "m n"],
    slices: Slices,
    places: Callable[..., Int64[Tensor, "q w 2"]],
) -> TieGroups:
    """Return the groups that hold relevant items: their scores in order, all others counted."""
    low, known = slices[:, :1], slices.diff(dim=1)
    place = torch.arange(_widest(slices), device=tables.device)
    items = (low + place).clamp(max=books.shape[1] - 1)  # (q, w)
    scores = torch.zeros(items.shape, dtype=torch.float64, device=tables.device)
    for table, book in zip(tables.unbind(dim=1), books, strict=True):
        scores += table.gather(1, book[items].long())
    held = in_order(scores, known)
    counts = places(tables, books, held, known.flatten())
    return groups_of_places(held, known, counts, books.shape[1])


@functools.cache
def fused(device: torch.device) -> ModuleType | None:
    """Return `codes.fused` where its kernels give on `device` what the plain way gives."""
    if device.type != "cuda" or find_spec("triton") is None:
        return None
    from triton.errors import TritonError

    try:
        from hashquant.codes import fused as kernels

        wrong = _trial(kernels, device)
    except (TritonError, ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        wrong = f"{type(error).__name__}: {error}".splitlines()[0]
    if wrong:
        log.warning("search goes without Triton's kernels, which is slower: %s", wrong)
    return None if wrong else kernels


def _trial(kernels: ModuleType, device: torch.device) -> str:
    """Count small codes both ways; return what differs."""
    draw = torch.Generator().manual_seed(0)
    codes = torch.randint(256, (2100, 8), generator=draw).to(device, torch.uint8)
    slices = torch.tensor([[0, 40], [1000, 2100], [7, 7]], device=device)
    tables = torch.randint(9, (3, 8, 256), generator=draw).to(device).double()
    plain = distance_counts_by_product(codes[:3], codes, slices, 64, 1 << 20)
    counted = kernels.fused_distance_counts(codes[:3], codes, slices, 64)
    if not all(map(torch.equal, plain, counted)):
        return "its Hamming distances are not those of products"
    scores = table_scores(tables, codes.int())
    known = slices.diff(dim=1)
    items = (slices[:, :1] + torch.arange(1100, device=device)).clamp(max=2099)
    held = in_order(scores.gather(1, items), known)
    found = kernels.fused_places(tables, codes.T.contiguous(), held, known.flatten())
    same = torch.equal(found, placed(scores, held, known))
    return "" if same else "its places of scores are not those of a sort"


def _widest(slices: Slices) -> int:
    """Return the most relevant items of a query, at least 1."""
    return max(1, int(slices.diff(dim=1).max())) if len(slices) else 1
