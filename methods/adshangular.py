"""ADSH: a margin softmax on cosines, with class weights spread evenly over Hamming space.

C. Zhou et al., "Angular Deep Supervised Hashing for Image Retrieval", IEEE Access 7, 2019. Follows
the port of FIRe, github.com/CISiPLab/cisip-FIRe @e8826c4. Another ADSH is Asymmetric Deep
Supervised Hashing (AAAI 2018), whose gallery codes come from labels.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

import hashquant.api as hq


class ADSHAngular(hq.Method):
    """Linear to q values, and one weight vector a class."""

    name = "adshangular"
    display = hq.Name("ADSH (angular)", words={"margin_on": "margin on the {}"})
    family = hq.Binary()
    kind = "centres"
    paper_batch = 64
    head_terms = ("distance", "evenness")
    reference = hq.Reference(
        title="Angular Deep Supervised Hashing for Image Retrieval",
        authors="Chang Zhou, Lai-Man Po, Wilson Y. F. Yuen, Kwok Wai Cheung, Xuyuan Xu, "
        "Kin Wai Lau, Yuzhi Zhao, Mengyang Liu, Peter H. W. Wong",
        venue="IEEE Access 7, 127521-127532",
        year=2019,
        url="https://doi.org/10.1109/ACCESS.2019.2939650",
    )

    @dataclass(frozen=True)
    class Config:
        """The port's defaults."""

        #: cosine (CosFace) | angle (ArcFace, radians)
        margin_on: Annotated[str, hq.OneOf("cosine", "angle")] = "cosine"
        scale: hq.Positive = 10.0  #: s, multiplies the cosines
        #: m, taken from the own class's cosine, or added to its angle
        margin: Annotated[float, hq.Range(0, 2)] = 0.2
        #: of the mean distance of two classes, negative (bits)
        distance_weight: hq.NonNegative = 1.0
        evenness_weight: hq.NonNegative = 1.0  #: of the variance of these distances

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.class_weight = nn.Parameter(torch.randn(num_classes, budget.bits))

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the port's schedule: Adam, a tenth of the rate from epoch 80 of 100."""
        # Paper: the port keeps its AlexNet frozen; here the trunk learns, at the head's rate.
        return hq.Recipe(
            optimizer="adam", lr=1e-4, weight_decay=5e-4, epochs=100, step_epochs=80.0,
            step_factor=0.1,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the margin softmax, and mean and variance of the distances of classes.

        A term of weight 0 is left out.
        """
        h, labels = embedding[: batch.known], batch.labels[: batch.known]
        weight = normalize(self.class_weight, dim=1)
        cosine = normalize(h, dim=1) @ weight.T
        own = one_hot(labels, self.num_classes).to(h.dtype)
        if self.config.margin_on == "cosine":
            shifted = cosine - self.config.margin * own
        else:
            shifted = torch.where(own > 0, self._turned(cosine), cosine)
        mean, variance = self._spread(weight.tanh())
        terms = {"margin": cross_entropy(self.config.scale * shifted, labels)}
        if self.config.distance_weight:
            terms["distance"] = -self.config.distance_weight * mean
        if self.config.evenness_weight:
            terms["evenness"] = self.config.evenness_weight * variance
        return terms

    def _turned(self, cosine: Tensor) -> Tensor:
        """Return cos(t + m) of cos t; the root is kept from 0, where it has no slope."""
        sine = (1 - cosine.square()).clamp_min(0).add(1e-12).sqrt()
        return cosine * math.cos(self.config.margin) - sine * math.sin(self.config.margin)

    def _spread(self, code: Tensor) -> tuple[hq.Scalar, hq.Scalar]:
        """Return mean and variance of (q - <a, b>)/2 over pairs of classes, zeros for one class.

        Paper: a class with itself is no pair here. Of C unit vectors' tanh the distances differ by
        less than one bit: the two terms move angles, not norms.
        """
        count, bits = code.shape
        if count < 2:
            return code.sum() * 0, code.sum() * 0
        pairs, length = count * (count - 1), code.square().sum(dim=1)
        # Sums over C·C products of two rows, from q values and from q·q.
        mean = (code.sum(dim=0).square().sum() - length.sum()) / pairs
        square = ((code.T @ code).square().sum() - length.square().sum()) / pairs
        return (bits - mean) / 2, (square - mean.square()) / 4
