"""OPQ: product quantization of the float embedding in the rotation that loses the least.

Ge, He, Ke, Sun, "Optimized Product Quantization for Approximate Nearest Neighbor Search", CVPR
2013: the parametric solution (principal axes, balanced among the books) starts rounds of k-means
and of an orthogonal Procrustes problem; labels are not used.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class OPQ(hq.Method):
    """A rotation and codebooks of unit embeddings, learned by faiss."""

    name = "opq"
    display = hq.Name(
        "OPQ of the float embedding", short="OPQ (float emb.)", words={"rounds": "{} rounds"}
    )
    family = hq.ProductQuantized(larger_is_closer=False)
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="Optimized Product Quantization for Approximate Nearest Neighbor Search",
        authors="Tiezheng Ge, Kaiming He, Qifa Ke, Jian Sun",
        venue="CVPR",
        year=2013,
        url="https://doi.org/10.1109/CVPR.2013.379",
    )

    @dataclass(frozen=True)
    class Config:
        """The length of learning."""

        rounds: hq.Count = 10  #: rotations found, each after 4 steps of k-means (the first: 10)

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(in_features, budget.subspaces)
        length = size // budget.subspaces
        self.rotation = nn.Buffer(torch.eye(in_features, size))
        self.words = nn.Buffer(torch.zeros(budget.subspaces, budget.codewords, length))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Learn rotation and codebooks; first codewords are drawn from torch's generator."""
        seed, unit = int(torch.randint(2**31 - 1, ())), normalize(features, dim=1)
        rotation, books = hq.learn_opq(
            unit, self.budget.subspaces, self.budget.codewords, seed, rounds=self.config.rounds
        )
        self.rotation.copy_(rotation)
        self.words.copy_(books)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return rotated unit embeddings, of a size that M divides.

        They are normalised since their baseline compares them by cosine: between unit vectors
        the squared distance is 2 - 2 cos.
        """
        return normalize(features.float(), dim=1) @ self.rotation

    def codebooks(self) -> hq.Codebooks:
        """Return the learned codewords."""
        return self.words
