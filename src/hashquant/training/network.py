"""A trunk and a method's head as one network."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hashquant.data.pixels import center_crop, normalise
from hashquant.plugins.method import Method
from hashquant.settings.suite import RunSpec
from hashquant.types import Embedding, Features, Images, Pixels

#: What is handed in for pixels: a frozen body's values, or a base's embedding.
Given: TypeAlias = Float[Tensor, "n given"]

#: How a trunk is run in training → the mode of torch.compile.
COMPILED = {"compiled": "default", "graphs": "reduce-overhead"}


def memory_format(device: torch.device, precision: str) -> torch.memory_format:
    """Return the layout in which a trunk is fastest: channels last, but for bf16 on a CPU."""
    if device.type == "cpu" and precision == "bf16":
        return torch.contiguous_format
    return torch.channels_last


def entering(
    items: Images | Given, spec: RunSpec, layout: torch.memory_format
) -> Float[Tensor, "n 3 s s"] | Given:
    """Return what a network is given of items out of training.

    Of images the central crop, normalised; features in their place are given as they are.
    """
    if items.ndim == 2:
        return items
    pixels = normalise(center_crop(items, spec.image_size), spec.mean, spec.std)
    return pixels.contiguous(memory_format=layout)


class Embed(nn.Sequential):
    """What follows a trunk's body: Linear and batch norm to `features`, new whatever the body is.

    No activation and no norm follow: the sub-vectors of the output are what methods quantize.
    """

    def __init__(self, width: int, features: int) -> None:
        super().__init__(nn.Linear(width, features), nn.BatchNorm1d(features))
        self.width = width


class Trunk(nn.Module):
    """A body that ends in flat activations, then `Embed`.

    `rate` is the factor of the learning rate of a body that was trained before; None: it was not,
    and nothing is made of it. With 0 it is frozen: it stays in evaluation mode, and what it gives
    may be handed in for the pixels.
    """

    def __init__(self, body: nn.Module, embed: Embed, rate: float | None = None) -> None:
        super().__init__()
        self.body = body
        self.embed = embed
        self.rate = rate
        if self.frozen:
            body.requires_grad_(requires_grad=False)

    @property
    def frozen(self) -> bool:
        """Whether the body stays as it is."""
        return self.rate == 0

    @property
    def width(self) -> int:
        """How many values the body gives."""
        return self.embed.width

    def train(self, mode: bool = True) -> "Trunk":
        """Set the mode of all but a frozen body."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self

    def forward(self, pixels: Pixels | Given) -> Features:
        """Return the features of normalised pixels (n, 3, s, s), or of a frozen body's values."""
        flat = pixels if self.frozen and pixels.ndim == 2 else self.body(pixels)
        features: Tensor = self.embed(flat)
        return features


class Stacked(nn.Module):
    """A trained network as the trunk of a method that learns from its embedding."""

    def __init__(self, base: "Network") -> None:
        super().__init__()
        self.base = base

    def forward(self, images: Pixels | Given) -> Embedding:
        """Return the base's embedding of the images, or of a frozen body's values."""
        return self.base.embed(images)


class Network(nn.Module):
    """A trunk with a method's head on top, trained end to end; a `Stacked` one stays as it is."""

    def __init__(self, trunk: nn.Module, method: Method) -> None:
        super().__init__()
        self.trunk = trunk
        self.method = method
        self._compiled: Callable[[Tensor], Tensor] | None = None

    def run_trunk_as(self, mode: str) -> None:
        """Choose how the trunk is run in training: eager, compiled or graphs (ADR 0015).

        Out of training it is eager always.
        """
        how = COMPILED.get(mode)
        # The function, not the module: weights keep their names.
        self._compiled = torch.compile(self.trunk.forward, mode=how, dynamic=False) if how else None

    def features(self, images: Pixels | Given) -> Features:
        """Return the trunk's output in fp32, whatever precision the trunk ran in."""
        compiled = self._compiled if self.training else None
        features: Tensor = self.trunk(images) if compiled is None else compiled(images)
        return features.float()

    def widened(self, features: Features) -> Float[Tensor, "n wider"]:
        """Return what the head is given: zero columns follow where it takes more than there are.

        So it is with a frozen embedding of another size; a trunk has the size that its head asks.
        """
        missing = self.method.in_features - features.shape[1]
        return functional.pad(features, (0, missing)) if missing > 0 else features

    def embed(self, images: Pixels | Given) -> Embedding:
        """Return the method's embedding of the images; of a base's embeddings without a trunk."""
        embedding: Tensor = self.method(self.widened(self.features(images)))
        return embedding

    def forward(self, images: Pixels) -> Embedding:
        """Return `embed`'s result."""
        return self.embed(images)
