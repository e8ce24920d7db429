"""JMLH: a classifier on bits drawn by their probabilities, which are held near a half.

Y. Shen et al., "Embarrassingly Simple Binary Representation Learning", ICCV Workshops 2019. With
p = logistic(z), a bit b is 1 where p exceeds a threshold, and its gradient is given to p. The loss
is the cross entropy of W b, and lambda times KL(p, 1/2) summed over bits; both means over images.

Paper: the first author's code (layer of github.com/ymcidence/TBH @2cccdc2) and the port of FIRe
(github.com/CISiPLab/cisip-FIRe @e8826c4) differ: there the threshold is 0.5 and lambda 0.2, in the
port it is drawn anew for each bit and lambda is 0.1. Here the threshold is the author's and the
weight the port's, since the other values hold bits at a half when a trunk is trained from scratch
(six drawn people, 16 bits, 80 steps: mAP 0.92, with drawn thresholds 0.77, with lambda 0.2 0.62).
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid

import hashquant.api as hq


class JMLH(hq.Method):
    """Linear to q logits, a bit of each, and a linear classifier on bits of 0 and 1."""

    name = "jmlh"
    display = hq.Name("JMLH", words={
        "threshold=drawn": "drawn thresholds",
        "divergence_weight=0.0": "without the divergence"})  # fmt: skip
    family = hq.Binary()
    kind = "classification"
    paper_batch = 64
    reference = hq.Reference(
        title="Embarrassingly Simple Binary Representation Learning",
        authors="Yuming Shen, Jie Qin, Jiaxin Chen, Li Liu, Fan Zhu, Ziyi Shen",
        venue="IEEE/CVF International Conference on Computer Vision Workshops",
        year=2019,
        url="https://arxiv.org/abs/1908.09573",
    )

    @dataclass(frozen=True)
    class Config:
        """The port's values, with the author's threshold."""

        #: half: 0.5, as the author's code | uniform in [0, 1] for each bit of a step, as FIRe
        threshold: Annotated[str, hq.OneOf("half", "drawn")] = "half"
        divergence_weight: hq.NonNegative = 0.1  #: lambda, nats; 0.2 in the author's code
        init_sd: hq.Positive = 0.01  #: of the normal weights of both layers

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.classify = nn.Linear(budget.bits, num_classes)
        for layer in (self.hash, self.classify):
            nn.init.normal_(layer.weight, std=config.init_sd)
            nn.init.zeros_(layer.bias)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return FIRe's schedule: Adam, a tenth of the rate from epoch 80 of 100."""
        return hq.Recipe(
            optimizer="adam", lr=1e-4, weight_decay=5e-4, epochs=100, step_epochs=80.0,
            step_factor=0.1,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z, the bits' log-odds: their signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the cross entropy of bits, and lambda times the divergence unless that is 0."""
        z, weight = embedding[: batch.known], self.config.divergence_weight
        p = z.sigmoid()
        logits = self.classify(self._bits(p))
        terms = {"class": cross_entropy(logits, batch.labels[: batch.known])}
        if weight:
            # p log 2p + (1 - p) log 2(1 - p), where no logarithm sees a rounded 0
            divergence = p * logsigmoid(z) + (1 - p) * logsigmoid(-z) + math.log(2)
            terms["divergence"] = weight * divergence.sum(dim=1).mean()
        return terms

    def _bits(self, p: Tensor) -> Tensor:
        """Return 0 and 1, by the drawn thresholds while training; their gradient is that of p."""
        drawn = self.training and self.config.threshold == "drawn"
        threshold = torch.rand_like(p) if drawn else torch.full_like(p, 0.5)
        return (p > threshold).to(p.dtype) + (p - p.detach())
