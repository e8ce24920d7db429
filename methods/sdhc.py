"""SDH-C: a classifier on tanh codes, with the old constraints of deep hashing.

V. Erin Liong et al., "Deep Hashing for Compact Binary Codes Learning", CVPR 2015, as FIRe makes it
supervised by a classifier (github.com/CISiPLab/cisip-FIRe @e8826c4): little quantization error,
much variance of bits, and independent rows of the projection.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import hashquant.api as hq


class SDHC(hq.Method):
    """Linear and tanh to q values, and a linear classifier."""

    name = "sdhc"
    display = hq.Name("SDH-C")
    family = hq.Binary()
    kind = "classification"
    paper_batch = 64
    head_terms = ("independence",)
    reference = hq.Reference(
        title="Deep Hashing for Compact Binary Codes Learning",
        authors="Venice Erin Liong, Jiwen Lu, Gang Wang, Pierre Moulin, Jie Zhou",
        venue="CVPR, pp. 2475-2483",
        year=2015,
        url="https://www.cv-foundation.org/openaccess/content_cvpr_2015/papers/"
        "Liong_Deep_Hashing_for_2015_CVPR_paper.pdf",
    )

    @dataclass(frozen=True)
    class Config:
        """The port's weights."""

        quantization_weight: hq.NonNegative = 1e-3  #: of mean (u - sign u)²
        variance_weight: hq.NonNegative = 1e-3  #: of ½·mean u², which is to be large
        independence_weight: hq.NonNegative = 1e-3  #: of mean (WWᵀ - I)² of the projection's rows

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.classify = nn.Linear(budget.bits, num_classes)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the port's schedule: Adam, a tenth of the rate from epoch 80 of 100."""
        # Paper: the port keeps its AlexNet frozen; here the trunk learns, at the head's rate.
        return hq.Recipe(
            optimizer="adam", lr=1e-4, weight_decay=5e-4, epochs=100, step_epochs=80.0,
            step_factor=0.1,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, values within -1 … 1 whose signs are the bits."""
        hashed: Tensor = self.hash(features.float()).tanh()
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the four terms, but those of weight 0."""
        u, config = embedding[: batch.known], self.config
        bits = torch.where(u.detach() > 0, 1.0, -1.0)
        # Paper: the port compares WWᵀ with ones everywhere, which makes all rows the same one.
        weight = self.hash.weight
        inner = weight @ weight.T - torch.eye(len(weight), dtype=u.dtype, device=u.device)
        constraints = {
            "quantization": (config.quantization_weight, (u - bits).square().mean()),
            # Paper: tr(UᵀU)/q there grows with the batch; here it is a mean over it.
            "variance": (-config.variance_weight / 2, u.square().mean()),
            "independence": (config.independence_weight, inner.square().mean()),
        }
        terms = {"class": cross_entropy(self.classify(u), batch.labels[: batch.known])}
        return terms | {key: weight * term for key, (weight, term) in constraints.items() if weight}
