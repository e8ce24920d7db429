"""Kernels that Triton compiles for CUDA: every pair is counted where it is computed, none is kept.

They count whole numbers, or compare float64 sums in the order of `codes.product.table_scores`, so
that they change no bit of a result (ADR 0011).
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from jaxtyping import Float64, Int32, Int64, Integer, UInt8
from torch import Tensor
from torch.nn.functional import pad

#: Items a program counts one after the other, and how many in each step.
STRIP, STEP = 1 << 15, 1 << 10
#: Items whose scores a program places.
PLACED = 1 << 9


@triton.jit(do_not_specialize=["items"])  # type: ignore[untyped-decorator]
def _count_distances(
    asked: tl.tensor, words: tl.tensor, slices: tl.tensor, total: tl.tensor, relevant: tl.tensor,
    items: tl.tensor,
    WORDS: tl.constexpr, BINS: tl.constexpr, STRIP: tl.constexpr, STEP: tl.constexpr,
) -> None:  # fmt: skip
    """Add one strip's distances to one query's histograms; the last bin takes what is outside."""
    query = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * STRIP
    low, high = tl.load(slices + 2 * query), tl.load(slices + 2 * query + 1)
    all_counts = tl.zeros((BINS,), tl.int32)
    own_counts = tl.zeros((BINS,), tl.int32)
    for start in range(first, min(first + STRIP, items), STEP):
        at = start + tl.arange(0, STEP)
        inside = at < items
        distance = tl.zeros((STEP,), tl.int32)
        for word in tl.static_range(WORDS):
            code = tl.load(words + word * items.to(tl.int64) + at, mask=inside, other=0)
            x = code ^ tl.load(asked + query * WORDS + word)
            x -= (x >> 1) & 0x55555555  # what follows is one population count
            x = (x & 0x33333333) + ((x >> 2) & 0x33333333)
            x = (x + (x >> 4)) & 0x0F0F0F0F
            distance += (x * 0x01010101) >> 24
        all_counts += tl.histogram(tl.where(inside, distance, BINS - 1), BINS)
        if (start < high) & (start + STEP > low):
            own = (at >= low) & (at < high)
            own_counts += tl.histogram(tl.where(own, distance, BINS - 1), BINS)
    bins = query * BINS + tl.arange(0, BINS)
    tl.atomic_add(total + bins, all_counts)
    if (first < high) & (first + STRIP > low):
        tl.atomic_add(relevant + bins, own_counts)


@triton.jit(do_not_specialize=["items", "width", "queries"])  # type: ignore[untyped-decorator]
def _count_places(
    indices: tl.tensor, tables: tl.tensor, held: tl.tensor, known: tl.tensor, counts: tl.tensor,
    items: tl.tensor, width: tl.tensor, queries: tl.tensor,
    BOOKS: tl.constexpr, WORDS: tl.constexpr, HALVINGS: tl.constexpr, PLACED: tl.constexpr,
) -> None:  # fmt: skip
    """Count where some items' scores fall among one query's ordered ones, up to its last."""
    program = tl.program_id(0)  # only the first axis of a grid is long enough for any gallery
    query = (program % queries).to(tl.int64)
    at = program // queries * PLACED + tl.arange(0, PLACED)
    inside = at < items
    table, row = tables + query * BOOKS * WORDS, held + query * width
    score = tl.load(table + tl.load(indices + at, mask=inside, other=0).to(tl.int32))
    for book in tl.static_range(1, BOOKS):
        index = tl.load(indices + book * items.to(tl.int64) + at, mask=inside, other=0)
        score += tl.load(table + book * WORDS + index.to(tl.int32))
    low = tl.zeros((PLACED,), tl.int32)  # how many of the ordered scores are smaller
    for halving in tl.static_range(HALVINGS):
        probe = low + (1 << (HALVINGS - 1 - halving))
        value = tl.load(row + probe - 1, mask=probe <= width, other=float("inf"))
        low = tl.where(value < score, probe, low)
    # What comes after all relevant items counts for none of them, and would all hit one counter.
    inside = inside & (low < tl.load(known + query))
    equal = tl.load(row + low, mask=inside, other=0.0) == score
    place = 2 * low + equal.to(tl.int32)
    tl.atomic_add(counts + query * 2 * width + place, 1, mask=inside)


def fused_distance_counts(
    query: UInt8[Tensor, "q bytes"],
    gallery: UInt8[Tensor, "n bytes"],
    slices: Int64[Tensor, "q 2"],
    code_bits: int,
) -> tuple[Int64[Tensor, "q g"], Int64[Tensor, "q g"]]:
    """Count gallery items, and relevant ones, at every Hamming distance 0 … L."""
    asked, words = _words(query), _words(gallery).T.contiguous()
    bins = 1 << (code_bits + 1).bit_length()
    counts = torch.zeros(2, len(query), bins, dtype=torch.int32, device=query.device)
    grid = (len(query), -(-len(gallery) // STRIP))
    with _current(query.device):
        _count_distances[grid](
            asked, words, slices.contiguous(), counts[0], counts[1], len(gallery),
            WORDS=asked.shape[1], BINS=bins, STRIP=STRIP, STEP=STEP,
        )  # fmt: skip
    total, relevant = counts[:, :, : code_bits + 1].long()
    return total, relevant


def fused_places(
    tables: Float64[Tensor, "q m k"],
    books: Integer[Tensor, "m n"],
    held: Float64[Tensor, "q w"],
    known: Int64[Tensor, " q"],
) -> Int64[Tensor, "q w 2"]:
    """Count items between ordered scores, and equal to them: [i, p] has those before `held[i, p]`.

    Of each row of `held` the first `known` are scores, infinity pads the rest; of equal ones the
    first is counted for.
    """
    counts = torch.zeros(*held.shape, 2, dtype=torch.int32, device=held.device)
    grid = (len(tables) * -(-books.shape[1] // PLACED),)
    with _current(tables.device):
        _count_places[grid](
            books, tables, held, known, counts, books.shape[1], held.shape[1], len(tables),
            BOOKS=tables.shape[1], WORDS=tables.shape[2], HALVINGS=held.shape[1].bit_length(),
            PLACED=PLACED,
        )  # fmt: skip
    return counts.long()


def _words(packed: UInt8[Tensor, "n bytes"]) -> Int32[Tensor, "n w"]:
    """Return codes as 32-bit words, zero padded."""
    return pad(packed, (0, -packed.shape[1] % 4)).contiguous().view(torch.int32)


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Let kernels be launched on the device; without one, Triton's interpreter runs them."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
