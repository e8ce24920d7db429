"""Heads on a frozen base or body: what they are given for images, and what they cannot have."""

from typing import NoReturn

from jaxtyping import Int64
from torch import Tensor, nn

from hashquant.data.pixels import ImageSource
from hashquant.errors import FrozenError
from hashquant.plugins.method import Method
from hashquant.settings.suite import RunSpec
from hashquant.settings.trunknames import NONE
from hashquant.training.network import Network, Stacked
from hashquant.training.trunks import Embed, Trunk
from hashquant.training.trunks.stored import frozen_trunk


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


def refuse_wishes(method: Method, *, taught: bool = True) -> None:
    """Refuse what a method asks of the engine and stored embeddings cannot give.

    A rate of the trunk is no such wish: nothing of it is trained, and the rate is not used.
    `taught` says that what is frozen learned from all labels of these images.

    Raises:
        FrozenError: for two views, or for labels of a share of the images where `taught`.
    """
    if method.views:
        raise FrozenError(
            f"{method.name} must do with one view on a frozen embedding, got {len(method.views)}: "
            "views are cut from images"
        )
    if taught and method.label_fraction < 1:
        raise FrozenError(
            f"{method.name}.label_fraction must be 1 on a frozen embedding, which was trained with "
            f"all labels, got {method.label_fraction}"
        )


def check_wishes(network: Network) -> None:
    """Refuse what a method cannot have where it stands on something frozen.

    Raises:
        FrozenError: naming it.
    """
    if isinstance(network.trunk, Stacked):
        refuse_wishes(network.method)
    elif frozen_trunk(network) is not None:
        refuse_wishes(network.method, taught=False)


def head_of(network: Network) -> Network:
    """Return what learns of a network whose lower part is frozen, sharing its weights.

    Without its base that is the method's head: embeddings go in for images. Above a frozen body it
    is that head and what lies between: the body's values go in.
    """
    trunk = network.trunk
    return Network(trunk.embed if isinstance(trunk, Trunk) else nn.Identity(), network.method)


def whole_of(below: Network, learner: Network) -> Network:
    """Return a learner, or its average, on the frozen part of the network that it came from."""
    trunk = below.trunk
    if isinstance(trunk, Trunk) and isinstance(learner.trunk, Embed):
        trunk = Trunk(trunk.body, learner.trunk, trunk.rate)
    return Network(trunk, learner.method)
