"""PQ: contiguous sub-vectors of the float embedding, each at its nearest k-means codeword.

Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 2011, compared by
the squared distances of a real query to codewords (ADC); labels are not used.
"""

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class PQ(hq.Method):
    """Codebooks of unit embeddings, learned by faiss; assignment and tables are the defaults."""

    name = "pq"
    display = hq.Name("PQ of the float embedding", short="PQ (float emb.)")
    family = hq.ProductQuantized(larger_is_closer=False)
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="Product Quantization for Nearest Neighbor Search",
        authors="Hervé Jégou, Matthijs Douze, Cordelia Schmid",
        venue="IEEE Transactions on Pattern Analysis and Machine Intelligence 33(1)",
        year=2011,
        url="https://doi.org/10.1109/TPAMI.2010.57",
    )

    def __init__(
        self, config: object, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(in_features, budget.subspaces) // budget.subspaces
        self.words = nn.Buffer(torch.zeros(budget.subspaces, budget.codewords, size))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Cluster each sub-vector in 25 steps; first codewords are drawn from torch's generator."""
        seed, unit = int(torch.randint(2**31 - 1, ())), normalize(features, dim=1)
        books = hq.learn_pq(unit, self.budget.subspaces, self.budget.codewords, seed)
        self.words.copy_(books)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return unit embeddings, with zero columns where M does not divide their size.

        They are normalised since their baseline compares them by cosine: between unit vectors
        the squared distance is 2 - 2 cos.
        """
        return hq.pad_columns(normalize(features.float(), dim=1), self.budget.subspaces)

    def codebooks(self) -> hq.Codebooks:
        """Return the learned codewords."""
        return self.words
