"""Embeddings to stored codes and back, family by family, and how fast a head makes them."""

import statistics

import torch
from torch import Tensor

from hashquant.codes.additive import sum_words
from hashquant.codes.binary import binarise, pack_bits
from hashquant.codes.decoded import check_code
from hashquant.codes.family import Additive, Binary, Decoded, ProductQuantized, Real
from hashquant.codes.product import pack_indices, unpack_indices
from hashquant.codes.real import pack_real
from hashquant.errors import HashQuantError
from hashquant.machine.environment import Timer
from hashquant.machine.threads import one_thread
from hashquant.plugins.method import Method
from hashquant.types import Embedding, Features, PackedCodes

#: Passes of which the median is an encoder's speed.
REPEATS = 5


def encode_embedding(method: Method, embedding: Embedding) -> PackedCodes:
    """Return the packed codes of embeddings: signs, indices, unit vectors, or a method's own bytes.

    Raises:
        HashQuantError: if embeddings are not finite, indices are out of range, or bytes are not
            those of the budget.
    """
    if not bool(embedding.isfinite().all()):
        raise HashQuantError(f"{method.name}: embeddings must be finite, got a NaN or an infinity")
    if isinstance(method.family, Binary):
        _check_values(method, embedding, method.budget.bits)
        return pack_bits(binarise(embedding))
    if isinstance(method.family, Real):
        _check_values(method, embedding, method.budget.bits // 32)
        return pack_real(embedding)
    if isinstance(method.family, Decoded):
        codes = method.encode(embedding)
        check_code(codes, method.budget, method.name)
        return codes
    return pack_indices(method.assign(embedding), method.budget)


def reconstructed(method: Method, codes: PackedCodes) -> Embedding:
    """Return the vectors that product, additive or decoded codes stand for; else nothing, (n, 0).

    Raises:
        HashQuantError: if decoded vectors are not finite float32, one a code.
    """
    if isinstance(method.family, Decoded):
        vectors = method.decode(codes)
        if vectors.ndim != 2 or len(vectors) != len(codes) or vectors.dtype != torch.float32:
            raise HashQuantError(f"{method.name}: decode must give float32 (n, e)")
        if not bool(vectors.isfinite().all()):
            raise HashQuantError(f"{method.name}: decoded vectors must be finite")
        return vectors
    if not isinstance(method.family, ProductQuantized):
        return torch.zeros(len(codes), 0, device=codes.device)
    books, chosen = method.codebooks().double(), unpack_indices(codes, method.budget)
    if isinstance(method.family, Additive):
        return sum_words(chosen, books)
    return books[torch.arange(len(books), device=books.device), chosen].flatten(1)


def quantization_error(method: Method, embedding: Embedding, stands_for: Tensor) -> Tensor:
    """Return |x - x̂|² / |x|² of each embedding, "n" in float64; x̂ is what was `reconstructed`.

    Of binary codes the signs at the best scale; NaN where x and x̂ differ in size, or where a
    method says that its codes approximate no embedding.
    """
    x = embedding.double()
    if isinstance(method.family, Real):
        return torch.zeros(len(x), dtype=torch.float64, device=x.device)
    energy = x.square().sum(1).clamp_min(torch.finfo(torch.float64).tiny)
    if isinstance(method.family, Binary):
        signs = torch.where(x < 0, -1.0, 1.0).double()
        error: Tensor = 1 - (x * signs).sum(1).square() / (energy * x.shape[1])
        return error
    if stands_for.shape != x.shape or not method.approximates:
        return torch.full_like(energy, torch.nan)
    return (x - stands_for).square().sum(1) / energy


def coding_speed(method: Method, features: Features, device: torch.device) -> float:
    """Return how many images a second the head turns from the trunk's features into stored codes.

    The median of `REPEATS` passes of as many images as are given, after one that is not counted;
    in evaluation mode, on the device; on the CPU by one thread, as searches are timed.
    """

    def code() -> None:
        with torch.inference_mode():
            encode_embedding(method, method(features.clone()))

    seconds = []
    with one_thread():
        code()
        for _ in range(REPEATS):
            with Timer(device) as clock:
                code()
            seconds.append(clock.seconds)
    return len(features) / max(statistics.median(seconds), 1e-9)


def _check_values(method: Method, embedding: Embedding, values: int) -> None:
    if embedding.shape[1] != values:
        raise HashQuantError(
            f"{method.name}: a {method.family.name} embedding must have {values} values, "
            f"got {embedding.shape[1]}"
        )
