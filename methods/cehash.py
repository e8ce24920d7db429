"""CE: a classifier on a linear code, and nothing that asks for bits: the control of all others.

The baseline "ce" of FIRe, github.com/CISiPLab/cisip-FIRe @e8826c4: cross entropy of W u + v, where
u is what is cut to signs. A hashing method that does not do better than this adds nothing.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import hashquant.api as hq


class CEHash(hq.Method):
    """Linear to q values, and a linear classifier on them."""

    name = "cehash"
    display = hq.Name("CE hashing", words={"std=True": "standardised bits"})
    family = hq.Binary()
    kind = "classification"
    paper_batch = 64
    reference = hq.Reference(
        title="Fast Image Retrieval (FIRe)",
        authors="CISiP Lab",
        venue="Software of Universiti Malaya",
        year=2021,
        url="https://github.com/CISiPLab/cisip-FIRe",
    )

    @dataclass(frozen=True)
    class Config:
        """What stands between the code and its classifier."""

        std: bool = False  #: batch norm without weights on u, so that each bit is cut at its mean

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
        """Return FIRe's schedule: Adam, a tenth of the rate from epoch 80 of 100."""
        # Paper: FIRe keeps its AlexNet frozen; here the trunk learns, at the head's rate.
        return hq.Recipe(
            optimizer="adam", lr=1e-4, weight_decay=5e-4, epochs=100, step_epochs=80.0,
            step_factor=0.1,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the cross entropy of the classifier."""
        logits = self.classify(embedding[: batch.known])
        return {"class": cross_entropy(logits, batch.labels[: batch.known])}
