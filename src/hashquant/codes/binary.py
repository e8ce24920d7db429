"""Binary codes: signs, packing, and exact counts of Hamming distances without any sort."""

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8
from torch import Tensor

from hashquant.machine.compiled import Kernel
from hashquant.types import Embedding, PackedCodes

#: Items, and queries, whose distances are held at a time.
BLOCK, TOGETHER = 1 << 18, 16
#: Items whose distances are computed in one go: their 8-byte words stay in the cache.
STRIP = 1 << 15
#: The longest code that is one machine word.
WORD_BITS = 64
#: Below this many distances a histogram of single bytes is faster than one of byte pairs.
PAIRS_FROM = 1 << 16

Words = Shaped[np.ndarray, "w n"]
Slices = Int64[np.ndarray, "q 2"]
Histogram = Int64[np.ndarray, "q g"]
Row = Shaped[np.ndarray, "*c n"]  # distances as uint8 (L < 256) or int16


def binarise(embedding: Embedding) -> Bool[Tensor, "n e"]:
    """Return the bits of an embedding: h > 0 is 1; zero and below stand for -1.

    >>> binarise(torch.tensor([[0.3, 0.0, -2.0]])).tolist()
    [[True, False, False]]
    """
    return embedding > 0


def pack_bits(bits: Bool[Tensor, "n l"]) -> PackedCodes:
    """Pack bits into bytes, the first bit highest; the last byte is padded with zeros.

    >>> pack_bits(torch.tensor([[True, False, False, False, False, False, False, True, True]]))
    tensor([[129, 128]], dtype=torch.uint8)
    """
    n, length = bits.shape
    width = (length + 7) // 8
    padded = torch.zeros(n, 8 * width, dtype=torch.uint8, device=bits.device)
    padded[:, :length] = bits
    weights = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    return (padded.view(n, width, 8) * weights).sum(dim=2, dtype=torch.uint8)


def unpack_bits(packed: PackedCodes, code_bits: int) -> Bool[Tensor, "n l"]:
    """Return the first `code_bits` bits of each packed code.

    >>> unpack_bits(torch.tensor([[129, 128]], dtype=torch.uint8), 9)[0].int().tolist()
    [1, 0, 0, 0, 0, 0, 0, 1, 1]
    """
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    bits = (packed.unsqueeze(2) >> shifts) & 1  # (n, bytes, 8)
    return bits.flatten(1)[:, :code_bits].bool()


def signs(packed: PackedCodes, code_bits: int) -> Float32[Tensor, "n l"]:
    """Return packed codes as ±1."""
    return unpack_bits(packed, code_bits).float().mul_(2).sub_(1)


