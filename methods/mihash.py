"""MIHash: the distance of two codes is to tell as much as can be whether they are of one class.

F. Cakir, K. He, S. A. Bargal, S. Sclaroff, "Hashing with Mutual Information", TPAMI 2019. The
equations: of each query the mutual information of the distance to all others, in soft histograms,
and of being relevant. What is minimised is its negative: the authors' forward pass shows +MI and
their backward pass is that of -MI, and FIRe's port minimises +MI.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import hashquant.api as hq


def entropy(p: Tensor) -> Tensor:
    """Return the entropy in bits of distributions in the last dimension; 0·log 0 is 0.

    >>> entropy(torch.tensor([0.5, 0.5, 0.0]))
    tensor(1.)
    """
    return -(p * torch.where(p > 0, p, 1.0).log2()).sum(dim=-1)


class MIHash(hq.Method):
    """Linear and batch norm to q values; 2·sigmoid - 1 of them stands for the bits."""

    name = "mihash"
    display = hq.Name("MIHash", words={"std=False": "without standardised bits"})
    family = hq.Binary()
    kind = "triplets"
    sampling = "balanced"
    reference = hq.Reference(
        title="Hashing with Mutual Information",
        authors="Fatih Cakir, Kun He, Sarah Adel Bargal, Stan Sclaroff",
        venue="IEEE TPAMI",
        year=2019,
        url="https://arxiv.org/abs/1803.00974",
    )

    @dataclass(frozen=True)
    class Config:
        """How distances are counted."""

        #: between distance 0 and q: one centre more than this (FIRe: 16 centres)
        bins: hq.Count = 16
        slope: hq.Positive = 1.0  #: p, of the sigmoid, which the head can learn as well
        std: bool = True  #: batch norm without weights on u; False: none, as the equations

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Sequential(nn.Linear(in_features, budget.bits))
        # Paper: nothing holds u, and from scratch its sigmoid saturates within a few hundred steps,
        # where no gradient is left (six drawn people, 360 steps: mAP 0.32, with the norm 0.59).
        if config.std:
            self.hash.append(nn.BatchNorm1d(budget.bits, affine=False))

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return FIRe's schedule: Adam, a tenth of the rate from epoch 80 of 100."""
        return hq.Recipe(
            optimizer="adam", lr=1e-4, weight_decay=5e-4, epochs=100, step_epochs=80.0,
            step_factor=0.1,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return -MI = P⁺·H(D|⁺) + P⁻·H(D|⁻) - H(D), the mean over the batch as queries."""
        u, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        phi = (self.config.slope / 2 * u).tanh()  # 2·sigmoid(p·u) - 1
        distance = (self.budget.bits - phi @ phi.T) / 2
        shares = self._shares(distance)  # (b, b, bins + 1)
        relevant, counts = self._histogram(shares, pairs.same)
        other, rest = self._histogram(shares, pairs.other)
        both = (counts + rest).clamp_min(1)
        p = counts / both
        whole = (counts[:, None] * relevant + rest[:, None] * other) / both[:, None]
        told = entropy(whole) - p * entropy(relevant) - rest / both * entropy(other)
        return {"information": -told.mean()}

    def _shares(self, distance: Tensor) -> Tensor:
        """Return each distance's share in the two bins that it lies between."""
        width = self.budget.bits / self.config.bins
        centers = torch.arange(self.config.bins + 1, device=distance.device)
        away = (distance[..., None] / width - centers).abs()
        shares: Tensor = (1 - away).clamp_min(0)
        return shares

    def _histogram(self, shares: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return each query's distribution of distances in `pairs`, and how many there are."""
        mask = pairs.to(shares.dtype)
        counts = mask.sum(dim=1)
        total = torch.einsum("ij,ijb->ib", mask, shares)
        return total / counts.clamp_min(1)[:, None], counts
