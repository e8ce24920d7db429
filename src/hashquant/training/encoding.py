"""Images to stored codes: fp32, evaluation mode, central crop, the same bits for any order."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hashquant.codes.binary import binarise, pack_bits
from hashquant.codes.family import Binary, ProductQuantized, Real
from hashquant.codes.product import pack_indices
from hashquant.codes.real import pack_real
from hashquant.data.pixels import ImageSource, center_crop, normalise
from hashquant.errors import HashQuantError
from hashquant.machine.seeds import repeatable
from hashquant.plugins.method import Method
from hashquant.settings.suite import RunSpec
from hashquant.training.network import Network, memory_format
from hashquant.types import Embedding, Features, PackedCodes, QueryTable

#: Images of one forward pass. Fixed, the last pass filled up: kernels may depend on the batch
#: size, so a code would otherwise depend on how many images were encoded beside it.
FORWARD_BATCH = 256
#: Features of frozen trunks that one source keeps, in bytes.
KEPT_BYTES = 128 << 20
#: How far an embedding may be off when it is made again: of its value, of all values' root mean
#: square. Codes are not compared bit by bit: a value at 0 may round to either side.
ROUNDING = {"rtol": 1e-3, "atol": 1e-4}


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
    frozen: str = "",
) -> Encoded:
    """Encode all images of `source`, in order; `queries` keeps tables and embeddings as well.

    `frozen` names the trunk where several methods were fitted on one: what it gives for a source
    is then computed once.

    Raises:
        HashQuantError: if there is no image, or the method gives embeddings that are not finite
            or indices that are out of range, or its codes depend on more than the image.
    """
    method, look = network.method, _SecondLook(len(source))
    packed, tables, embeddings, errors = [], [], [], []
    product = isinstance(method.family, ProductQuantized)
    with repeatable(device), torch.inference_mode():
        for features, count in _kept_features(network, source, spec, device, frozen):
            look.before(features, count)
            embedding = method(features)
            codes = encode_embedding(method, embedding)
            look.after(embedding, codes)
            packed.append(codes[:count])
            errors.append(quantization_error(method, embedding)[:count].sum())
            if queries:
                embeddings.append(embedding[:count])
                if product:
                    tables.append(method.query_table(embedding)[:count])
        if not packed:
            raise HashQuantError("there must be images to encode, got none")
        look.check(method)
    # Concatenated outside inference mode: what leaves here is an ordinary tensor.
    return Encoded(
        torch.cat(packed),
        torch.cat(tables) if tables else None,
        torch.cat(embeddings) if embeddings else None,
        float(torch.stack(errors).sum()) / len(source),
    )


def embed_all(
    network: Network, source: ImageSource, spec: RunSpec, *, device: torch.device, frozen: str = ""
) -> Features:
    """Return what the method's `forward` receives of all images, in order: for `Method.fit`.

    `frozen` is that of `encode`.

    Raises:
        HashQuantError: if there is no image.
    """
    with repeatable(device), torch.inference_mode():
        found = _kept_features(network, source, spec, device, frozen)
        parts = [part[:count] for part, count in found]
    if not parts:
        raise HashQuantError("there must be images to fit on, got none")
    return torch.cat(parts)


def training_embeddings(
    network: Network, source: ImageSource | Features, spec: RunSpec, *, device: torch.device
) -> Embedding:
    """Return the method's embedding of all images, in order, as `encode` would make it.

    A head that is trained without its base has that base's embeddings for a `source`.

    Raises:
        HashQuantError: if there is no image.
    """
    with repeatable(device), torch.inference_mode():
        found = _features(network, source, spec, device)
        parts = [network.method(network.widened(part))[:count] for part, count in found]
    if not parts:
        raise HashQuantError("there must be images to embed, got none")
    return torch.cat(parts)


def encode_embedding(method: Method, embedding: Embedding) -> PackedCodes:
    """Return the packed codes of embeddings: signs, codeword indices, or unit vectors.

    Raises:
        HashQuantError: if embeddings are not finite or indices are out of range.
    """
    if not bool(embedding.isfinite().all()):
        raise HashQuantError(f"{method.name}: embeddings must be finite, got a NaN or an infinity")
    if isinstance(method.family, Binary):
        _check_values(method, embedding, method.budget.bits)
        return pack_bits(binarise(embedding))
    if isinstance(method.family, Real):
        _check_values(method, embedding, method.budget.bits // 32)
        return pack_real(embedding)
    return pack_indices(method.assign(embedding), method.budget)


class _SecondLook:
    """Images from all over a source, encoded a second time: beside others, in the other order.

    Codes made of labels (ADSH's and FISH's galleries) are found by an image's place among the
    others, which the method counts: it counts wrong here. One forward pass of the head, none of
    the trunk.
    """

    def __init__(self, images: int) -> None:
        count = min(images, FORWARD_BATCH)
        self._rows = torch.linspace(0, images - 1, count, dtype=torch.float64).round().long()
        self._begun = 0
        self._own = self._rows
        self._features: list[Features] = []
        self._embeddings: list[Embedding] = []
        self._codes: list[PackedCodes] = []

    def before(self, features: Features, count: int) -> None:
        """Keep what a pass is given, of which the first `count` rows are images."""
        rows = self._rows - self._begun
        self._own = rows[(rows >= 0) & (rows < count)].to(features.device)
        self._begun += count
        self._features.append(features[self._own])  # a copy: a method may change its input

    def after(self, embedding: Embedding, codes: PackedCodes) -> None:
        """Keep what the pass gave."""
        self._embeddings.append(embedding[self._own])
        self._codes.append(codes[self._own])

    def check(self, method: Method) -> None:
        """Encode what was kept once more.

        Raises:
            HashQuantError: if it gets other codes than before.
        """
        features = torch.cat(self._features).flip(0)
        count = len(features)
        filled = torch.arange(FORWARD_BATCH, device=features.device).clamp_max(count - 1)
        embedding = method(features[filled])
        codes = encode_embedding(method, embedding)[:count].flip(0)
        first, again = torch.cat(self._embeddings), embedding[:count].flip(0)
        near = ROUNDING["atol"] * first.double().square().mean().sqrt()
        off = (again - first).abs() > near + ROUNDING["rtol"] * first.abs()
        changed, allowed = int(off.any(1).sum()), 0
        if isinstance(method.family, ProductQuantized) and not changed:
            # Two codewords may lie equally far but for rounding: rare, and so of few images.
            changed = int((codes != torch.cat(self._codes)).any(1).sum())
            allowed = max(1, count // 100)
        if changed > allowed:
            raise HashQuantError(
                f"codes of {method.name} depend on something besides the image: {changed} of "
                f"{count} images got others when they were encoded again in another order"
            )


def _check_values(method: Method, embedding: Embedding, values: int) -> None:
    if embedding.shape[1] != values:
        raise HashQuantError(
            f"{method.name}: a {method.family.name} embedding must have {values} values, "
            f"got {embedding.shape[1]}"
        )


def quantization_error(method: Method, embedding: Embedding) -> Tensor:
    """Return |x - x̂|² / |x|² of each embedding, "n" in float64 (see `Encoded`)."""
    x = embedding.double()
    if isinstance(method.family, Real):
        return torch.zeros(len(x), dtype=torch.float64, device=x.device)
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


def _kept_features(
    network: Network, source: ImageSource, spec: RunSpec, device: torch.device, frozen: str
) -> Iterator[tuple[Features, int]]:
    """Yield `_features` as the head takes them, from what the source keeps of a frozen trunk."""
    parts = source.features.get(frozen)
    if parts is not None:
        network.to(device=device).eval()
        # Copies: what one method changes in place would be what the next is given.
        yield from ((network.widened(features.clone()), count) for features, count in parts)
        return
    found = []
    for features, count in _features(network, source, spec, device):
        found.append((features, count))
        yield network.widened(features.clone() if frozen else features), count
    size = sum(features.nbytes for features, _ in found)
    held = sum(part.nbytes for parts in source.features.values() for part, _ in parts)
    if frozen and held + size <= KEPT_BYTES:
        source.features[frozen] = found


def _features(
    network: Network, source: ImageSource | Features, spec: RunSpec, device: torch.device
) -> Iterator[tuple[Features, int]]:
    """Yield the trunk's output of each forward pass and how many of its rows, the first, count."""
    layout = memory_format(device, "fp32")
    network.to(device=device, memory_format=layout).eval()  # type: ignore[call-overload]
    count = len(source)
    starts = range(0, count, FORWARD_BATCH)
    passes = (torch.arange(s, s + FORWARD_BATCH).clamp_max(count - 1) for s in starts)
    if isinstance(source, Tensor):
        for start, rows in zip(starts, passes, strict=True):
            given = source.index_select(0, rows.to(source.device))
            yield network.features(given), min(FORWARD_BATCH, count - start)
        return
    for start, images in zip(starts, source.stream(passes), strict=True):
        pixels = normalise(center_crop(images, spec.image_size), spec.mean, spec.std)
        features = network.features(pixels.contiguous(memory_format=layout))
        yield features, min(FORWARD_BATCH, count - start)