def asymmetric_table(embedding: Embedding) -> Float32[Tensor, "q m k"]:
    """Return ⟨h, b⟩ of a real query h and every ±1 byte b: a look-up table over packed codes.

    Book m is byte m of the code, K = 256 (larger is closer). Padding bits add nothing.
    """
    q, length = embedding.shape
    padded = torch.zeros(q, (length + 7) // 8 * 8, device=embedding.device)
    padded[:, :length] = embedding
    every_byte = torch.arange(256, device=embedding.device).to(torch.uint8).unsqueeze(1)
    return padded.view(q, -1, 8) @ signs(every_byte, 8).T


def code_words(packed: UInt8[np.ndarray, "n bytes"]) -> Words:
    """Return codes as machine words of equal width (1, 2, 4 or 8 bytes), zero padded.

    Codes of up to eight bytes become one word; no copy is made where the width already fits.
    """
    n, width = packed.shape
    size = next((s for s in (1, 2, 4) if width <= s), 8)
    padding = -width % size
    if padding or not packed.flags.c_contiguous:
        packed = np.pad(packed, ((0, 0), (0, padding)))
    return np.ascontiguousarray(packed.view(f"u{size}").reshape(n, (width + padding) // size).T)


def distance_counts(
    query: UInt8[np.ndarray, "q bytes"],
    gallery: UInt8[np.ndarray, "n bytes"],
    slices: Slices,
    code_bits: int,
    kernel: Kernel[...] | None = None,
) -> tuple[Histogram, Histogram]:
    """Count gallery items, and relevant ones, at every Hamming distance 0 … L (on the CPU).

    Row i of `slices` bounds the gallery rows that are relevant to query i, and may reach beyond
    them. Counts add up over blocks of the gallery, so any gallery fits. `kernel` is a compiled
    `count_pairs`, for codes of up to 64 bits.
    """
    if kernel is not None:
        return _counts_of_pairs(query, gallery, slices, code_bits, kernel)
    total = np.zeros((len(query), code_bits + 1), dtype=np.int64)
    relevant = np.zeros_like(total)
    query_words = code_words(query)
    kind = np.uint8 if code_bits < 256 else np.int16
    rows = np.empty((min(TOGETHER, len(query)), min(BLOCK, len(gallery))), dtype=kind)
    for start in range(0, len(gallery), BLOCK):
        words = code_words(gallery[start : start + BLOCK])
        low, high = np.clip(slices - start, 0, words.shape[1]).T.tolist()
        for first in range(0, len(query), TOGETHER):
            some = range(first, min(first + TOGETHER, len(query)))
            distances = rows[: len(some), : words.shape[1]]
            _distances(words, query_words[:, some.start : some.stop], distances)
            for i, row in zip(some, distances, strict=True):
                total[i] += _histogram(row, code_bits)
                if high[i] > low[i]:
                    relevant[i] += _histogram(row[low[i] : high[i]], code_bits)
    return total, relevant


def _counts_of_pairs(
    query: UInt8[np.ndarray, "q bytes"],
    gallery: UInt8[np.ndarray, "n bytes"],
    slices: Slices,
    code_bits: int,
    kernel: Kernel[...],
) -> tuple[Histogram, Histogram]:
    """Count as `distance_counts`, with joint histograms of two queries each."""
    bins, count = code_bits + 1, len(query)
    total, relevant = np.zeros((2, count, bins), dtype=np.int64)
    asked = code_words(query)[0].astype(np.uint64)
    alone = np.repeat(asked, 2).reshape(-1, 2)  # a class is a query's own
    together = np.resize(asked, count + count % 2).reshape(-1, 2)
    for start in range(0, len(gallery), BLOCK):
        words = code_words(gallery[start : start + BLOCK])[0].astype(np.uint64)
        joint = np.zeros((len(together), bins * bins), dtype=np.uint32)
        ends = np.full(len(together), len(words))
        kernel(words, together, np.zeros_like(ends), ends, bins, joint)
        squares = joint.reshape(-1, bins, bins)
        margins = np.stack([squares.sum(axis=2), squares.sum(axis=1)], axis=1)
        total += margins.reshape(-1, bins)[:count].astype(np.int64)
        low, high = np.clip(slices - start, 0, len(words)).T.copy()
        own = np.zeros((count, bins * bins), dtype=np.uint32)
        kernel(words, alone, low, high, bins, own)
        relevant += own[:, :: bins + 1]
    return total, relevant


def distance_counts_by_product(
    query: UInt8[Tensor, "q bytes"],
    gallery: UInt8[Tensor, "n bytes"],
    slices: Int64[Tensor, "q 2"],
    code_bits: int,
    memory_bytes: int,
) -> tuple[Int64[Tensor, "q g"], Int64[Tensor, "q g"]]:
    """Count as `distance_counts` on any device, by matrix products of ±1: d = L/2 - ⟨a,b⟩/2.

    Half precision on a CUDA device is exact: every sum is a multiple of ½ up to 1024.
    """
    kind = torch.float16 if query.is_cuda else torch.float32
    bins, device = code_bits + 1, query.device
    left = signs(query, code_bits).mul_(-0.5).to(kind)
    middle = torch.full((1, 1), code_bits / 2, dtype=kind, device=device)
    total = torch.zeros(len(query), bins, dtype=torch.int64, device=device)
    relevant = torch.zeros_like(total)
    offsets = torch.arange(len(query), dtype=torch.int32, device=device).unsqueeze(1) * bins
    low, high = slices[:, :1], slices[:, 1:]
    longest = int((high - low).max()) if len(query) else 0
    block = max(1, memory_bytes // (48 * len(query) + 8 * code_bits))
    for start in range(0, len(gallery), block):
        right = signs(gallery[start : start + block], code_bits).to(kind)
        at = torch.addmm(middle, left, right.T).int().add_(offsets)
        total += torch.bincount(at.flatten(), minlength=total.numel()).view_as(total)
        # Relevant items stand side by side; a column too many goes to a bin of its own.
        steps = torch.arange(min(longest, len(right)), device=device)
        columns = (low - start).clamp(min=0) + steps
        outside = columns >= (high - start).clamp(max=len(right))
        own = at.gather(1, columns.clamp_(max=len(right) - 1))
        own = own.masked_fill_(outside, total.numel()).flatten()
        relevant += torch.bincount(own, minlength=total.numel() + 1)[:-1].view_as(total)
    return total, relevant


def _distances(words: Words, query: Shaped[np.ndarray, "w c"], out: Row) -> None:
    """Write each code's distance to some queries: population counts of the exclusive or."""
    count = words.shape[1]
    mixed = np.empty(min(STRIP, count), dtype=words.dtype)
    for start in range(0, count, STRIP):
        strip = words[:, start : start + STRIP]
        part = mixed[: strip.shape[1]]
        for symbols, row in zip(query.T, out[:, start : start + STRIP], strict=True):
            np.bitwise_xor(strip[0], symbols[0], out=part)
            np.bitwise_count(part, out=row)
            for more, symbol in zip(strip[1:], symbols[1:], strict=True):
                np.bitwise_xor(more, symbol, out=part)
                np.add(row, np.bitwise_count(part), out=row)


def _histogram(row: Row, code_bits: int) -> Int64[np.ndarray, " g"]:
    """Count the values 0 … L of a row.

    Long rows of bytes are counted two at a time: a pair is one 16-bit bin, and both margins of
    the pair table add up to the histogram. Equal neighbours then rarely hit the same counter
    twice in a row, which is what limits a plain count.
    """
    bins = code_bits + 1
    if len(row) < PAIRS_FROM or code_bits > 127:
        return torch.bincount(torch.from_numpy(row), minlength=bins).numpy()
    even = len(row) // 2 * 2
    pairs = torch.from_numpy(row[:even].view(np.int16))
    table = torch.bincount(pairs, minlength=256 * bins).numpy().reshape(bins, 256)[:, :bins]
    counts: Int64[np.ndarray, " g"] = table.sum(axis=0) + table.sum(axis=1)
    if even < len(row):
        counts[row[-1]] += 1
    return counts
