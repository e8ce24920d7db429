"""ITQ: principal axes of the float embedding, rotated until their signs lose the least.

Gong and Lazebnik, "Iterative Quantization: A Procrustean Approach to Learning Binary Codes", CVPR
2011. Rounds of B = sign(VR) and of the orthogonal R that is nearest; labels are not used.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class ITQ(hq.Method):
    """sign((x - mean) W R) of unit embeddings x: W from PCA, R from rounds."""

    name = "itq"
    display = hq.Name(
        "ITQ of the float embedding", short="ITQ (float emb.)", words={"rounds": "{} rounds"}
    )
    family = hq.Binary()
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="Iterative Quantization: A Procrustean Approach to Learning Binary Codes",
        authors="Yunchao Gong, Svetlana Lazebnik",
        venue="CVPR",
        year=2011,
        url="https://doi.org/10.1109/CVPR.2011.5995432",
    )

    @dataclass(frozen=True)
    class Config:
        """The paper's."""

        rounds: hq.Natural = 50  #: of signs and the rotation nearest to them; 0: a random one

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        if budget.bits > in_features:
            limit = f"bits must be at most the embedding's size ({in_features})"
            raise hq.BudgetError(f"{limit}, got {budget.bits}")
        self.mean = nn.Buffer(torch.zeros(in_features))
        self.projection = nn.Buffer(torch.eye(in_features, budget.bits))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Learn mean and rotated axes; the first rotation is drawn from torch's generator."""
        seed = int(torch.randint(2**31 - 1, ()))
        mean, projection = hq.learn_itq(
            normalize(features, dim=1), self.budget.bits, seed, rounds=self.config.rounds
        )
        self.mean.copy_(mean)
        self.projection.copy_(projection)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the rotated projections whose signs are the bits.

        The embedding is normalised first, since its baseline compares it by cosine.
        """
        return (normalize(features.float(), dim=1) - self.mean) @ self.projection
