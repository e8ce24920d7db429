"""One epoch of training: its steps, its loss terms, and the watch for non-finite values."""

import dataclasses
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from hashquant.data.items import Batch, TrainingSet
from hashquant.data.pixels import normalise, random_crop_flip
from hashquant.errors import DivergedError, HashQuantError
from hashquant.machine.seeds import generator, seeded
from hashquant.settings.suite import RunSpec
from hashquant.training._sampling import plan_epoch
from hashquant.training.network import Network, memory_format
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
) -> tuple[dict[str, float], int]:
    """Train one epoch (from 0); return its mean loss terms and how many images it saw.

    Raises:
        DivergedError: if a loss term or a gradient is no longer finite.
    """
    network.train()
    for group in optimizer.param_groups:
        group["lr"] = spec.schedule.rate(epoch, spec.epochs)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    ledger = Ledger(epoch, device)
    with seeded(spec.seed, "epoch", epoch, device=device):
        network.method.on_epoch_start(epoch, spec.epochs)
        steps = _batches(network, training, spec, epoch, device)
        for step, (images, parts, batch) in enumerate(steps):
            optimizer.zero_grad(set_to_none=True)
            if spec.trunk_mode == "graphs":  # what the step before left may be written over
                torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            terms = _loss_terms(network, images, parts, batch, spec.precision)
            total = torch.stack(list(terms.values())).sum()
            total.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            ledger.add(step, {**terms, TOTAL: total}, norm, len(images))
            optimizer.step()
    return ledger.close(), ledger.images


def _loss_terms(
    network: Network, images: Tensor, parts: list[int], batch: Batch, precision: str
) -> dict[str, Tensor]:
    """Run the trunk in `precision`, the labelled and unlabelled part apart; the rest in fp32."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
        features = [network.features(part) for part in torch.split(images, parts)]
    batch = dataclasses.replace(batch, features=torch.cat(features))
    terms = network.method.loss(network.method(batch.features), batch)
    if not terms:
        raise HashQuantError(f"{network.method.name}: loss must return at least one term, got none")
    return terms


def _batches(
    network: Network, training: TrainingSet, spec: RunSpec, epoch: int, device: torch.device
) -> Iterator[tuple[Tensor, list[int], Batch]]:
    """Yield each step's augmented images, the sizes of their parts, and a batch to be filled."""
    method = network.method
    steps = plan_epoch(
        training.labels.cpu(),
        training.labelled.cpu(),
        batch_size=spec.batch_size,
        sampling=method.sampling,
        images_per_class=method.images_per_class,
        generator=generator(spec.seed, "shuffle", epoch),
    )
    draws = generator(spec.seed, "augment", epoch, device=device)
    labels, labelled = training.labels.to(device), training.labelled.to(device)
    nothing = torch.empty(0, device=device)
    layout = memory_format(device, spec.precision)
    images = training.images.stream(step.rows for step in steps)
    for step, stored in zip(steps, images, strict=True):
        cut = random_crop_flip(
            stored, spec.image_size, padding=spec.padding, flip=spec.flip, generator=draws
        )
        parts = [size for size in (len(step.labelled), len(step.unlabelled)) if size]
        rows = step.rows.to(device, non_blocking=True)
        batch = Batch(nothing, labels[rows], labelled[rows], rows, len(step.labelled))
        pixels = normalise(cut, spec.mean, spec.std).contiguous(memory_format=layout)
        yield pixels, parts, batch
