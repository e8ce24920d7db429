"""Distill-VQ: codes of a frozen embedding learn to rank as the embedding itself does.

S. Xiao, Z. Liu, W. Han, J. Zhang, D. Lian, Y. Gong, Q. Chen, F. Yang, H. Sun, Y. Shao, X. Xie,
"Distill-VQ: Learning Retrieval Oriented Vector Quantization By Distilling Knowledge from Dense
Embeddings", SIGIR 2022. Follows github.com/staoxiao/LibVQ @ad65c28 ("distill"): the cross entropy
of softmax(<q, x^>) over a query's candidates from softmax(<q, x>), x^ the words that
softmax(-|x_m - c_mk|²) chooses, with a straight-through gradient; OPQ is the start. There a query
is another text than its candidates; here images of a batch ask each other.
Labels are not used: unlabelled images are learned from as all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

import hashquant.api as hq


class DistillVQ(hq.Method):
    """OPQ of unit embeddings, whose words and rotation are trained on."""

    name = "distillvq"
    display = hq.Name("Distill-VQ on the float embedding", short="Distill-VQ (float emb.)", words={
        "rotation_rate=0.0": "rotation kept", "rounds": "{} rounds",
        "candidates": "{} candidates"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "fitted"
    base = "float"
    reference = hq.Reference(
        title="Distill-VQ: Learning Retrieval Oriented Vector Quantization By Distilling "
        "Knowledge from Dense Embeddings",
        authors="Shitao Xiao, Zheng Liu, Weihao Han, Jianjin Zhang, Defu Lian, Yeyun Gong, "
        "Qi Chen, Fan Yang, Hao Sun, Yingxia Shao, Xing Xie",
        venue="SIGIR",
        year=2022,
        url="https://arxiv.org/abs/2204.00185",
    )

    @dataclass(frozen=True)
    class Config:
        """What is compared, and the start."""

        #: images of the batch that a query is compared with: those that the embedding finds first
        candidates: hq.Count = 64
        temperature: hq.Positive = 0.05  #: divides cosines (the code: 1, of vectors of any length)
        rotation_rate: hq.NonNegative = 0.1  #: the rotation's, times the words'; 0: stays OPQ's
        rounds: hq.Count = 10  #: of OPQ: rotations found, each after 4 steps of k-means

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(in_features, budget.subspaces)
        shape = budget.subspaces, budget.codewords, size // budget.subspaces
        self.rotation = nn.Parameter(torch.eye(in_features, size), config.rotation_rate > 0)
        self.words = nn.Parameter(torch.randn(shape) / size**0.5)

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The rotation's own rate, where it is trained."""
        rate = self.config.rotation_rate
        return {"rotation": rate} if rate not in (0, 1) else {}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return AdamW at a constant rate."""
        # Paper: 5 epochs of its text sets.
        return hq.Recipe(optimizer="adamw", lr=1e-4, weight_decay=0.01, step_factor=1.0)

    @torch.no_grad()
    def initialise(self, training: hq.TrainingSet) -> None:
        """Start from OPQ, seeded by torch's; from fewer images than words they stay as drawn."""
        m, k = self.budget.subspaces, self.budget.codewords
        if training.embeddings is None or len(training.embeddings) < k:
            return
        unit, seed = normalize(training.embeddings, dim=1), int(torch.randint(2**31 - 1, ()))
        rotation, books = hq.learn_opq(unit, m, k, seed, rounds=self.config.rounds)
        self.rotation.copy_(rotation)
        self.words.copy_(books)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return unit embeddings times the rotation, of a size that M divides."""
        return normalize(features.float(), dim=1) @ self.rotation

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean cross entropy of a query's scores with codes from those with vectors."""
        unit = normalize(batch.features.to(embedding.dtype), dim=1)
        count = min(self.config.candidates, len(unit) - 1)
        if count < 1:  # an image alone has nothing to be compared with
            return {"distill": 0 * self._coded(embedding).sum()}
        own = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
        taught = (unit @ unit.T / self.config.temperature).masked_fill(own, -torch.inf)
        wanted, found = taught.topk(count, dim=1)
        scores = embedding @ self._coded(embedding).T / self.config.temperature
        cost = -wanted.softmax(dim=1) * scores.gather(1, found).log_softmax(dim=1)
        return {"distill": cost.sum(dim=1).mean()}

    def codebooks(self) -> hq.Codebooks:
        """Return the trained words; a code is the nearest ones."""
        return self.words

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the inner products of sub-vectors, not quantized, with all words."""
        return torch.einsum("qms,mks->qmk", self._parts(embedding), self.words)

    def _parts(self, embedding: Tensor) -> Tensor:
        return embedding.reshape(len(embedding), self.budget.subspaces, -1)  # (n, m, s)

    def _coded(self, embedding: Tensor) -> Tensor:
        """Return the nearest words; the gradient of their choice reaches all words and x."""
        inner = torch.einsum("nms,mks->nmk", self._parts(embedding), self.words)
        # |x_m|² is the same for all words.
        p = (2 * inner - self.words.square().sum(dim=2)).softmax(dim=2)
        choice = one_hot(p.argmax(dim=2), p.shape[2]).to(p.dtype) + p - p.detach()
        return torch.einsum("nmk,mks->nms", choice, self.words).flatten(1)
