"""BiHalf: in each batch, the upper half of a bit's values is +1 and the lower half -1.

Y. Li, J. van Gemert, "Deep Unsupervised Image Hashing by Maximizing Bit Entropy", AAAI 2021: the
layer is that of github.com/liyunqianggyn/Deep-Unsupervised-Image-Hashing @1cd671a, whose backward
pass gives u the gradient of b and gamma (u - b) / (B q) besides. With labels, as in FIRe
(github.com/CISiPLab/cisip-FIRe @e8826c4), a linear classifier is trained on b by cross entropy.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import hashquant.api as hq


def half_signs(u: Tensor) -> Tensor:
    """Return +1 for the upper half of each column's values and -1 for the lower, by rank.

    The middle one of an odd number has its own sign; equal values rank in their order.

    >>> half_signs(torch.tensor([[3.0, 1.0], [5.0, -2.0], [4.0, -4.0]]))
    tensor([[-1.,  1.],
            [ 1., -1.],
            [ 1., -1.]])
    """
    rank = u.argsort(dim=0, stable=True).argsort(dim=0)
    above = 2 * rank - (len(u) - 1)
    return torch.where(torch.where(above == 0, u, above) > 0, 1.0, -1.0).to(u.dtype)


class BiHalf(hq.Method):
    """Linear to q values, halved over the batch, and a linear classifier on the halves."""

    name = "bihalf"
    display = hq.Name("Bi-half", words={
        "gamma=0.0": "without the pull to halves", "std=True": "standardised values",
        "halves=False": "plain signs"})  # fmt: skip
    family = hq.Binary()
    kind = "classification"
    paper_batch = 64
    reference = hq.Reference(
        title="Deep Unsupervised Image Hashing by Maximizing Bit Entropy",
        authors="Yunqiang Li, Jan van Gemert",
        venue="AAAI Conference on Artificial Intelligence",
        year=2021,
        url="https://arxiv.org/abs/2012.12334",
    )

    @dataclass(frozen=True)
    class Config:
        """The layer's settings."""

        gamma: hq.NonNegative = 6.0  #: of the layer's own gradient (u - b) / (B q)
        halves: bool = True  #: the batch halved by rank; False: signs of u
        std: bool = False  #: batch norm without weights on u, which ties the cut at 0 to the means

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Sequential(nn.Linear(in_features, budget.bits))
        if config.std:
            self.hash.append(nn.BatchNorm1d(budget.bits, affine=False))
        self.classify = nn.Linear(budget.bits, num_classes)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return FIRe's schedule with labels: Adam, a tenth of the rate from epoch 80 of 100."""
        return hq.Recipe(
            optimizer="adam", lr=1e-4, weight_decay=5e-4, epochs=100, step_epochs=80.0,
            step_factor=0.1,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the cross entropy of halves, and gamma/2 times the mean of (u - b)².

        That term's gradient is what the paper's layer adds in its backward pass. In evaluation
        mode b is the sign of u, as in codes: there is no batch to halve.
        """
        u, gamma = embedding[: batch.known], self.config.gamma
        halved = self.training and self.config.halves
        bits = half_signs(u.detach()) if halved else torch.where(u.detach() > 0, 1.0, -1.0)
        logits = self.classify(bits + (u - u.detach()))
        terms = {"class": cross_entropy(logits, batch.labels[: batch.known])}
        if gamma:
            terms["half"] = gamma / 2 * (u - bits).square().mean()
        return terms
