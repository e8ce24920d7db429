"""DHN: the likelihood of pairs on tanh codes, and a quantisation loss by log cosh.

H. Zhu, M. Long, J. Wang, Y. Cao, AAAI 2016. The loss is that of the port in swuxyj/DeepHash-pytorch
@ab14068, within a batch and without its memory. The authors' github.com/thulab/DeepHash @9907613
has cosines, more weight on pairs of one class and a square for log cosh: normed=true,
weights=positives, quantized_by=square.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

import hashquant.api as hq


class DHN(hq.Method):
    """Linear and tanh to q bits."""

    name = "dhn"
    display = hq.Name(
        "DHN", words={"normed=True": "of cosines", "quantization=0.0": "without its log cosh"}
    )
    family = hq.Binary()
    kind = "pairs"
    sampling = "balanced"
    paper_batch = 128
    reference = hq.Reference(
        title="Deep Hashing Network for Efficient Similarity Retrieval",
        authors="Han Zhu, Mingsheng Long, Jianmin Wang, Yue Cao",
        venue="AAAI",
        year=2016,
        url="https://ojs.aaai.org/index.php/AAAI/article/view/10235",
    )

    @dataclass(frozen=True)
    class Config:
        """The port's settings."""

        normed: bool = False  #: theta = half the inner product | the authors': cosine_scale·cosine
        #: alpha of `normed` (on the authors' command line, no default)
        cosine_scale: hq.Positive = 10.0
        #: none | positives: |S|/|S1|, the authors' | both
        weights: Annotated[str, hq.OneOf("none", "positives", "both")] = "none"
        #: weight of the quantisation term (the authors': no default)
        quantization: hq.NonNegative = 0.1
        #: mean log cosh(|u| - 1) | square: mean (|u| - 1)²
        quantized_by: Annotated[str, hq.OneOf("logcosh", "square")] = "logcosh"

        def agree(self) -> None:
            """Refuse a form of the quantization term where there is none."""
            if self.quantized_by != "logcosh" and not self.quantization:
                raise hq.UsageError(
                    f"quantization must be above 0 with quantized_by={self.quantized_by}, got 0"
                )

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the port's RMSprop at one rate."""
        # Paper: its code is SGD, halved every 5,000 iterations, with rate and length unsaid.
        return hq.Recipe(optimizer="rmsprop", lr=1e-5, momentum=0.0, weight_decay=1e-5,
                         epochs=150, step_factor=1.0)  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u = tanh(z), whose signs are the bits."""
        return torch.tanh(self.hash(features.float()))

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean of log(1 + exp(theta)) - s·theta over pairs, and lambda·Q."""
        u, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        if self.config.normed:
            unit = normalize(u, dim=1)
            theta = self.config.cosine_scale * (unit @ unit.T)
        else:
            theta = u @ u.T / 2
        cost = softplus(theta) - pairs.same * theta
        terms = {"pair": pairs.mean(cost, self.config.weights)}
        if self.config.quantization:
            terms["quantization"] = self.config.quantization * self._quantization(u)
        return terms

    def _quantization(self, u: Tensor) -> hq.Scalar:
        gap = u.abs() - 1
        if self.config.quantized_by == "square":
            return gap.square().mean()
        # log cosh x = x + log(1 + exp(-2x)) - log 2
        return (gap + softplus(-2 * gap) - math.log(2)).mean()
