"""What a method keeps while it trains: made here, checkpointed, never part of a stored model."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hashquant.plugins.method import Method


def allocate(method: Method, images: int, classes: int, device: torch.device) -> None:
    """Give the method the tensors it asks for (`Method.training_state`), each at its fill."""
    wanted = method.training_state(images, classes)
    method.state = {
        name: torch.full(spec.shape, spec.fill, dtype=spec.dtype, device=device)
        for name, spec in wanted.items()
    }


def restore(method: Method, saved: Mapping[str, Tensor]) -> bool:
    """Put saved values into what was allocated; False where names, shapes or types differ."""
    own = {name: (value.shape, value.dtype) for name, value in method.state.items()}
    if own != {name: (value.shape, value.dtype) for name, value in saved.items()}:
        return False
    for name, value in saved.items():
        method.state[name].copy_(value)
    return True
