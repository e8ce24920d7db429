"""DQN: cosines of pairs drawn to ±1, and k-means words that embeddings are drawn to in turn.

Y. Cao, M. Long, J. Wang, H. Zhu, Q. Wen, "Deep Quantization Network for Efficient Image Retrieval",
AAAI 2016. Follows github.com/thulab/DeepHash @9907613 of the same group: (s - cos)² of all pairs,
lambda |z - z^|², and k-means of every sub-vector anew every two epochs; an update of words that
codes are mixed of is defined there and never called, so that its codes are those of PQ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class DQN(hq.Method):
    """Linear to tanh; words are a buffer that k-means fills from all training images."""

    name = "dqn"
    display = hq.Name("DQN", words={
        "weights=both": "balanced pairs", "weights=positives": "weighted pairs",
        "quantization_weight=0.0": "without the quantization term"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "pairs"
    sampling = "balanced"
    reference = hq.Reference(
        title="Deep Quantization Network for Efficient Image Retrieval",
        authors="Yue Cao, Mingsheng Long, Jianmin Wang, Han Zhu, Qingfu Wen",
        venue="AAAI",
        year=2016,
        url="https://github.com/thulab/DeepHash",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings."""

        quantization_weight: hq.NonNegative = 1e-4  #: lambda, of the mean |z - z^|²
        size: hq.Count = 300  #: D, values of the embedding, rounded up to a multiple of M
        refit_epochs: hq.Count = 2  #: epochs from one k-means to the next; one is before the last
        #: of pairs; with many classes nearly all are of two, and cosines of -1 to all not possible
        weights: Annotated[str, hq.OneOf(*hq.PAIR_WEIGHTS)] = "none"
        head_rate: hq.Positive = 1.0  #: times the trunk's rate; the code's 10 for a trained trunk

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(config.size, budget.subspaces)
        self.project = nn.Linear(in_features, size)
        shape = budget.subspaces, budget.codewords, size // budget.subspaces
        self.words = nn.Buffer(torch.randn(shape).tanh())
        self.fitted = nn.Buffer(torch.tensor(False))

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The head's own rate, where it has one."""
        return {} if self.config.head_rate == 1 else {"project": self.config.head_rate}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return SGD, half the rate every tenth of the run."""
        # Paper: half every 500 of 5,000 steps; the length is DPQ's, and all rates are scaled alike
        # (the code: 10 times as high for the last layer, 20 for its bias).
        return hq.Recipe(lr=2e-3, momentum=0.9, weight_decay=5e-4, epochs=160, step_epochs=16.0)

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them every two epochs from the first on, and before the last."""
        # Paper: first after two epochs. The last one's codes are then of words an epoch old.
        return epoch % self.config.refit_epochs == 0 or epoch == epochs - 1

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Cluster every sub-vector; from fewer images than words they stay as they are."""
        if len(embedding) >= self.budget.codewords:
            seed = int(torch.randint(2**31 - 1, ()))
            m, k = self.budget.subspaces, self.budget.codewords
            self.words.copy_(hq.learn_pq(embedding, m, k, seed))
            self.fitted.fill_(True)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z = tanh of a linear layer."""
        return torch.tanh(self.project(features.float()))

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean (s - cos)² over pairs and lambda |z - z^|², once there are words."""
        z, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        unit = normalize(z, dim=1)
        sign = pairs.same.to(z.dtype) - pairs.other.to(z.dtype)
        # Paper: an image is a pair with itself there, at no cost.
        terms = {"pair": pairs.mean((sign - unit @ unit.T).square(), self.config.weights)}
        if self.config.quantization_weight:
            books = torch.arange(len(self.words), device=z.device)
            coded = self.words[books, self.assign(z)].flatten(1)
            square = self.fitted * (z - coded).square().sum(dim=1).mean()
            terms["quantization"] = self.config.quantization_weight * square
        return terms

    def codebooks(self) -> hq.Codebooks:
        """Return the words of the last k-means; a code is the nearest ones."""
        return self.words

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the inner products of raw sub-vectors with all words."""
        # Paper: squared distances; the code's inner products are kept.
        parts = embedding.reshape(len(embedding), self.budget.subspaces, -1)
        return torch.einsum("qms,mks->qmk", parts, self.words)
