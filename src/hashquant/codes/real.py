"""Embeddings without a code: unit float32 values, compared by a cosine that is exact."""

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from hashquant.errors import HashQuantError
from hashquant.types import Embedding, PackedCodes

#: Unit components are rounded to whole multiples of 2^-26, half to even.
GRID = 2.0**26
#: How far the length of a stored embedding may be from 1; float32 keeps it far closer.
TOLERANCE = 1e-3


def pack_real(embedding: Embedding) -> PackedCodes:
    """Return L2-normalised float32 embeddings as bytes, four a value; zero stays zero.

    >>> pack_real(torch.tensor([[3.0, 4.0]])).view(torch.float32)
    tensor([[0.6000, 0.8000]])
    """
    values = embedding.double()
    peak = values.abs().amax(dim=1, keepdim=True)  # first, so that no square over- or underflows
    values = values / peak.masked_fill(peak == 0, 1.0)
    length = values.square().sum(dim=1, keepdim=True).sqrt()
    unit = values / length.masked_fill(length == 0, 1.0)
    return unit.float().contiguous().view(torch.uint8)


def unpack_real(packed: PackedCodes) -> Float32[Tensor, "n e"]:
    """Return the unit embeddings that bytes hold.

    >>> unpack_real(pack_real(torch.tensor([[0.0, -2.0]]))).tolist()
    [[0.0, -1.0]]

    Raises:
        HashQuantError: if they are neither zero nor of length 1: no bytes of `pack_real`.
    """
    unit = packed.contiguous().view(torch.float32)
    length = torch.linalg.vector_norm(unit, dim=1)
    if not bool((((length - 1).abs() <= TOLERANCE) | (length == 0)).all()):
        raise HashQuantError("stored embeddings must be zero or of length 1, got others")
    return unit


def cosine_scores(
    query: Float32[Tensor, "q e"], gallery: Float32[Tensor, "n e"]
) -> Float64[Tensor, "q n"]:
    """Return the cosines of unit embeddings on a grid: the same bits on any device, in any chunk.

    Components are rounded to whole multiples of 2^-26, so a product is a whole number in units
    of 2^-52. By Cauchy and Schwarz any partial sum of products stays below 2^53 of these units:
    float64 adds them without error in whatever order, and equal embeddings tie exactly.

    >>> cosine_scores(torch.tensor([[0.6, 0.8]]), torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[0.8000, 0.0000]], dtype=torch.float64)
    """
    return _rounded(query) @ _rounded(gallery).T


def _rounded(unit: Float32[Tensor, "n e"]) -> Float64[Tensor, "n e"]:
    return unit.double().mul_(GRID).round_().div_(GRID)
