"""SUBIC: a block softmax whose blocks are driven to one word each, all words alike in use.

H. Jain, J. Zepeda, P. Pérez, R. Gribonval, "SUBIC: A Supervised, Structured Binary Code for Image
Search", ICCV 2017. Loss and search follow github.com/technicolor-research/subic @f03a8af: a code
is one word of K in each of M blocks, and a query is compared by its logits, not by its code. There
only the last two layers are trained, on a network that was trained before; here all are. Its scores
are interpolated average precisions, which lie above the average precision of this suite.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import hashquant.api as hq

START = 0.1  # standard deviation of all weights before training; biases are 0


class SUBIC(hq.Method):
    """Linear to M·K logits, a softmax a block, and a linear classifier on all of it."""

    name = "subic"
    display = hq.Name("SUBIC", words={
        "relu=True": "with ReLU", "entropy_weight=0.0": "without the entropy term",
        "usage_weight=0.0": "without the usage term"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    approximates = False  # a word is a choice: its unit vector is near no logits
    kind = "classification"
    paper_batch = 200
    reference = hq.Reference(
        title="SUBIC: A Supervised, Structured Binary Code for Image Search",
        authors="Himalaya Jain, Joaquin Zepeda, Patrick Pérez, Rémi Gribonval",
        venue="ICCV",
        year=2017,
        url="https://arxiv.org/abs/1708.02932",
    )

    @dataclass(frozen=True)
    class Config:
        """The paper's weights."""

        entropy_weight: hq.NonNegative = 1.0  #: gamma, small when each block is one-hot
        usage_weight: hq.NonNegative = 1.0  #: mu, small when a batch uses all words alike
        #: before the softmax, as the code, where a block of zeros alone gets the code 0
        relu: bool = False

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = budget.subspaces * budget.codewords
        self.encode_blocks = nn.Linear(in_features, size)
        self.classifier = nn.Linear(size, num_classes)
        for layer in (self.encode_blocks, self.classifier):
            nn.init.normal_(layer.weight, std=START)
            nn.init.zeros_(layer.bias)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Adam at a constant rate."""
        # Paper: 5,000 steps of 200 images; the epochs here are those of DPQ, its descendant.
        return hq.Recipe(optimizer="adam", lr=1e-4, weight_decay=0.0, epochs=160, step_factor=1.0)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h, the logits of all blocks side by side."""
        # Paper: rectified; then a block that is dead for an image is coded as if it chose word 0.
        h: Tensor = self.encode_blocks(features.float())
        return h.relu() if self.config.relu else h

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return CE / ln C + gamma·mean H(p) - mu·H(mean p); a term of weight 0 is left out."""
        labels = batch.labels[: batch.known]
        log_p = self._blocks(embedding[: batch.known]).log_softmax(dim=2)  # (n, m, k)
        p, config = log_p.exp(), self.config
        classify = cross_entropy(self.classifier(p.flatten(1)), labels)
        terms = {"class": classify / math.log(max(self.num_classes, 2))}
        most = self.budget.subspaces * math.log(self.budget.codewords)  # of M blocks, in nats
        if config.entropy_weight:
            entropy = -(p * log_p).sum(dim=(1, 2)).mean()
            terms["entropy"] = config.entropy_weight / most * entropy
        if config.usage_weight:
            log_mean = log_p.logsumexp(dim=0) - math.log(len(p))  # no logarithm of a rounded 0
            terms["usage"] = config.usage_weight / most * (log_mean.exp() * log_mean).sum()
        return terms

    @property
    def codebook_bytes(self) -> int:
        """Bytes of stored words: none, for they are unit vectors."""
        return 0

    def codebooks(self) -> hq.Codebooks:
        """Return the words, the unit vectors of each block."""
        books, words = self.budget.subspaces, self.budget.codewords
        one = torch.eye(words, device=self.encode_blocks.weight.device)
        return one.expand(books, words, words)

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the arg-max of each block, the lowest of equal ones."""
        return self._blocks(embedding).argmax(dim=2)

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return h itself: an item's score is the sum of the query's logits at the item's words.

        Between two codes (SDC) the score is the number of blocks in which they agree.
        """
        return self._blocks(embedding)

    def _blocks(self, embedding: hq.Embedding) -> Tensor:
        return embedding.reshape(len(embedding), self.budget.subspaces, self.budget.codewords)
