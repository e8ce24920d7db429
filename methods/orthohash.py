"""OrthoHash: one loss, the cosine to a fixed binary centre, with a margin for the own class.

J. T. Hoe et al., "One Loss for All: Deep Hashing with a Single Cosine Similarity based Learning
Objective", NeurIPS 2021. Follows github.com/kamwoh/orthohash @94c4a03: batch norm balances the
bits, and a code near its centre in angle has no quantization error left to be penalised.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

import hashquant.api as hq


class OrthoHash(hq.Method):
    """Linear without bias and batch norm to q bits; the centres stay as they were drawn."""

    name = "orthohash"
    display = hq.Name("OrthoHash", words={
        "centers": "{} centres", "margin_on": "margin on the {}",
        "quantization": "{} quantization term"})  # fmt: skip
    family = hq.Binary()
    kind = "centres"
    reference = hq.Reference(
        title="One Loss for All: Deep Hashing with a Single Cosine Similarity based Learning "
        "Objective",
        authors="Jiun Tian Hoe, Kam Woh Ng, Tianyu Zhang, Chee Seng Chan, Yi-Zhe Song, Tao Xiang",
        venue="Advances in Neural Information Processing Systems 34",
        year=2021,
        url="https://arxiv.org/abs/2109.14449",
    )

    @dataclass(frozen=True)
    class Config:
        """The released script's defaults."""

        #: s, multiplies the cosines; 0: sqrt(2)·log(C - 1), for many classes
        scale: hq.NonNegative = 8.0
        #: m, taken from the own class's cosine (or angle); 0.3 CIFAR-10, FIRe
        margin: Annotated[float, hq.Range(0, 2)] = 0.2
        #: cosine | angle (radians; FIRe's OrthoArc)
        margin_on: Annotated[str, hq.OneOf("cosine", "angle")] = "cosine"
        #: bernoulli | hadamard | code (FIRe: words far apart)
        centers: Annotated[str, hq.OneOf("bernoulli", "hadamard", "code")] = "bernoulli"
        center_seed: hq.Natural = 0  #: seed of centres that are drawn
        #: off | cosine | l1 | l2, between the embedding and its signs
        quantization: Annotated[str, hq.OneOf("off", "cosine", "l1", "l2")] = "off"
        quantization_weight: hq.NonNegative = 1.0  #: of that term, where there is one
        #: times the head's rate, for a trunk from scratch; 0.1 fine-tuned, 0 fixed
        trunk_rate: hq.NonNegative = 1.0

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        linear = nn.Linear(in_features, budget.bits, bias=False)
        nn.init.normal_(linear.weight, std=0.01)
        self.hash = nn.Sequential(linear, nn.BatchNorm1d(budget.bits))
        centers = hq.draw_centers(config.centers, num_classes, budget.bits, config.center_seed)
        self.centers = nn.Buffer(centers)
        self.scale = config.scale or math.sqrt(2) * math.log(max(num_classes - 1, 2))

    @property
    def hash_centers(self) -> Tensor:
        """The centre of each class."""
        return self.centers

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The trunk's own rate, where it has one."""
        return {} if self.config.trunk_rate == 1 else {"trunk": self.config.trunk_rate}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule: Adam at 1e-4, a tenth of it from 80 of 100 epochs."""
        return hq.Recipe(
            optimizer="adam", lr=1e-4, weight_decay=5e-4, epochs=100, step_epochs=80.0,
            step_factor=0.1,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return v, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the margin loss, and a quantization term where one is asked for."""
        v, labels = embedding[: batch.known], batch.labels[: batch.known]
        cosine = normalize(v, dim=1) @ self.centers.T / math.sqrt(self.budget.bits)
        own = one_hot(labels, self.num_classes).to(cosine.dtype)
        if self.config.margin_on == "cosine":
            shifted = cosine - self.config.margin * own
        else:
            shifted = torch.where(own > 0, self._turned(cosine), cosine)
        terms = {"margin": cross_entropy(self.scale * shifted, labels)}
        if self.config.quantization != "off" and self.config.quantization_weight:
            error = self.config.quantization_weight * self._quantization(v)
            terms["quantization"] = error
        return terms

    def _turned(self, cosine: Tensor) -> Tensor:
        """Return cos(t + m) of cos t; the root is kept from 0, where it has no slope."""
        sine = (1 - cosine.square()).clamp_min(0).add(1e-12).sqrt()
        return cosine * math.cos(self.config.margin) - sine * math.sin(self.config.margin)

    def _quantization(self, v: Tensor) -> hq.Scalar:
        signs = torch.where(v.detach() > 0, 1.0, -1.0)
        if self.config.quantization == "cosine":
            return 1 - (normalize(v, dim=1) * signs).sum(dim=1).mean() / math.sqrt(v.shape[1])
        error = v - signs
        return (error.abs() if self.config.quantization == "l1" else error.square()).mean()
