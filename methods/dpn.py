"""DPN: each bit is pushed past a margin on the side of its class's binary target.

L. Fan et al., "Deep Polarized Network for Supervised Learning of Accurate Binary Hashing Codes",
IJCAI 2020. Follows github.com/kamwoh/DPN @b4d721e: a hinge a bit, and targets that may be chosen
anew as the signs of class means. Its ternary codes (DPN-T) are no binary codes and are left out.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

import hashquant.api as hq


class DPN(hq.Method):
    """Linear to q bits; a target of ±1 for each class."""

    name = "dpn"
    display = hq.Name("DPN", words={
        "centers": "{} targets", "update_epochs": "targets chosen anew every {} epochs",
        "bit_mean=True": "mean over bits", "size_weight": "size term {}"})  # fmt: skip
    family = hq.Binary()
    kind = "centres"
    reference = hq.Reference(
        title="Deep Polarized Network for Supervised Learning of Accurate Binary Hashing Codes",
        authors="Lixin Fan, Kam Woh Ng, Ce Ju, Tianyu Zhang, Chee Seng Chan",
        venue="International Joint Conference on Artificial Intelligence",
        year=2020,
        url="https://doi.org/10.24963/ijcai.2020/115",
    )

    @dataclass(frozen=True)
    class Config:
        """The released script's defaults."""

        margin: hq.NonNegative = 1.0  #: m, what a bit's value must reach on its target's side
        bit_mean: bool = False  #: hinges are added up over the bits | true: their mean (a port's)
        size_weight: hq.NonNegative = 0.0  #: of the mean of h², off by default; 0.1 FIRe's port
        #: bernoulli (signs of a Gaussian) | hadamard | code
        centers: Annotated[str, hq.OneOf("bernoulli", "hadamard", "code")] = "bernoulli"
        center_seed: hq.Natural = 0  #: seed of targets that are drawn
        #: epochs from one choice of new targets to the next; 0: never
        update_epochs: hq.Natural = 0

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        centers = hq.draw_centers(config.centers, num_classes, budget.bits, config.center_seed)
        self.centers = nn.Buffer(centers)

    @property
    def hash_centers(self) -> Tensor:
        """The target of each class, as it is now."""
        return self.centers

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule: SGD at 1e-4, a tenth of it from half of 200 epochs."""
        return hq.Recipe(
            lr=1e-4, momentum=0.9, weight_decay=5e-4, epochs=200, step_epochs=100.0,
            step_factor=0.1,
        )  # fmt: skip

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask every `update_epochs`, after some training."""
        every: int = self.config.update_epochs
        return epoch > 0 and every > 0 and epoch % every == 0

    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Choose as each class's target the signs that most of its codes have.

        A class without labelled images keeps its target, and so does a bit that is tied.
        """
        # Paper: its code counts the codes that the epoch's training steps made, batch by batch.
        known = labels >= 0
        signs = torch.where(embedding[known] > 0, 1.0, -1.0).to(self.centers.dtype)
        votes = torch.zeros_like(self.centers).index_add_(0, labels[known], signs)
        self.centers.copy_(torch.where(votes == 0, self.centers, votes.sign()))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the polarization loss, and the size term where it has a weight."""
        h, target = embedding[: batch.known], self.centers[batch.labels[: batch.known]]
        hinges = (self.config.margin - h * target).clamp_min(0)
        mean = hinges.mean() if self.config.bit_mean else hinges.sum(dim=1).mean()
        terms = {"polarization": mean}
        if self.config.size_weight:
            terms["size"] = self.config.size_weight * h.square().mean()
        return terms
