"""One epoch of training: its steps, its loss terms, and the watch for non-finite values."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from hashquant.data.items import Batch, TrainingSet
from hashquant.data.pixels import normalise
from hashquant.data.views import PLAIN, seen
from hashquant.errors import DivergedError, HashQuantError
from hashquant.machine.seeds import generator, seeded
from hashquant.plugins.pairs import positive_rate
from hashquant.settings.suite import RunSpec
from hashquant.training._average import Average
from hashquant.training._sampling import Step, plan_epoch
from hashquant.training.encoding import training_embeddings
from hashquant.training.network import Network, memory_format
from hashquant.training.normstats import target_statistics
from hashquant.training.optimizers import cut_gradients, set_rate
from hashquant.types import Scalar

#: A step number no epoch reaches.
NEVER = 2**62
#: Names that are no term of a method.
TOTAL, GRADIENT = "total", "gradient"


class Ledger:
    """The mean of each loss term over an epoch, and the first step where one was not finite.

    Sums stay on the device: on CUDA nothing is read before the epoch ends, so that no step
    waits for the host; on the CPU every step is checked at once.
    """

    def __init__(self, epoch: int, device: torch.device) -> None:
        self.images = 0
        self._epoch = epoch
        self._device = device
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, int] = {}
        self._first_bad: dict[str, Tensor] = {}

    def add(
        self, step: int, terms: Mapping[str, Scalar], gradient_norm: Scalar, images: int
    ) -> None:
        """Count one step of `images` images.

        Raises:
            DivergedError: on the CPU, if a term or the gradient is not finite.
        """
        self.images += images
        for name, value in terms.items():
            weighted = value.detach().double() * images
            self._sums[name] = self._sums[name] + weighted if name in self._sums else weighted
            self._weights[name] = self._weights.get(name, 0) + images
            self._watch(name, value.detach(), step)
        self._watch(GRADIENT, gradient_norm, step)
        if self._device.type == "cpu":
            self._check()

    def close(self) -> dict[str, float]:
        """Return each term's mean over the images of its steps.

        Raises:
            DivergedError: if a term or the gradient was not finite, naming the first step.
        """
        self._check()
        if not self._sums:
            return {}
        sums = torch.stack(list(self._sums.values())).tolist()
        return {
            name: value / self._weights[name] for name, value in zip(self._sums, sums, strict=True)
        }

    def _watch(self, name: str, value: Tensor, step: int) -> None:
        bad = torch.where(value.isfinite(), NEVER, step)
        before = self._first_bad.get(name)
        self._first_bad[name] = bad if before is None else torch.minimum(before, bad)

    def _check(self) -> None:
        if not self._first_bad:
            return
        names = sorted(self._first_bad, key=lambda name: name in (TOTAL, GRADIENT))  # causes first
        steps = torch.stack([self._first_bad[name] for name in names]).tolist()
        first = min(steps)
        if first < NEVER:
            name = names[steps.index(first)]
            what = "the gradient" if name == GRADIENT else f"loss term '{name}'"
            raise DivergedError(
                f"{what} must be finite, got a NaN or an infinity in epoch {self._epoch + 1}, "
                f"step {first + 1}"
            )


def run_epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    training: TrainingSet,
    spec: RunSpec,
    epoch: int,
    device: torch.device,
    average: Average | None = None,
) -> tuple[dict[str, float], int]:
    """Train one epoch (from 0); return its mean loss terms and how many images it saw.

    Where the training set holds a frozen base's embeddings, steps take their rows and no image.

    Raises:
        DivergedError: if a loss term or a gradient is no longer finite.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    ledger = Ledger(epoch, device)
    with seeded(spec.seed, "epoch", epoch, device=device):
        network.train()
        network.method.on_epoch_start(epoch, spec.epochs)
        _offer_embeddings(network, training, spec, epoch, device)
        steps = _planned(network, training, spec, epoch)
        batches = _batches(network, training, spec, epoch, device, steps)
        for step, (views, parts, batch) in enumerate(batches):
            set_rate(optimizer, spec.schedule.rate(epoch + step / len(steps), spec.epochs))
            optimizer.zero_grad(set_to_none=True)
            if spec.trunk_mode == "graphs":  # what the step before left may be written over
                torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            terms = _loss_terms(network, average, views, parts, batch, spec.precision)
            total = torch.stack(list(terms.values())).sum()
            total.backward()  # type: ignore[no-untyped-call]
            norm = cut_gradients(parameters, spec.schedule.clip_norm)
            ledger.add(step, {**terms, TOTAL: total}, norm, len(views[0]))
            optimizer.step()
            if average is not None:
                average.follow(network)
    return ledger.close(), ledger.images


