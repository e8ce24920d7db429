"""Images to stored codes: fp32, evaluation mode, central crop, the same bits for any order."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hashquant.codes.family import Decoded, ProductQuantized
from hashquant.data.pixels import ImageSource
from hashquant.errors import HashQuantError
from hashquant.machine.seeds import repeatable
from hashquant.plugins.method import Method
from hashquant.settings.suite import RunSpec
from hashquant.training.coding import encode_embedding, quantization_error, reconstructed
from hashquant.training.network import Network, entering, memory_format
from hashquant.training.trunks.stored import stored_source
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
    `embedding` what they ask with; both None for a gallery, which keeps its codes only. `decoded`
    are the vectors of decoded codes, `sample` what the head was given of up to 256 images.
    `quantization_error` is the mean of |x - x̂|² / |x|², x̂ being what the code stands for: its
    codewords, or its signs at the best scale; NaN if codewords and embedding differ in size, or
    the codewords are no vectors of its space.
    """

    packed: PackedCodes
    table: QueryTable | None
    embedding: Embedding | None
    quantization_error: float
    sample: Float[Tensor, "some d"]
    decoded: Float[Tensor, "n size"] | None = None


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
    method, look = network.method, _SecondLook(len(source), queries=queries)
    packed, tables, embeddings, errors, vectors = [], [], [], [], []
    product = isinstance(method.family, ProductQuantized)
    with repeatable(device), torch.inference_mode():
        for features, count in _kept_features(network, source, spec, device, frozen):
            look.before(features, count)
            embedding = _asked(method, features, queries=queries)
            codes = encode_embedding(method, embedding)
            look.after(embedding, codes)
            packed.append(codes[:count])
            stands_for = reconstructed(method, codes)
            errors.append(quantization_error(method, embedding, stands_for)[:count].sum())
            if isinstance(method.family, Decoded):
                vectors.append(stands_for[:count])
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
        look.features(),
        torch.cat(vectors) if vectors else None,
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


def _asked(method: Method, features: Features, *, queries: bool) -> Embedding:
    """Return the embedding that codes are made of: a query's is what it asks with."""
    embedding: Embedding = method(features)
    return method.query_embedding(embedding) if queries else embedding


class _SecondLook:
    """Images from all over a source, encoded a second time: beside others, in the other order.

    Codes made of labels (ADSH's and FISH's galleries) are found by an image's place among the
    others, which the method counts: it counts wrong here. One forward pass of the head, none of
    the trunk.
    """

    def __init__(self, images: int, *, queries: bool) -> None:
        self._queries = queries
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

    def features(self) -> Features:
        """Return what the head was given of these images, in order."""
        return torch.cat(self._features).clone()

    def check(self, method: Method) -> None:
        """Encode what was kept once more.

        Raises:
            HashQuantError: if it gets other codes than before.
        """
        features = torch.cat(self._features).flip(0)
        count = len(features)
        filled = torch.arange(FORWARD_BATCH, device=features.device).clamp_max(count - 1)
        embedding = _asked(method, features[filled], queries=self._queries)
        codes = encode_embedding(method, embedding)[:count].flip(0)
        first, again = torch.cat(self._embeddings), embedding[:count].flip(0)
        near = ROUNDING["atol"] * first.double().square().mean().sqrt()
        off = (again - first).abs() > near + ROUNDING["rtol"] * first.abs()
        changed, allowed = int(off.any(1).sum()), 0
        if isinstance(method.family, ProductQuantized | Decoded) and not changed:
            # Two codes may be equally near but for rounding: rare, and so of few images.
            changed = int((codes != torch.cat(self._codes)).any(1).sum())
            allowed = max(1, count // 100)
        if changed > allowed:
            raise HashQuantError(
                f"codes of {method.name} depend on something besides the image: {changed} of "
                f"{count} images got others when they were encoded again in another order"
            )


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
    source = stored_source(network, source, spec, device)
    for start, images in zip(starts, source.stream(passes), strict=True):
        features = network.features(entering(images, spec, layout))
        yield features, min(FORWARD_BATCH, count - start)
