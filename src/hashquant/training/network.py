"""A trunk and a method's head as one network."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hashquant.data.pixels import center_crop, normalise
from hashquant.errors import FrozenError
from hashquant.machine.seeds import seeded
from hashquant.plugins import registry
from hashquant.plugins.method import Method
from hashquant.settings.reading import build
from hashquant.settings.suite import RunSpec, base_spec, lowest
from hashquant.settings.trunknames import NONE
from hashquant.training.trunks import Given, trunk_of
from hashquant.types import Embedding, Features, Images, Pixels

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

    Of images the central crop, normalised; features in their place, and vectors, are given as they
    are.
    """
    if items.ndim == 2:
        return items
    pixels = normalise(center_crop(items, spec.image_size), spec.mean, spec.std)
    return pixels.contiguous(memory_format=layout)


class Stacked(nn.Module):
    """A trained network as the trunk of a method that learns from its embedding."""

    def __init__(self, base: "Network") -> None:
        super().__init__()
        self.base = base

    def forward(self, images: Pixels | Given) -> Embedding:
        """Return the base's embedding of the images, or of what is handed in for them."""
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

    def forward(self, images: Pixels | Given) -> Embedding:
        """Return `embed`'s result."""
        return self.embed(images)


def build_network(spec: RunSpec, num_classes: int, device: torch.device) -> Network:
    """Return trunk and head of a cell, initialised from its seed alone.

    The trunk of a method that learns from another's embedding is that other's whole network.

    Raises:
        UnfitError: if the method cannot meet the bits, or takes less than that embedding has.
        UsageError: if trunk and image size do not fit.
    """
    cls = registry.load_method(spec.method)
    config = build(cls.Config, spec.settings, f"settings of {spec.method}")
    if spec.base:
        base = build_network(base_spec(spec), num_classes, device)
        trunk: torch.nn.Module = Stacked(base)
        features = _embedding_size(base, spec, device)
        if not cls.closed_form and features > spec.features:
            raise FrozenError(
                f"{spec.method} takes {spec.features} features, its frozen embedding has {features}"
            )
        features = features if cls.closed_form else spec.features
    else:
        features = spec.features
        with seeded(spec.seed, "trunk"):
            trunk = trunk_of(spec, features)
    return Network(trunk, build_head(spec, cls, config, features, num_classes)).to(device)


def build_head(
    spec: RunSpec, cls: type[Method], config: Any, features: int, num_classes: int
) -> Method:  # Any: a method's own Config
    """Return the head of a cell, initialised from its seed alone."""
    with seeded(spec.seed, "head"):
        return cls(config, cls.budget_for(config, spec.bits), features, num_classes)


def _embedding_size(network: Network, spec: RunSpec, device: torch.device) -> int:
    """Return how many values a base's embedding of an image, or of a vector, has."""
    side = spec.image_size
    shape = (1, lowest(spec).features) if spec.trunk == NONE else (1, 3, side, side)
    blank = torch.zeros(shape, device=device)
    with torch.inference_mode():
        return int(network.eval().embed(blank).shape[1])
