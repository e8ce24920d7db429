"""Images to stored codes: fp32, evaluation mode, central crop, the same bits for any order."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hashquant.codes.binary import binarise, pack_bits
from hashquant.codes.family import Binary
from hashquant.codes.product import pack_indices
from hashquant.config import RunSpec
from hashquant.errors import HashQuantError
from hashquant.method import Method
from hashquant.network import Network, memory_format
from hashquant.pixels import ImageSource, center_crop, normalise
from hashquant.seeds import repeatable
from hashquant.types import Embedding, PackedCodes, QueryTable

#: Images of one forward pass. Fixed, the last pass filled up: kernels may depend on the batch
#: size, so a code would otherwise depend on how many images were encoded beside it.
FORWARD_BATCH = 256


@dataclass(frozen=True)
class Encoded:
    """What encoding gives, on the device.

    `packed` are the stored codes. `table` are the queries' look-up tables (product codes) and
    `embedding` their real-valued embeddings; both None for a gallery, which keeps its codes only.
    `quantization_error` is the mean of |x - x̂|² / |x|², x̂ being what the code stands for: its
    codewords, or its signs at the best scale; NaN if codewords and embedding differ in size.
    """

    packed: PackedCodes
    table: QueryTable | None
    embedding: Embedding | None
    quantization_error: float


def encode(
    network: Network,
    source: ImageSource,
    spec: RunSpec,
    *,
    device: torch.device,
    queries: bool = False,
) -> Encoded:
    """Encode all images of `source`, in order; `queries` keeps tables and embeddings as well.

    Raises:
        HashQuantError: if there is no image, or the method gives embeddings that are not finite
            or indices that are out of range.
    """
    method = network.method
    packed, tables, embeddings, errors = [], [], [], []
    product = not isinstance(method.family, Binary)
    with repeatable(device), torch.inference_mode():
        for embedding, count in _embeddings(network, source, spec, device):
            packed.append(encode_embedding(method, embedding)[:count])
            errors.append(quantization_error(method, embedding)[:count].sum())
            if queries:
                embeddings.append(embedding[:count])
                if product:
                    tables.append(method.query_table(embedding)[:count])
    if not packed:
        raise HashQuantError("there must be images to encode, got none")
    # Concatenated outside inference mode: what leaves here is an ordinary tensor.
    return Encoded(
        torch.cat(packed),
        torch.cat(tables) if tables else None,
        torch.cat(embeddings) if embeddings else None,
        float(torch.stack(errors).sum()) / len(source),
    )


def encode_embedding(method: Method, embedding: Embedding) -> PackedCodes:
    """Return the packed codes of embeddings: signs, or codeword indices.

    Raises:
        HashQuantError: if embeddings are not finite or indices are out of range.
    """
    if not bool(embedding.isfinite().all()):
        raise HashQuantError(f"{method.name}: embeddings must be finite, got a NaN or an infinity")
    if isinstance(method.family, Binary):
        if embedding.shape[1] != method.budget.bits:
            raise HashQuantError(
                f"{method.name}: a binary embedding must have {method.budget.bits} values, "
                f"got {embedding.shape[1]}"
            )
        return pack_bits(binarise(embedding))
    return pack_indices(method.assign(embedding), method.budget)


def quantization_error(method: Method, embedding: Embedding) -> Tensor:
    """Return |x - x̂|² / |x|² of each embedding, "n" in float64 (see `Encoded`)."""
    x = embedding.double()
    energy = x.square().sum(1).clamp_min(torch.finfo(torch.float64).tiny)
    if isinstance(method.family, Binary):
        signs = torch.where(x < 0, -1.0, 1.0).double()
        error: Tensor = 1 - (x * signs).sum(1).square() / (energy * x.shape[1])
        return error
    books = method.codebooks().double()
    if books.shape[0] * books.shape[2] != x.shape[1]:
        return torch.full_like(energy, torch.nan)
    chosen = method.assign(embedding).long()
    words = books[torch.arange(len(books), device=books.device), chosen]  # (n, m, s)
    return (x - words.flatten(1)).square().sum(1) / energy


def _embeddings(
    network: Network, source: ImageSource, spec: RunSpec, device: torch.device
) -> Iterator[tuple[Embedding, int]]:
    """Yield the embeddings of each forward pass and how many of them, the first, count."""
    layout = memory_format(device, "fp32")
    network.to(device=device, memory_format=layout).eval()  # type: ignore[call-overload]
    count = len(source)
    for start in range(0, count, FORWARD_BATCH):
        positions = torch.arange(start, start + FORWARD_BATCH)
        images = source.take(positions.clamp_max(count - 1))
        if start + FORWARD_BATCH < count:
            source.prefetch((positions + FORWARD_BATCH).clamp_max(count - 1))
        pixels = normalise(center_crop(images, spec.image_size), spec.mean, spec.std)
        embedding = network.embed(pixels.contiguous(memory_format=layout))
        yield embedding, min(FORWARD_BATCH, count - start)
