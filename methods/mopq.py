"""MoPQ: a raw query finds the codes of its class among those of a batch, as a classification.

S. Xiao, Z. Liu, Y. Shao, D. Lian, X. Xie, "Matching-oriented Embedding Quantization For Ad-hoc
Retrieval", EMNLP 2021. Follows github.com/microsoft/MoPQ @30da113: cross entropy of <q, k> and of
<q, k^>, k^ the word of softmax(-|k_m - c_mk|²) that is chosen, with a straight-through gradient.
There a query has one key; here every other image of its class is one, in a denominator of its own
that holds the images of other classes, and embeddings are of unit length, times a scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot, softplus

import hashquant.api as hq


class MoPQ(hq.Method):
    """Linear to an embedding of unit length, and trained codebooks."""

    name = "mopq"
    display = hq.Name("MoPQ", words={
        "assignment=ip": "words by inner product", "normalise=False": "of any length",
        "start": "words started {}"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "pairs"
    sampling = "balanced"
    paper_batch = 500
    reference = hq.Reference(
        title="Matching-oriented Embedding Quantization For Ad-hoc Retrieval",
        authors="Shitao Xiao, Zheng Liu, Yingxia Shao, Defu Lian, Xing Xie",
        venue="EMNLP",
        year=2021,
        url="https://aclanthology.org/2021.emnlp-main.640",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings; it has no scale, for its embeddings have any length."""

        scale: hq.Positive = 16.0  #: of inner products in the cross entropy; 1 with normalise=false
        normalise: bool = True  #: the embedding has unit length (the code: false)
        reconstruction_weight: hq.NonNegative = 1e-8  #: of the mean |k - k^|²
        #: a word is chosen by squared distance | inner product
        assignment: Annotated[str, hq.OneOf("l2", "ip")] = "l2"
        size: hq.Count = 128  #: D, values of the embedding, rounded up to a multiple of M
        #: words: uniform within ±1/sqrt d (the code: ±1) | k-means of the first embeddings
        start: Annotated[str, hq.OneOf("uniform", "kmeans")] = "uniform"
        trunk_rate: hq.Positive = 1.0  #: times the head's rate; 0.1 for a trained trunk

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(config.size, budget.subspaces)
        self.project = nn.Linear(in_features, size)
        part = size // budget.subspaces
        words = 2 * torch.rand(budget.subspaces, budget.codewords, part) - 1
        self.words = nn.Parameter(words / part**0.5)

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The trunk's own rate, where it has one."""
        return {} if self.config.trunk_rate == 1 else {"trunk": self.config.trunk_rate}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Adam at a constant rate."""
        # Paper: epochs of its text sets; these are DPQ's.
        return hq.Recipe(optimizer="adam", lr=1e-3, weight_decay=0.0, epochs=160, step_factor=1.0)

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them before the first step, to start from k-means."""
        return epoch == 0 and self.config.start == "kmeans"

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Start the words from k-means; from fewer images than words they stay as drawn."""
        if len(embedding) >= self.budget.codewords:
            seed = int(torch.randint(2**31 - 1, ()))
            m, k = self.budget.subspaces, self.budget.codewords
            self.words.copy_(hq.learn_pq(embedding, m, k, seed))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z, query and key alike."""
        z: Tensor = self.project(features.float())
        return normalize(z, dim=1) if self.config.normalise else z

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the matching of raw with raw, of raw with coded, and the reconstruction."""
        z, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        coded = self._coded(z)
        terms = {"float": self._matching(z, z, pairs), "coded": self._matching(z, coded, pairs)}
        if self.config.reconstruction_weight:
            square = (z - coded).square().sum(dim=1).mean()
            terms["reconstruction"] = self.config.reconstruction_weight * square
        return terms

    def codebooks(self) -> hq.Codebooks:
        """Return the trained words."""
        return self.words

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the word that training would choose."""
        return self._closeness(embedding).argmax(dim=2)

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the inner products of raw sub-vectors with all words."""
        return torch.einsum("qms,mks->qmk", self._parts(embedding), self.words)

    def _parts(self, embedding: hq.Embedding) -> Tensor:
        return embedding.reshape(len(embedding), self.budget.subspaces, -1)  # (n, m, s)

    def _closeness(self, embedding: hq.Embedding) -> Tensor:
        """Return -|z_m - c_mk|² but for |z_m|², or <z_m, c_mk>: the words are taken as given."""
        words = self.words.detach()
        inner = torch.einsum("nms,mks->nmk", self._parts(embedding), words)
        return 2 * inner - words.square().sum(dim=2) if self.config.assignment == "l2" else inner

    def _coded(self, z: Tensor) -> Tensor:
        # Paper: the softmax moves all words a little; here z and the word that is chosen alone.
        p = self._closeness(z).softmax(dim=2)
        choice = one_hot(p.argmax(dim=2), p.shape[2]).to(p.dtype) + p - p.detach()
        return torch.einsum("nmk,mks->nms", choice, self.words).flatten(1)

    def _matching(self, query: Tensor, key: Tensor, pairs: hq.Pairs) -> hq.Scalar:
        """Return the mean over pairs of one class of log(1 + sum of e^(others - own))."""
        logits = self.config.scale * query @ key.T
        # Finite: the gradient of a logsumexp of nothing would be none.
        none = torch.finfo(logits.dtype).min / 4
        others = torch.where(pairs.other, logits, none).logsumexp(dim=1, keepdim=True)
        cost = softplus(others - logits)
        return (cost * pairs.same).sum() / pairs.same.sum().clamp_min(1)
