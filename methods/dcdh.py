"""DCDH: binary codes drawn to trainable class centres that repel each other.

M. Zhang, X. Zhe, S. Chen, H. Yan, "Deep center-based dual-constrained hashing for discriminative
face image retrieval", Pattern Recognition 117, 2021. Gaussian class likelihood around the centres,
a pairwise constraint on the centres, and a regression of binary codes from the labels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, softplus

import hashquant.api as hq


def class_sign_mean(embedding: hq.Embedding, labels: hq.Labels, num_classes: int) -> Tensor:
    """Return, for each row, the mean of sign(h) over the rows of its class.

    This is Y (YᵀY)^+ Yᵀ sign(H) for the one-hot label matrix Y.

    >>> class_sign_mean(torch.tensor([[3.0], [-1.0], [2.0]]), torch.tensor([0, 0, 1]), 2)
    tensor([[0.],
            [0.],
            [1.]])
    """
    sums = embedding.new_zeros(num_classes, embedding.shape[1])
    sums.index_add_(0, labels, torch.where(embedding > 0, 1.0, -1.0).to(embedding.dtype))
    counts = torch.bincount(labels, minlength=num_classes).clamp_min(1)
    return (sums / counts[:, None])[labels]


class DCDH(hq.Method):
    """Linear and batch norm to q bits, and one trainable centre a class."""

    name = "dcdh"
    display = hq.Name("DCDH")
    family = hq.Binary()
    kind = "centres"
    head_terms = ("pairwise",)
    reference = hq.Reference(
        title="Deep center-based dual-constrained hashing for discriminative face image retrieval",
        authors="Ming Zhang, Xuefei Zhe, Shifeng Chen, Hong Yan",
        venue="Pattern Recognition 117, 107976",
        year=2021,
        url="https://doi.org/10.1016/j.patcog.2021.107976",
    )

    @dataclass(frozen=True)
    class Config:
        """The paper's weights."""

        inverse_variance: hq.Positive = 0.25  #: sigma, of the Gaussian around a centre
        center_weight: hq.NonNegative = 0.1  #: lambda, of the pairwise constraint on centres
        regression_weight: hq.NonNegative = 0.01  #: eta, of the regression term, inside its sign

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Sequential(nn.Linear(in_features, budget.bits), nn.BatchNorm1d(budget.bits))
        self.centers = nn.Parameter(torch.randn(num_classes, budget.bits))

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule for 32-pixel faces: Adam, halved every 100 of 600 epochs."""
        # Paper: amsgrad serves the network only there; here the centres too.
        return hq.Recipe(
            optimizer="adam",
            lr=5e-3,
            weight_decay=1e-4,
            amsgrad=True,
            epochs=600,
            step_epochs=100.0,
        )

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return L1 + lambda·L2 + eta·Q by term."""
        labels = batch.labels[: batch.known]
        h = embedding[: batch.known]
        return {
            "center": self._likelihood(h, labels),
            "pairwise": self.config.center_weight * self._repulsion(),
            "regression": self.config.regression_weight * self._regression(h, labels),
        }

    def _likelihood(self, h: Tensor, labels: hq.Labels) -> hq.Scalar:
        # ‖h‖² is the same for every class and drops out of the softmax over -sigma/2·‖h - mu_c‖².
        # Paper: its code adds 1e-6 inside and below the fraction, where log-softmax needs none.
        logits = h @ self.centers.T - self.centers.square().sum(dim=1) / 2
        return cross_entropy(self.config.inverse_variance * logits, labels)

    def _repulsion(self) -> hq.Scalar:
        unit = normalize(self.centers, dim=1)
        cosine = self.budget.bits / 2 * (unit @ unit.T)
        # Paper: its code zero-fills the diagonal, a constant log 2 / (C - 1); here it adds nothing.
        own = torch.eye(self.num_classes, dtype=torch.bool, device=cosine.device)
        pairs = softplus(cosine.masked_fill(own, -torch.inf))
        return pairs.sum() / max(self.num_classes * (self.num_classes - 1), 1)

    def _regression(self, h: Tensor, labels: hq.Labels) -> hq.Scalar:
        target = class_sign_mean(h.detach(), labels, self.num_classes)
        target = target + self.config.regression_weight * h.detach()
        bits = torch.where(target > 0, 1.0, -1.0)  # b, without gradient
        return (h - bits).square().sum(dim=1).mean()
