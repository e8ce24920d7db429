"""Heads on a frozen base: what they are given in place of images, and what they cannot have."""

from typing import NoReturn

from jaxtyping import Int64
from torch import Tensor, nn

from hashquant.data.pixels import ImageSource
from hashquant.errors import FrozenError
from hashquant.plugins.method import Method
from hashquant.settings.suite import RunSpec
from hashquant.settings.trunknames import NONE
from hashquant.training.network import Network


class NoImages(ImageSource):
    """The images of a training set whose embeddings alone are learned from: they can be counted."""

    def __init__(self, count: int, method: str) -> None:
        self._count = count
        self._method = method

    def __len__(self) -> int:
        return self._count

    def __getattr__(self, name: str) -> NoReturn:
        raise self._refusal()

    @property
    def resident(self) -> bool:
        """Whether all images are kept on the device: none is."""
        return False

    def take(self, positions: Int64[Tensor, " b"]) -> NoReturn:
        """Refuse.

        Raises:
            FrozenError: always.
        """
        raise self._refusal()

    def stream(self, steps: object) -> NoReturn:
        """Refuse.

        Raises:
            FrozenError: always.
        """
        raise self._refusal()

    def _refusal(self) -> FrozenError:
        return FrozenError(
            f"{self._method} must not want pixels on a frozen embedding, got a call for images in "
            "initialise (embeddings come to on_embeddings)"
        )


def takes_steps(method: Method, spec: RunSpec) -> bool:
    """Tell whether a method learns by steps.

    What is in closed form does not, nor does the embedding that came as vectors: all others stand
    on that one there, and it is used untrained.
    """
    return not (method.closed_form or (spec.trunk == NONE and not spec.base))


def refuse_wishes(method: Method) -> None:
    """Refuse what a method asks of the engine and stored embeddings cannot give.

    A rate of the trunk is no such wish: nothing of it is trained, and the rate is not used.

    Raises:
        FrozenError: for two views, or labels of a share of the images: all were seen by the base.
    """
    if method.views:
        raise FrozenError(
            f"{method.name} must do with one view on a frozen embedding, got {len(method.views)}: "
            "views are cut from images"
        )
    if method.label_fraction < 1:
        raise FrozenError(
            f"{method.name}.label_fraction must be 1 on a frozen embedding, which was trained with "
            f"all labels, got {method.label_fraction}"
        )


def head_of(network: Network) -> Network:
    """Return a network of the same head without the frozen base: embeddings go in for images."""
    return Network(nn.Identity(), network.method)
