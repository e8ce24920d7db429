"""PCA-sign: principal axes of the float embedding in a random rotation, and signs: no training.

I. Moummad, K. Zaher, L. Rauch, A. Joly, "Hashing-Baseline: Rethinking Hashing in the Age of
Pretrained Models", 2025: what any trained hash on a frozen embedding must beat. Follows
github.com/ilyassmoummad/hashing-baseline, image/pca.py @b5ed55c, but for two things: embeddings are
normalised first, as for all codes here, and the axes are exact (there a randomised PCA). It is what
`itq` starts from (`rounds=0`), under its own name and paper.
"""

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class PCASign(hq.Method):
    """sign((x - mean) W R) of unit embeddings x: W from PCA, R orthogonal, drawn from the seed."""

    name = "pca_sign"
    display = hq.Name("PCA-sign of the float embedding", short="PCA-sign (float emb.)")
    family = hq.Binary()
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="Hashing-Baseline: Rethinking Hashing in the Age of Pretrained Models",
        authors="Ilyass Moummad, Kawtar Zaher, Lukas Rauch, Alexis Joly",
        venue="arXiv 2509.14427",
        year=2025,
        url="https://arxiv.org/abs/2509.14427",
    )

    def __init__(
        self, config: object, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        if budget.bits > in_features:
            limit = f"bits must be at most the embedding's size ({in_features})"
            raise hq.BudgetError(f"{limit}, got {budget.bits}")
        self.mean = nn.Buffer(torch.zeros(in_features))
        self.projection = nn.Buffer(torch.eye(in_features, budget.bits))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Learn mean and axes, and turn them once: ITQ's start, of which no round follows."""
        seed, unit = int(torch.randint(2**31 - 1, ())), normalize(features, dim=1)
        mean, projection = hq.learn_itq(unit, self.budget.bits, seed, rounds=0)
        self.mean.copy_(mean)
        self.projection.copy_(projection)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the turned projections whose signs are the bits."""
        return (normalize(features.float(), dim=1) - self.mean) @ self.projection