def sampled_rate(network: Network, training: TrainingSet, spec: RunSpec) -> float | None:
    """Return the share of one class among the pairs of a step's labelled images.

    The mean over the steps of the first epoch; "balanced" classes of as many images each make it
    the same in every step. None where the method does not sample so.
    """
    if network.method.sampling != "balanced":
        return None
    labels = training.labels.cpu()
    steps = _planned(network, training, spec, 0)
    return sum(positive_rate(labels[step.labelled]) for step in steps) / len(steps)


def _offer_embeddings(
    network: Network, training: TrainingSet, spec: RunSpec, epoch: int, device: torch.device
) -> None:
    """Give the method the embeddings of the training images, where it wants them now."""
    method = network.method
    images = training.images if training.embeddings is None else training.embeddings
    if not method.wants_embeddings(epoch, spec.epochs):
        return
    # Before the first step batch norms have seen no image: they look at these first.
    first = target_statistics(network, images, spec, device=device) if epoch == 0 else nullcontext()
    with first:
        embedding = training_embeddings(network, images, spec, device=device)
    with torch.no_grad():
        # A copy: labels that are changed in place would be those of all cells after this one.
        method.on_embeddings(embedding, training.labels.to(device, copy=True), epoch)
    layout = memory_format(device, spec.precision)
    network.train().to(memory_format=layout)  # type: ignore[call-overload]


def _loss_terms(
    network: Network,
    average: Average | None,
    views: list[Tensor],
    parts: list[int],
    batch: Batch,
    precision: str,
) -> dict[str, Tensor]:
    """Run the trunk in `precision`, views and their labelled and unlabelled part apart."""
    teacher = None
    with torch.autocast(views[0].device.type, torch.bfloat16, enabled=precision == "bf16"):
        features = [
            torch.cat([network.features(part) for part in torch.split(images, parts)])
            for images in views
        ]
        if average is not None:
            teacher = average.embed(views[0])
    embedding, *second = (network.method(found) for found in features)
    batch = dataclasses.replace(
        batch, features=features[0], second=second[0] if second else None, teacher=teacher
    )
    terms = network.method.loss(embedding, batch)
    if not terms:
        raise HashQuantError(f"{network.method.name}: loss must return at least one term, got none")
    return terms


def _planned(network: Network, training: TrainingSet, spec: RunSpec, epoch: int) -> list[Step]:
    return plan_epoch(
        training.labels.cpu(),
        training.labelled.cpu(),
        batch_size=spec.batch_size,
        sampling=network.method.sampling,
        images_per_class=network.method.images_per_class,
        generator=generator(spec.seed, "shuffle", epoch),
    )


def _batches(
    network: Network, training: TrainingSet, spec: RunSpec, epoch: int, device: torch.device,
    steps: list[Step],
) -> Iterator[tuple[list[Tensor], list[int], Batch]]:  # fmt: skip
    """Yield each step's views of its images, the sizes of their parts, and a batch to be filled."""
    labels, labelled = training.labels.to(device), training.labelled.to(device)
    nothing = torch.empty(0, device=device)
    given = _given(network, training, spec, epoch, device, steps)
    for number, (step, views) in enumerate(zip(steps, given, strict=True)):
        parts = [size for size in (len(step.labelled), len(step.unlabelled)) if size]
        rows = step.rows.to(device, non_blocking=True)
        batch = Batch(
            nothing, labels[rows], labelled[rows], rows, len(step.labelled), epoch, spec.epochs,
            epoch * len(steps) + number, spec.epochs * len(steps),
        )  # fmt: skip
        yield views, parts, batch


def _given(
    network: Network, training: TrainingSet, spec: RunSpec, epoch: int, device: torch.device,
    steps: list[Step],
) -> Iterator[list[Tensor]]:  # fmt: skip
    """Yield the views of each step's images: pixels that enter the trunk, or stored embeddings."""
    if training.embeddings is not None:
        for step in steps:
            yield [training.embeddings.index_select(0, step.rows.to(device, non_blocking=True))]
        return
    draws = generator(spec.seed, "augment", epoch, device=device)
    layout = memory_format(device, spec.precision)
    for stored in training.images.stream(step.rows for step in steps):
        cut = [
            seen(stored, view, spec.image_size, padding=spec.padding, flip=spec.flip,
                 generator=draws)
            for view in network.method.views or (PLAIN,)
        ]  # fmt: skip
        pixels = [normalise(one, spec.mean, spec.std) for one in cut]
        yield [one.contiguous(memory_format=layout) for one in pixels]
