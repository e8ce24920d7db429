"""PQN: soft codes nearer to an anchor of their class than those of other classes.

T. Yu, J. Yuan, C. Fang, H. Jin, "Product Quantization Network for Fast Image Retrieval", ECCV 2018.
The asymmetric triplet loss 1 / (1 + exp(<z_a, s_p> - <z_a, s_n>)) of a raw anchor z_a and soft
codes s_m = sum_k softmax_k(alpha <z_m, c_mk>) c_mk, sub-vectors and words of unit length. No code
was published; the constants are those that digests of the paper report.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq


class PQN(hq.Method):
    """Linear to M sub-vectors of unit length, and codebooks of unit words."""

    name = "pqn"
    display = hq.Name("PQN", words={"start": "words started {}", "size": "sub-vectors of {}"})
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "triplets"
    sampling = "balanced"
    reference = hq.Reference(
        title="Product Quantization Network for Fast Image Retrieval",
        authors="Tan Yu, Junsong Yuan, Chen Fang, Hailin Jin",
        venue="ECCV",
        year=2018,
        url="https://openaccess.thecvf.com/content_ECCV_2018/html/Tan_Yu_Product_Quantization_Network_ECCV_2018_paper.html",
    )

    @dataclass(frozen=True)
    class Config:
        """Settings that are told of the paper."""

        #: alpha, of cosines (10 of squared distances is the same); above 20 gradients may vanish
        alpha: hq.Positive = 20.0
        size: hq.Count = 64  #: d, values of a sub-vector
        #: words: k-means of the embeddings before the first step | drawn
        start: Annotated[str, hq.OneOf("kmeans", "drawn")] = "kmeans"

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.project = nn.Linear(in_features, budget.subspaces * config.size)
        words = torch.randn(budget.subspaces, budget.codewords, config.size)
        self.words = nn.Parameter(normalize(words, dim=2))

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule of this suite's SGD."""
        # Paper: it was not found; this is OPQN's, which trains the same trunks.
        return hq.Recipe(lr=0.1, momentum=0.9, weight_decay=5e-4, epochs=200, step_epochs=35.0)

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them before the first step alone."""
        return epoch == 0 and self.config.start == "kmeans"

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Start the words from k-means; from fewer images than words they stay as drawn."""
        if len(embedding) >= self.budget.codewords:
            seed = int(torch.randint(2**31 - 1, ()))
            books = hq.learn_pq(embedding, self.budget.subspaces, self.budget.codewords, seed)
            self.words.copy_(normalize(books, dim=2))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the sub-vectors side by side, each of unit length (intra-normalisation)."""
        parts: Tensor = self.project(features.float())
        return normalize(parts.reshape(len(parts), -1, self.config.size), dim=2).flatten(1)

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean of sigmoid(<z_a, s_n> - <z_a, s_p>) over all triplets of the batch."""
        z, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        soft = (self.config.alpha * self.query_table(z)).softmax(dim=2)
        score = z @ torch.einsum("nmk,mks->nms", soft, self.codebooks()).flatten(1).T  # (a, i)
        anchor, positive = pairs.same.nonzero(as_tuple=True)  # few: K - 1 a row, not n
        cost = (score[anchor] - score[anchor, positive][:, None]).sigmoid()  # (pairs, n)
        negative = pairs.other[anchor]
        # Without a triplet both sums are 0, whose gradient is 0 and not absent.
        return {"triplet": (cost * negative).sum() / negative.sum().clamp_min(1)}

    def codebooks(self) -> hq.Codebooks:
        """Return the words, of unit length."""
        return normalize(self.words, dim=2)

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the word of the largest cosine."""
        return self.query_table(embedding).argmax(dim=2)

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the cosines of sub-vectors, not quantized, with all words."""
        parts = embedding.reshape(len(embedding), self.budget.subspaces, self.config.size)
        return torch.einsum("qms,mks->qmk", parts, self.codebooks())
