"""An optimiser and its schedule: a frozen value, scaled to a suite's length and batch."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated

from hashquant.errors import UsageError
from hashquant.settings.ranges import (
    Count,
    Decay,
    NonNegative,
    OneOf,
    Positive,
    SomeShare,
)


@dataclass(frozen=True)
class Recipe:
    """An optimiser and its schedule, written for `epochs` and scaled to a suite's length.

    The rate falls as `decay` says: by `step_factor` every `step_epochs` of `epochs` ("step"), by
    `step_factor` at each of `milestones`, in epochs ("milestones"), or along half a cosine to zero
    ("cosine"); `warmup_epochs` rise linearly from zero. It changes between epochs, or between
    steps (`per_step`). `betas` serve Adam and AdamW, `smoothing` RMSprop, `momentum` SGD and
    RMSprop. Gradients longer than `clip_norm` are scaled down to it (0: as they are).
    `group_rates` says whether a method's own `rate_factors` hold.
    """

    optimizer: Annotated[str, OneOf("sgd", "adam", "adamw", "rmsprop")] = "sgd"
    lr: NonNegative = 0.1
    momentum: Decay = 0.9
    weight_decay: NonNegative = 5e-4
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    amsgrad: bool = False
    epochs: Count = 200
    step_epochs: Positive = 35.0
    step_factor: SomeShare = 0.5
    warmup_epochs: NonNegative = 0.0
    nesterov: bool = False
    smoothing: Decay = 0.99
    decay: Annotated[str, OneOf("step", "milestones", "cosine")] = "step"
    milestones: tuple[Positive, ...] = ()
    per_step: bool = False
    clip_norm: NonNegative = 0.0
    group_rates: bool = True

    def agree(self) -> None:
        """Refuse what one field says against another, in what is asked for.

        Raises:
            UsageError: for a rise beyond the recipe's length, milestones out of order or beyond
                it, a decay at milestones without one, or Nesterov's step without momentum.
        """
        if self.warmup_epochs >= self.epochs:
            limit = f"below epochs, {self.epochs}"
            raise UsageError(f"warmup_epochs must be {limit}, got {self.warmup_epochs:g}")
        said = ", ".join(f"{milestone:g}" for milestone in self.milestones)
        if list(self.milestones) != sorted(set(self.milestones)):
            raise UsageError(f"milestones must rise from one to the next, got {said}")
        if self.decay == "milestones" and not self.milestones:
            raise UsageError("milestones must name epochs where decay is milestones, got none")
        if self.decay == "milestones" and self.milestones[-1] >= self.epochs:
            raise UsageError(f"milestones must be below epochs, {self.epochs}, got {said}")
        if self.nesterov and self.optimizer == "sgd" and not self.momentum:
            raise UsageError("nesterov must go with a momentum above 0, got momentum 0")

    def for_batch(self, images: int, written_for: int) -> "Recipe":
        """Return the recipe for another batch size: SGD's rate grows with it, others' stay.

        The linear scaling rule (Goyal et al. 2017): an epoch then moves the weights as far.

        >>> Recipe(lr=0.1).for_batch(64, 256).lr
        0.025
        """
        if self.optimizer != "sgd":
            return self
        return dataclasses.replace(self, lr=self.lr * images / written_for)

    def rate(self, epoch: int | float, epochs: int) -> float:
        """Return the learning rate at `epoch` (from 0) in a run of `epochs`.

        A part of an epoch counts where the recipe is `per_step` only.

        >>> Recipe(lr=0.1, epochs=200, step_epochs=35.0).rate(18, 100)
        0.05
        >>> Recipe(lr=0.1, epochs=9, decay="milestones", milestones=(3.0, 6.0)).rate(6.5, 9)
        0.025
        >>> Recipe(lr=0.1, decay="cosine", per_step=True).rate(50.0, 100)
        0.05
        """
        whole = epoch if self.per_step else int(epoch)
        at, one = whole * self.epochs / epochs, self.epochs / epochs
        if at < self.warmup_epochs:
            return self.lr * (at + one) / (self.warmup_epochs + one)
        return self.lr * self._left(at)

    def _left(self, at: int | float) -> float:
        """Return the share of the rate that is left at an epoch of the recipe's own length."""
        if self.decay == "cosine":
            return 0.5 * (1 + math.cos(math.pi * at / self.epochs))
        if self.decay == "milestones":
            return self.step_factor ** sum(at >= milestone for milestone in self.milestones)
        return self.step_factor ** int(at // self.step_epochs)
