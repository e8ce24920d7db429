"""The one training loop: trunk and method end to end, resumable after every epoch."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from hashquant.data.items import TrainingSet
from hashquant.errors import HashQuantError
from hashquant.machine.seeds import repeatable, seeded
from hashquant.settings.suite import Recipe, RunSpec
from hashquant.training._sampling import mask_labels
from hashquant.training.checkpoint import CheckpointFile, Progress
from hashquant.training.epochs import run_epoch
from hashquant.training.network import Network, memory_format
from hashquant.training.selection import EpochChoice, has_tensors

__all__ = ["CheckpointFile", "Network", "TrainResult", "build_optimizer", "train"]

#: Called after each epoch with its number (from 0) and its mean loss terms.
EpochReport = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainResult:
    """How a training run went.

    `losses` holds each epoch's mean terms and their "total"; `seconds` and `images_per_second`
    cover all sessions of the run, in which at most `jobs` cells went side by side on the device;
    `resumed_from` is the number of epochs a checkpoint held;
    `selected_epoch` (from 1) is the one whose weights the network has.
    """

    losses: tuple[Mapping[str, float], ...]
    seconds: float
    images_per_second: float
    resumed_from: int
    selected_epoch: int
    jobs: int = 1


def train(
    network: Network,
    training: TrainingSet,
    spec: RunSpec,
    *,
    device: torch.device,
    checkpoint: CheckpointFile | None = None,
    on_epoch: EpochReport | None = None,
    choice: EpochChoice | None = None,
    jobs: int = 1,
) -> TrainResult:
    """Train `network` on the `training` set as `spec` says, and leave it on `device`.

    It ends with the weights of the epoch that `choice` settles on: the last one by default.

    Every random choice comes from a child seed of its stage and epoch, so a run that was
    interrupted and goes on from its `checkpoint` ends with the same bits as one that was not.
    A method with `label_fraction` below 1 sees that share of each class's labels.
    `on_epoch` is called when the epoch's checkpoint is safe. `jobs` cells go side by side.

    Raises:
        DivergedError: if a loss term or a gradient is no longer finite.
        StoreError: if the checkpoint cannot be written.
    """
    layout = memory_format(device, spec.precision)
    network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    network.run_trunk_as(spec.trunk_mode)
    method, choice = network.method, choice or EpochChoice()
    if method.label_fraction < 1 and bool(training.labelled.all()):
        training = mask_labels(training, method.label_fraction, spec.seed)
    with repeatable(device):
        progress = _resume(network, spec, checkpoint)
        choice.resume(progress.choice if progress else {})
        start = progress.epochs_done if progress else 0
        if progress is None:
            with seeded(spec.seed, "initialise", device=device):
                method.initialise(training)
            progress = Progress(0, {}, {}, (), 0.0, 0)
        optimizer = build_optimizer(network, spec.schedule)
        if start:
            optimizer.load_state_dict(dict(progress.optimizer))
        for epoch in range(start, spec.epochs):
            began = time.perf_counter()
            terms, images = run_epoch(network, optimizer, training, spec, epoch, device)
            choice.observe(network, terms)
            network.to(memory_format=layout)  # type: ignore[call-overload]  # judging may change it
            progress = Progress(
                epoch + 1,
                network.state_dict(),
                optimizer.state_dict(),
                (*progress.losses, terms),
                progress.seconds + time.perf_counter() - began,
                progress.images + images,
                choice.state(),
                max(progress.jobs, jobs),
            )
            if checkpoint is not None:
                checkpoint.save(progress)
            if on_epoch is not None:
                on_epoch(epoch, terms)
    rate = progress.images / progress.seconds if progress.seconds else 0.0
    selected = choice.settle(network, spec.epochs)
    return TrainResult(progress.losses, progress.seconds, rate, start, selected, progress.jobs)


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over all trainable parameters as one group, kernels fused.

    Raises:
        HashQuantError: if nothing can be trained, or the optimiser is unknown.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise HashQuantError("network must have trainable parameters, got none")
    decay = recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, recipe.lr, momentum=recipe.momentum, weight_decay=decay, fused=True
        )
    if recipe.optimizer == "adam":
        return torch.optim.Adam(
            parameters,
            recipe.lr,
            betas=recipe.betas,
            weight_decay=decay,
            amsgrad=recipe.amsgrad,
            fused=True,
        )
    raise HashQuantError(f"optimizer must be 'sgd' or 'adam', got '{recipe.optimizer}'")


def _resume(network: Network, spec: RunSpec, checkpoint: CheckpointFile | None) -> Progress | None:
    """Load the checkpoint into the network; None where there is none that fits."""
    found = checkpoint.load() if checkpoint is not None else None
    if found is None or checkpoint is None:
        return None
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    saved = {name: value.shape for name, value in found.network.items()}
    trainable = sum(p.requires_grad for p in network.parameters())
    known = sum(len(group["params"]) for group in found.optimizer.get("param_groups", ()))
    fits = shapes == saved and has_tensors(found.choice, shapes)
    if not fits or trainable != known or not 0 < found.epochs_done <= spec.epochs:
        checkpoint.set_aside("its tensors are not those of this network")
        return None
    network.load_state_dict(found.network)
    return found
