"""Codes that are decoded before they are compared: inner products of any vectors that are exact.

A component is written as high + low, whole multiples of 2^-24 and 2^-46 of a power of two that no
vector's length exceeds. Sums of high·high, and of high·low, are then whole numbers of one unit
below 2^53: float64 adds them without error in whatever order, and equal vectors tie exactly.
"""

import math

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from hashquant.codes.family import CodeBudget
from hashquant.errors import HashQuantError

#: Multiples of which the two parts of a component are, in units of the vectors' scale.
HIGH, LOW = 2.0**-24, 2.0**-46
#: The longest vector: Σ high·low stays below 2^53 units of HIGH·LOW.
LONGEST = 1 << 13
#: The scale of 0: that of the smallest number of float32.
SMALLEST = 2.0**-148
#: Vectors whose lengths are found at a time.
_BLOCK = 1 << 14


def check_code(codes: Tensor, budget: CodeBudget, name: str) -> None:
    """Refuse bytes that are not all that a budget holds, or more.

    Raises:
        HashQuantError: naming the method, if codes are longer or shorter, or hold something in
            the bits that pad the last byte.
    """
    width = budget.code_bytes
    if codes.ndim != 2 or codes.dtype != torch.uint8 or codes.shape[1] != width:
        raise HashQuantError(
            f"{name}: encode must give uint8 of shape (n, {width}), {budget.bits} bits an item, "
            f"got {str(codes.dtype).removeprefix('torch.')} of {tuple(codes.shape)}"
        )
    spare = 8 * width - budget.bits
    if spare and bool((codes[:, -1] & (1 << spare) - 1).any()):
        raise HashQuantError(
            f"{name}: the last {spare} bits of a code pad its {budget.bits} bits and must be 0"
        )


def vector_scales(vectors: Float[Tensor, "n e"]) -> Float64[Tensor, " n"]:
    """Return for each vector a power of two that exceeds its length by less than 2.1 times.

    The length is that of the vector rounded to 20 bits, whose square is a whole number of one
    unit: it is found without error in whatever order it is added up. That of 0 is the smallest.

    >>> vector_scales(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist() == [8.0, SMALLEST]
    True
    """
    parts = [_scales(part.double()) for part in torch.split(vectors, _BLOCK)]
    return torch.cat(parts) if parts else vectors.new_zeros(0, dtype=torch.float64)


def inner_scores(
    query: Float32[Tensor, "q e"], items: Float32[Tensor, "n e"], scale: float
) -> Float64[Tensor, "q n"]:
    """Return the inner products of queries and items: the same bits on any device, in any chunk.

    `scale` is the largest of the `vector_scales` of all items that are searched; a query has its
    own. With 512 values a product is off by about 1e-14 of the longest item times the query.

    >>> inner_scores(torch.tensor([[0.5, -2.0]]), torch.tensor([[3.0, 4.0]]), 8.0)
    tensor([[-6.5000]], dtype=torch.float64)

    Raises:
        HashQuantError: if vectors are longer than `LONGEST` values.
    """
    if query.shape[1] > LONGEST:
        raise HashQuantError(f"vectors must have at most {LONGEST} values, got {query.shape[1]}")
    own = vector_scales(query).unsqueeze(1)
    high, low = _parts(query.double() / own)
    more, less = _parts(items.double() / scale)
    # Two exact sums, each of one unit; they are rounded once, where both are added.
    crossed = torch.cat([high, low], dim=1) @ torch.cat([less, more], dim=1).T
    return (high @ more.T).add_(crossed).mul_(own * scale)


def _scales(vectors: Float64[Tensor, "n e"]) -> Float64[Tensor, " n"]:
    peak = vectors.abs().amax(dim=1)
    unit = torch.ldexp(torch.ones_like(peak), peak.frexp().exponent)  # above every component
    coarse = vectors.div(unit.unsqueeze(1)).mul_(2.0**20).round_().square_().sum(dim=1)
    length = coarse.sqrt() * 2.0**-20 + math.sqrt(vectors.shape[1]) * 2.0**-21
    found = torch.ldexp(unit, length.frexp().exponent)
    return found.masked_fill(peak == 0, SMALLEST)


def _parts(values: Float64[Tensor, "n e"]) -> tuple[Float64[Tensor, "n e"], Float64[Tensor, "n e"]]:
    high = (values / HIGH).round_().mul_(HIGH)
    low = ((values - high) / LOW).round_().mul_(LOW)
    return high, low
