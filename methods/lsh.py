"""LSH: signs of random projections of the float embedding, learned from nothing but its mean.

Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002: two vectors at
angle t differ in a bit with probability t / pi.
"""

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class LSH(hq.Method):
    """sign((x - mean) R) of unit embeddings x; R is Gaussian, drawn from the run's seed."""

    name = "lsh"
    display = hq.Name("LSH of the float embedding", short="LSH (float emb.)")
    family = hq.Binary()
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="Similarity Estimation Techniques from Rounding Algorithms",
        authors="Moses S. Charikar",
        venue="STOC",
        year=2002,
        url="https://doi.org/10.1145/509907.509965",
    )

    def __init__(
        self, config: object, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.mean = nn.Buffer(torch.zeros(in_features))
        self.projection = nn.Buffer(torch.randn(in_features, budget.bits))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Take the mean of the unit embeddings, without which bits would be unbalanced."""
        self.mean.copy_(normalize(features.double(), dim=1).mean(dim=0))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the projections whose signs are the bits.

        The embedding is normalised first, since its baseline compares it by cosine.
        """
        return (normalize(features.float(), dim=1) - self.mean) @ self.projection
