"""A trunk: a body, and what follows it whatever the body is."""

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

from hashquant.types import Features, Pixels

#: What is handed in for pixels: vectors, a frozen body's values, or a base's embedding.
Given: TypeAlias = Float[Tensor, "n given"]


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
