"""Which images each step of an epoch sees: shuffled, class-balanced, or half of them unlabelled."""

import dataclasses
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from hashquant.data.items import TrainingSet
from hashquant.errors import DataError, UsageError
from hashquant.machine.seeds import generator as stage_generator


@dataclass(frozen=True)
class Step:
    """Rows of the training set that one optimiser step sees; `unlabelled` may be empty."""

    labelled: Int64[Tensor, " l"]
    unlabelled: Int64[Tensor, " u"]

    @property
    def rows(self) -> Int64[Tensor, " b"]:
        """All rows, the labelled ones first."""
        return torch.cat([self.labelled, self.unlabelled])


def mask_labels(training: TrainingSet, fraction: float, seed: int) -> TrainingSet:
    """Hide all but `fraction` of each class's labels, chosen by `seed` (at least one is kept).

    Raises:
        UsageError: if `fraction` is not within (0, 1].
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"label_fraction must be above 0 and at most 1, got {fraction}")
    known = training.labelled.cpu().nonzero().flatten()
    labels = training.labels.cpu()[known]
    order, rank, counts = _by_class(labels, stage_generator(seed, "labels"))
    quota = (counts * fraction).round().clamp_min(1)
    kept = known[order[rank < quota[labels[order]]]]
    labelled = torch.zeros(len(training.labels), dtype=torch.bool)
    labelled[kept] = True
    labelled = labelled.to(training.labelled.device)
    hidden = torch.where(labelled.to(training.labels.device), training.labels, -1)
    return dataclasses.replace(training, labels=hidden, labelled=labelled)


def plan_epoch(
    labels: Int64[Tensor, " n"],
    labelled: Bool[Tensor, " n"],
    *,
    batch_size: int,
    sampling: str,
    images_per_class: int,
    generator: torch.Generator,
) -> list[Step]:
    """Return the steps of one epoch: about n / `batch_size` of them, whatever the sampling.

    "shuffled" visits every image once; the last short batch is kept, but a single left-over image
    (batch normalisation cannot take it) joins the batch before. "balanced" draws P classes x K
    images: K is `images_per_class`, or more where fewer than `batch_size` / K classes exist, and at
    most half a batch; every class is visited, and a class with fewer than K images repeats them.
    Where labels are hidden, a step is half labelled (drawn as above, starting over when all were
    seen) and half unlabelled.

    Raises:
        UsageError: if `batch_size` is below 2 or `sampling` is unknown.
        DataError: if fewer than two images can be learned from.
    """
    _check(labels, labelled, batch_size, sampling)
    known, unknown = labelled.nonzero().flatten(), (~labelled).nonzero().flatten()
    steps = None
    if len(unknown):
        batch_size = max(2, min(batch_size // 2, len(known), len(unknown)))
        steps = math.ceil(len(labels) / (2 * batch_size))
    if sampling == "balanced":
        drawn = _balanced(labels[known], batch_size, images_per_class, steps, generator)
        batches = [known[rows] for rows in drawn]
    elif steps is None:
        batches = _split(known[_permutation(len(known), generator)], batch_size)
    else:
        seen = known[_cycle(len(known), steps * batch_size, generator)]
        batches = list(torch.split(seen, batch_size))
    if not len(unknown):
        return [Step(rows, unknown) for rows in batches]
    size = len(batches[0])
    others = torch.split(unknown[_cycle(len(unknown), len(batches) * size, generator)], size)
    return [Step(rows, other) for rows, other in zip(batches, others, strict=True)]


def _check(labels: Tensor, labelled: Tensor, batch_size: int, sampling: str) -> None:
    if batch_size < 2:
        raise UsageError(f"batch_size must be at least 2 (batch normalisation), got {batch_size}")
    if sampling not in ("shuffled", "balanced"):
        raise UsageError(f"sampling must be 'shuffled' or 'balanced', got '{sampling}'")
    if len(labels) < 2 or not bool(labelled.any()):
        raise DataError(
            f"training must have at least 2 images, one of them labelled, got {len(labels)} "
            f"with {int(labelled.sum())} labelled"
        )


def _split(rows: Tensor, batch_size: int) -> list[Tensor]:
    if len(rows) > batch_size and len(rows) % batch_size == 1:
        head, tail = rows[: -batch_size - 1], rows[-batch_size - 1 :]
        return [*(torch.split(head, batch_size) if len(head) else ()), tail]
    return list(torch.split(rows, batch_size))


def _cycle(count: int, wanted: int, generator: torch.Generator) -> Tensor:
    rounds = [_permutation(count, generator) for _ in range(math.ceil(wanted / count))]
    return torch.cat(rounds)[:wanted]


def _balanced(
    labels: Tensor, batch_size: int, per_class: int, steps: int | None, generator: torch.Generator
) -> list[Tensor]:
    present, labels = torch.unique(labels, return_inverse=True)
    classes = len(present)
    per_class = min(per_class, max(1, batch_size // 2))  # pairs of two classes in every step
    group = max(1, min(batch_size // per_class, classes))
    per_class = max(per_class, batch_size // group) if group == classes else per_class
    if steps is None:
        steps = math.ceil(len(labels) / (group * per_class))
    steps = max(steps, math.ceil(classes / group))
    order, _, counts = _by_class(labels, generator)
    starts = counts.cumsum(0) - counts
    dealt = _deal(classes, steps * group, group, generator)
    visit = torch.arange(len(dealt)) // classes  # how often this class was dealt before
    at = visit[:, None] * per_class + torch.arange(per_class)  # (slots, k)
    rows = order[starts[dealt][:, None] + at % counts[dealt][:, None]]
    return list(rows.reshape(steps, group * per_class))


def _deal(classes: int, slots: int, group: int, generator: torch.Generator) -> Tensor:
    """Deal rounds of all classes in random order, never one class twice in a group."""
    dealt = torch.empty(0, dtype=torch.int64)
    while len(dealt) < slots:
        order = _permutation(classes, generator)
        started = dealt[len(dealt) // group * group :]
        if len(started):  # this group began in the round before: fill it with other classes first
            front = order[~torch.isin(order, started)][: group - len(started)]
            order = torch.cat([front, order[~torch.isin(order, front)]])
        dealt = torch.cat([dealt, order])
    return dealt[:slots]


def _by_class(labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows in class order (random within a class), ranks within the class, class sizes."""
    shuffled = _permutation(len(labels), generator)
    order = shuffled[labels[shuffled].argsort(stable=True)]
    counts = labels.bincount()
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(labels)) - starts[labels[order]]
    return order, rank, counts


def _permutation(count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=generator)
