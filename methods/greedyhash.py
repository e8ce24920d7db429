"""GreedyHash: a classifier on exact signs, whose gradient passes them as if they were not there.

S. Su, C. Zhang, K. Han, Y. Tian, "Greedy Hash", NeurIPS 2018. The loss is that of
github.com/ssppp/GreedyHash @61bcef5: cross entropy of W b with b = sign(h), the gradient of b given
to h as it is, and the mean of | |h| - 1 |³, which keeps h near the signs that stand for it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import hashquant.api as hq


def straight_signs(h: Tensor) -> Tensor:
    """Return ±1 by the sign of each value, -1 at 0 as codes are cut; its gradient is that of h.

    >>> h = torch.tensor([0.5, -3.0], requires_grad=True)
    >>> straight_signs(h).sum().backward()
    >>> straight_signs(h).tolist(), h.grad.tolist()
    ([1.0, -1.0], [1.0, 1.0])
    """
    return torch.where(h > 0, 1.0, -1.0).to(h.dtype) + (h - h.detach())


class GreedyHash(hq.Method):
    """Linear to q values, their signs, and a linear classifier without bias."""

    name = "greedyhash"
    display = hq.Name("GreedyHash", words={"cubic_weight=0.0": "without the cubic term"})
    family = hq.Binary()
    kind = "classification"
    paper_batch = 32
    reference = hq.Reference(
        title="Greedy Hash: Towards Fast Optimization for Accurate Hash Coding in CNN",
        authors="Shupeng Su, Chao Zhang, Kai Han, Yonghong Tian",
        venue="Advances in Neural Information Processing Systems 31",
        year=2018,
        url="https://papers.nips.cc/paper/2018/hash/13f3cf8c531952d72e5847c4183e6910-Abstract.html",
    )

    @dataclass(frozen=True)
    class Config:
        """The released settings for CIFAR-10."""

        cubic_weight: hq.NonNegative = 0.1  #: alpha, of the mean of | |h| - 1 |³; 1.0 ImageNet

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.classify = nn.Linear(budget.bits, num_classes, bias=False)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule for CIFAR-10: SGD, a tenth of the rate from epoch 30 of 50."""
        return hq.Recipe(
            lr=1e-3, momentum=0.9, weight_decay=5e-4, epochs=50, step_epochs=30.0, step_factor=0.1
        )

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the cross entropy of signs, and alpha times the cubic term unless alpha is 0."""
        h, weight = embedding[: batch.known], self.config.cubic_weight
        logits = self.classify(straight_signs(h))
        terms = {"class": cross_entropy(logits, batch.labels[: batch.known])}
        if weight:
            terms["cubic"] = weight * (h.abs() - 1).abs().pow(3).mean()
        return terms
