"""A trunk and a method's head as one network."""

import torch
from torch import Tensor, nn

from hashquant.method import Method
from hashquant.types import Embedding, Features, Pixels


def memory_format(device: torch.device, precision: str) -> torch.memory_format:
    """Return the layout in which a trunk is fastest: channels last, but for bf16 on a CPU."""
    if device.type == "cpu" and precision == "bf16":
        return torch.contiguous_format
    return torch.channels_last


class Stacked(nn.Module):
    """A trained network as the trunk of a method that is fitted on its embedding."""

    def __init__(self, base: "Network") -> None:
        super().__init__()
        self.base = base

    def forward(self, images: Pixels) -> Embedding:
        """Return the base's embedding of the images."""
        return self.base.embed(images)


class Network(nn.Module):
    """A trunk with a method's head on top, trained end to end."""

    def __init__(self, trunk: nn.Module, method: Method) -> None:
        super().__init__()
        self.trunk = trunk
        self.method = method

    def features(self, images: Pixels) -> Features:
        """Return the trunk's output in fp32, whatever precision the trunk ran in."""
        features: Tensor = self.trunk(images)
        return features.float()

    def embed(self, images: Pixels) -> Embedding:
        """Return the method's embedding of the images."""
        embedding: Tensor = self.method(self.features(images))
        return embedding

    def forward(self, images: Pixels) -> Embedding:
        """Return `embed`'s result."""
        return self.embed(images)
