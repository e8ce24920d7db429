"""HashNet: a weighted likelihood of pairs on tanh(beta·z), beta growing until tanh is the sign.

Z. Cao, M. Long, J. Wang, P. S. Yu, ICCV 2017. The loss of github.com/thuml/HashNet @85387b8: alpha
in both terms and a mean by weights (the first upload, 48652bf, lacks alpha in the second term).
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import hashquant.api as hq


class HashNet(hq.Method):
    """Linear to q bits; its tanh, sharper at every step, stands in the loss alone."""

    name = "hashnet"
    display = hq.Name("HashNet", words={"growth=0.0": "without continuation"})
    family = hq.Binary()
    kind = "pairs"
    sampling = "balanced"
    paper_batch = 72  # two loaders of 36 images
    reference = hq.Reference(
        title="HashNet: Deep Learning to Hash by Continuation",
        authors="Zhangjie Cao, Mingsheng Long, Jianmin Wang, Philip S. Yu",
        venue="ICCV",
        year=2017,
        url="https://github.com/thuml/HashNet",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings, with the paper's weights of pairs."""

        #: alpha·q, of inner products (ports: alpha 1 or 0.1 whatever q)
        inner_scale: hq.Positive = 10.0
        #: |S|/|S1| and |S|/|S0|, the paper's | positives | none (code: a flag)
        weights: Annotated[str, hq.OneOf("both", "positives", "none")] = "both"
        growth: hq.NonNegative = 0.005  #: of beta = sqrt(1 + growth·t); 0: beta stays 1
        #: what t grows to over a run of any length; 0: t counts its steps
        iterations: hq.Natural = 10000

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        nn.init.normal_(self.hash.weight, std=0.01)
        nn.init.zeros_(self.hash.bias)

    @property
    def rate_factors(self) -> dict[str, float]:
        """Return the code's rates: the head learns ten times as fast as the trunk."""
        return {"hash": 10.0}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Nesterov's SGD, halved every 2,000 of 10,000 iterations."""
        # 10,000 iterations of 36 images are 28 epochs of ImageNet-100's 13,000.
        return hq.Recipe(lr=3e-4, momentum=0.9, weight_decay=5e-4, nesterov=True, epochs=28,
                         step_epochs=5.6)  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z, whose signs are those of tanh(beta·z) for every beta."""
        z: Tensor = self.hash(features.float())
        return z

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the weighted mean of log(1 + exp(theta)) - s·theta, theta = alpha·<h_i, h_j>."""
        # Paper: pairs of two loaders' batches; here all pairs of one batch but the diagonal.
        h = torch.tanh(self.sharpness(batch) * embedding[: batch.known])
        theta = self.config.inner_scale / self.budget.bits * (h @ h.T)
        pairs = hq.batch_pairs(batch)
        cost = softplus(theta) - pairs.same * theta
        return {"pair": pairs.mean(cost, self.config.weights, per_weight=True)}

    def sharpness(self, batch: hq.Batch) -> float:
        """Return beta at a step: sqrt(1 + growth·t).

        t runs from 0 to `iterations` over the whole run, as the learning rate's schedule does, so
        that a short run also ends with a sharp tanh. The code refreshes it every 200 iterations.
        """
        whole = self.config.iterations or batch.steps
        t = whole * batch.step / batch.steps
        return math.sqrt(1 + self.config.growth * t)
