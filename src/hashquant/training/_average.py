"""The exponential moving average of a network, where its method asks for one."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hashquant.training.network import Network
from hashquant.types import Embedding, Features, Pixels


class Average:
    """A second network whose weights and batch-norm statistics follow the trained one's."""

    def __init__(self, network: Network, decay: float) -> None:
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self._followed = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
        self._followed.requires_grad_(False)

    @property
    def network(self) -> Network:
        """The average as a network."""
        return cast(Network, self._followed.module)

    def follow(self, network: Network) -> None:
        """Move towards the network, after a step; the first time become its equal."""
        self._followed.update_parameters(network)

    @torch.no_grad()
    def embed(self, images: Pixels | Features) -> Embedding:
        """Return the average's embedding of the images, in evaluation mode, without gradient."""
        return self.network.eval().embed(images)

    def state(self) -> dict[str, Any]:  # Any: tensors, as torch's state dictionaries
        """Return what a checkpoint must hold to go on from here."""
        return dict(self._followed.state_dict())

    def resume(self, state: Mapping[str, Any]) -> bool:  # Any: as above
        """Go on from a checkpoint's state; False where it is of another network."""
        own = self._followed.state_dict()
        if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in state.items()}:
            return False
        self._followed.load_state_dict(dict(state))
        return True


def average_of(network: Network) -> Average | None:
    """Return the average that the network's method asks for, or None."""
    decay = network.method.average_decay
    return Average(network, decay) if decay else None
