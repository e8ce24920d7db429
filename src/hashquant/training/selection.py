"""Which epoch's weights are examined: the last, or the best by a rule that sees no test query."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from hashquant.errors import HashQuantError

#: Scores a network on the validation set, larger is better; leaves its weights as they are.
Judge = Callable[[nn.Module], float]


class EpochChoice:
    """Keeps the weights of the best epoch so far.

    `rule` is "last", "train-loss" (the lowest mean training loss, as OPQN's authors choose) or
    "validation" (the highest score of `judge`). The first of equal epochs is kept.

    Raises:
        HashQuantError: if validation has no judge.
    """

    def __init__(self, rule: str = "last", judge: Judge | None = None) -> None:
        if rule == "validation" and judge is None:
            raise HashQuantError("selection by validation must have validation images, got none")
        self.rule = rule
        self._judge = judge
        self.scores: list[float] = []  #: one an epoch, larger is better; none for "last"
        self._best: Mapping[str, Any] = {}  # Any: tensors, as torch's state dictionaries

    def observe(self, network: nn.Module, terms: Mapping[str, float]) -> None:
        """Judge the epoch that has just ended, whose mean loss terms are `terms`."""
        if self.rule == "last":
            return
        if self.rule == "validation" and self._judge is not None:
            score = self._judge(network)
        else:
            score = -terms["total"]
        if not self.scores or score > max(self.scores):
            self._best = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
        self.scores.append(score)

    def settle(self, network: nn.Module, epochs: int) -> int:
        """Give the network the chosen weights; return their epoch, from 1 (0: none was run)."""
        if not self.scores:
            return epochs
        network.load_state_dict(dict(self._best))
        return 1 + self.scores.index(max(self.scores))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold to go on from here."""
        return {"scores": list(self.scores), "best": dict(self._best)} if self.scores else {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.scores = [float(score) for score in state.get("scores", ())]
        self._best = dict(state.get("best", {}))


def has_tensors(state: Mapping[str, Any], shapes: Mapping[str, torch.Size]) -> bool:
    """Tell whether a state holds weights of these shapes, or none."""
    best = state.get("best", {})
    return not best or {name: value.shape for name, value in best.items()} == shapes
