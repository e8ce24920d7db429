"""The one training loop: trunk and method end to end, resumable after every epoch."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from hashquant.data.items import TrainingSet
from hashquant.errors import HashQuantError
from hashquant.machine.seeds import repeatable, seeded
from hashquant.settings.suite import RunSpec
from hashquant.training._average import Average, average_of
from hashquant.training._sampling import mask_labels
from hashquant.training.checkpoint import CheckpointFile, Progress
from hashquant.training.epochs import run_epoch, sampled_rate
from hashquant.training.frozen import NoImages, refuse_wishes
from hashquant.training.network import Network, memory_format
from hashquant.training.optimizers import build_optimizer
from hashquant.training.selection import EpochChoice, has_tensors
from hashquant.training.state import allocate, restore
from hashquant.training.trunks import Embed

#: A run of which nothing is done yet.
NOTHING = Progress(0, {}, {}, (), 0.0, 0)

#: Called after each epoch with its number (from 0) and its mean loss terms.
EpochReport = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainResult:
    """How a training run went.

    `losses` holds each epoch's mean terms and their "total"; `seconds` and `images_per_second`
    cover all sessions of the run, in which at most `jobs` cells went side by side on the device;
    `resumed_from` is the number of epochs a checkpoint held;
    `selected_epoch` (from 1) is the one whose weights the network has; `positive_rate` is the
    share of one class among the pairs of a step, where sampling is balanced.
    """

    losses: tuple[Mapping[str, float], ...]
    seconds: float
    images_per_second: float
    resumed_from: int
    selected_epoch: int
    jobs: int = 1
    positive_rate: float | None = None


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
    What learns above a frozen part (`training.frozen.head_of`) learns from the `embeddings` of the
    training set; no image is read.

    Raises:
        FrozenError: if such a head wants images.
        DivergedError: if a loss term or a gradient is no longer finite.
        StoreError: if the checkpoint cannot be written.
    """
    layout = memory_format(device, spec.precision)
    network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    method, choice = network.method, choice or EpochChoice()
    average = average_of(network)
    if training.embeddings is None:
        network.run_trunk_as(spec.trunk_mode)
    training = _as_seen(network, training, spec)
    examined = average.network if average and method.examine_average else network
    with repeatable(device):
        progress = _resume(network, average, training, spec, checkpoint)
        choice.resume(progress.choice)
        start = progress.epochs_done
        if not start:
            _begin(network, training, spec, device)
        optimizer = _optimizer(network, spec, progress)
        for epoch in range(start, spec.epochs):
            began = time.perf_counter()
            terms, images = run_epoch(network, optimizer, training, spec, epoch, device, average)
            choice.observe(examined, terms)
            network.to(memory_format=layout)  # type: ignore[call-overload]  # judging may change it
            progress = Progress(
                epoch + 1, network.state_dict(), optimizer.state_dict(), (*progress.losses, terms),
                progress.seconds + time.perf_counter() - began, progress.images + images,
                choice.state(), max(progress.jobs, jobs), method.state,
                average.state() if average else {},
            )  # fmt: skip
            if checkpoint is not None:
                checkpoint.save(progress)
            if on_epoch is not None:
                on_epoch(epoch, terms)
    if examined is not network and progress.epochs_done:
        network.load_state_dict(examined.state_dict())
    method.state = {}
    rate = progress.images / progress.seconds if progress.seconds else 0.0
    selected, same = choice.settle(network, spec.epochs), sampled_rate(network, training, spec)
    return TrainResult(
        progress.losses, progress.seconds, rate, start, selected, progress.jobs, same
    )


def _as_seen(network: Network, training: TrainingSet, spec: RunSpec) -> TrainingSet:
    """Return what a method sees of a training set: a share of its labels, embeddings or images."""
    method = network.method
    if training.embeddings is not None:
        refuse_wishes(method, taught=not isinstance(network.trunk, Embed))
        training = replace(training, images=NoImages(len(training.labels), method.name))
    if method.label_fraction < 1 and bool(training.labelled.all()):
        training = mask_labels(training, method.label_fraction, spec.seed)
    return training


def _optimizer(network: Network, spec: RunSpec, progress: Progress) -> torch.optim.Optimizer:
    """Return the optimiser of a run, as far as it has come."""
    optimizer = build_optimizer(network, spec.schedule)
    if progress.epochs_done:
        optimizer.load_state_dict(dict(progress.optimizer))
    return optimizer


def _begin(network: Network, training: TrainingSet, spec: RunSpec, device: torch.device) -> None:
    """Let the method prepare before the first step.

    Raises:
        HashQuantError: if it leaves tensors in the model that a rebuilt one would not have.
    """
    method = network.method
    allocate(method, len(training.labels), training.num_classes, device)
    before = set(network.state_dict())
    own = replace(training, labels=training.labels.clone(), labelled=training.labelled.clone())
    if training.embeddings is not None:
        own = replace(own, embeddings=training.embeddings.clone())
    with seeded(spec.seed, "initialise", device=device):
        method.initialise(own)
    added = sorted(name.removeprefix("method.") for name in set(network.state_dict()) ^ before)
    if added:
        raise HashQuantError(
            f"{method.name}: initialise must not add or take away tensors of the model, got "
            f"'{added[0]}': make it in __init__, or ask for it in training_state"
        )


def _resume(
    network: Network, average: Average | None, training: TrainingSet, spec: RunSpec,
    checkpoint: CheckpointFile | None,
) -> Progress:  # fmt: skip
    """Load the checkpoint into the network; a start from nothing where there is none that fits."""
    found = checkpoint.load() if checkpoint is not None else None
    if found is None or checkpoint is None:
        return NOTHING
    if not _fits(network, found, spec) or not _restored(network, average, training, found):
        checkpoint.set_aside("its tensors are not those of this network")
        return NOTHING
    network.load_state_dict(found.network)
    return found


def _fits(network: Network, found: Progress, spec: RunSpec) -> bool:
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    saved = {name: value.shape for name, value in found.network.items()}
    groups = build_optimizer(network, spec.schedule).param_groups
    known = found.optimizer.get("param_groups", ())
    alike = [len(group["params"]) for group in groups] == [len(group["params"]) for group in known]
    fits = shapes == saved and has_tensors(found.choice, shapes)
    return fits and alike and 0 < found.epochs_done <= spec.epochs


def _restored(
    network: Network, average: Average | None, training: TrainingSet, found: Progress
) -> bool:
    """Put back what the method keeps and the moving average; tell whether both fitted."""
    method, device = network.method, next(network.parameters()).device
    allocate(method, len(training.labels), training.num_classes, device)
    return restore(method, found.kept) and (average is None or average.resume(found.average))
