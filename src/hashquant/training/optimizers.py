"""A recipe's optimiser: its parameter groups, their rates, and gradients cut to a length."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from hashquant.errors import HashQuantError
from hashquant.settings.recipe import Recipe
from hashquant.training.network import Network
from hashquant.training.trunks import Embed, Trunk


def build_optimizer(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over all trainable parameters, kernels fused where they are.

    They form one group, or one for each of the method's `rate_factors` where the recipe has
    `group_rates`. Of a trunk that was trained before its body has a group, at the trunk's factor
    times the body's own rate; what follows it is new, and learns as the head does. The trunk's
    factor is not used where there is no trunk to train (`training.frozen`).

    Raises:
        HashQuantError: if nothing can be trained, the optimiser is unknown, or a rate factor
            names nothing that is trained.
    """
    factors = network.method.rate_factors if recipe.group_rates else {}
    groups = _groups(network, factors)
    if not groups:
        raise HashQuantError("network must have trainable parameters, got none")
    rate, decay, momentum = recipe.lr, recipe.weight_decay, recipe.momentum
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            groups, rate, momentum, weight_decay=decay, nesterov=recipe.nesterov, fused=True
        )
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            groups, rate, recipe.smoothing, weight_decay=decay, momentum=momentum
        )
    if recipe.optimizer in ("adam", "adamw"):
        kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
        return kind(
            groups, rate, recipe.betas, weight_decay=decay, amsgrad=recipe.amsgrad, fused=True
        )
    known = "'sgd', 'adam', 'adamw' or 'rmsprop'"
    raise HashQuantError(f"optimizer must be {known}, got '{recipe.optimizer}'")


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate, each group's times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)  # none in checkpoints before there were any


def cut_gradients(parameters: Iterable[nn.Parameter], clip_norm: float) -> torch.Tensor:
    """Return the norm of all gradients; where it is above `clip_norm` (not 0) scale them to it."""
    trained = [weight for weight in parameters if weight.grad is not None]
    norm = nn.utils.get_total_norm([weight.grad for weight in trained if weight.grad is not None])
    if clip_norm:
        nn.utils.clip_grads_with_norm_(trained, clip_norm, norm)
    return norm


def _owners(network: Network, factors: Mapping[str, float]) -> Iterator[tuple[str, float, str]]:
    """Yield whose rate is another, its factor, and how the names of its parameters begin."""
    trunk = network.trunk
    rate = trunk.rate if isinstance(trunk, Trunk) else None
    if rate is not None:
        factors = {**factors, "trunk": factors.get("trunk", 1.0) * rate}
    for owner, factor in factors.items():
        if owner != "trunk":
            yield owner, factor, f"method.{owner}"
        elif rate != 0 and not isinstance(trunk, nn.Identity | Embed):
            yield owner, factor, "trunk" if rate is None else "trunk.body"


def _groups(network: Network, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    left = {name: w for name, w in network.named_parameters() if w.requires_grad}
    groups = []
    for owner, factor, place in _owners(network, factors):
        chosen = [name for name in left if f"{name}.".startswith(f"{place}.")]
        if not chosen:
            raise HashQuantError(
                f"{network.method.name}: rate_factors must name 'trunk' or a parameter or module "
                f"that the head trains, once; got '{owner}'"
            )
        groups.append({"params": [left.pop(name) for name in chosen], "factor": factor})
    return [{"params": list(left.values()), "factor": 1.0}, *groups] if left else groups
