"""DTSH: the likelihood of triplets: an anchor nearer to its own class than to others by a margin.

X. Wang, Y. Shi, K. M. Kitani, ACCV 2016. The loss of github.com/Minione/DTSH @e6faf11 on all
triplets of a batch. There they are drawn against the stored outputs of all images and summed, and
the anchor alone has a gradient; here it is their mean, and all three have one.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import softplus

import hashquant.api as hq


class DTSH(hq.Method):
    """Linear to q bits."""

    name = "dtsh"
    display = hq.Name("DTSH")
    family = hq.Binary()
    kind = "triplets"
    sampling = "balanced"
    paper_batch = 128
    reference = hq.Reference(
        title="Deep Supervised Hashing with Triplet Labels",
        authors="Xiaofang Wang, Yi Shi, Kris M. Kitani",
        venue="ACCV",
        year=2016,
        url="https://github.com/Minione/DTSH",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings; those of two ports in brackets."""

        #: alpha / q, of theta_ap - theta_an (ports: 5 / q, half=false)
        margin: hq.NonNegative = 0.5
        half: bool = True  #: theta is half the inner product, as the paper's (ports: all of it)
        anchor_only: bool = False  #: a gradient for the anchor alone, as the code
        #: lambda, of the mean |u - sign u|² of an image; the code's 100 stands beside a sum of
        #: 50 · 50 · 9 triplets (ports: 1 of the mean over bits)
        quantization: hq.NonNegative = 100 / 22500

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the ports' RMSprop with the code's schedule, 2/3 every 20 of 100 passes."""
        # Paper: SGD at 5e-4, written for sums of 22,500 triplets; RMSprop knows no such scale.
        return hq.Recipe(optimizer="rmsprop", lr=1e-5, momentum=0.0, weight_decay=1e-5,
                         epochs=100, step_epochs=20.0, step_factor=2 / 3)  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        u: Tensor = self.hash(features.float())
        return u

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean of log(1 + exp(alpha - theta_ap + theta_an)), and lambda·Q."""
        u, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        theta = u @ (u.detach() if self.config.anchor_only else u).T
        theta = theta / 2 if self.config.half else theta
        anchor, positive = pairs.same.nonzero(as_tuple=True)  # few: K - 1 a row, not n
        gap = theta[anchor, positive][:, None] - theta[anchor]  # (pairs of one class, n)
        cost = softplus(self.config.margin * self.budget.bits - gap)
        negative = pairs.other[anchor]
        terms = {"triplet": (cost * negative).sum() / negative.sum().clamp_min(1)}
        if self.config.quantization:  # |u - sign u| = ||u| - 1|
            square = (u.abs() - 1).square().sum(dim=1)
            terms["quantization"] = self.config.quantization * square.mean()
        return terms
