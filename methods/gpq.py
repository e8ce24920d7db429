"""GPQ: product quantization by cosine similarity, with an entropy game on unlabelled images.

Y. K. Jang, N. I. Cho, "Generalized Product Quantization Network for Semi-supervised Image
Retrieval", CVPR 2020. N-pair loss between sub-vectors and their soft codes, a prototype classifier,
and minimax subspace entropy by gradient reversal where labels are missing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

import hashquant.api as hq

SUB_VECTOR = 12  # the paper's sub-vector size d, with 16 codewords a book


def reverse_gradient(x: Tensor) -> Tensor:
    """Return `x` unchanged; its gradient changes sign on the way back.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> reverse_gradient(x).backward()
    >>> x.grad
    tensor(-1.)
    """
    return 2 * x.detach() - x


class GPQ(hq.Method):
    """A linear layer to unit sub-vectors, codebooks Z and class prototypes P."""

    name = "gpq"
    display = hq.Name("GPQ", words={
        "labels=100%": "", "labels": "{} of the labels", "proto_attention=False": "free codewords",
        "entropy_weight=0.0": "without the entropy term",
        "class_weight=0.0": "without the classification loss"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True, codewords=16)
    sampling = "balanced"
    reference = hq.Reference(
        title="Generalized Product Quantization Network for Semi-supervised Image Retrieval",
        authors="Young Kyun Jang, Nam Ik Cho",
        venue="CVPR",
        year=2020,
        url="https://arxiv.org/abs/2002.11281",
    )

    @dataclass(frozen=True)
    class Config:
        """The paper's settings, but for the label fraction: all labels are seen by default."""

        alpha: hq.Positive = 20.0  #: alpha, inverse temperature of both soft assignments
        beta: hq.Positive = 4.0  #: beta, squared scale of the class cosines
        entropy_weight: hq.NonNegative = 0.1  #: lambda1, of the minimax entropy without labels
        class_weight: hq.NonNegative = 0.1  #: lambda2, of the classification loss
        label_fraction: hq.SomeShare = 1.0  #: share of each class whose labels are seen
        proto_attention: bool = True  #: codewords are soft mixtures of prototypes, else unit Z

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = budget.subspaces * SUB_VECTOR
        self.project = nn.Linear(in_features, size)
        self.words = nn.Parameter(torch.empty(budget.codewords, size))
        self.prototypes = nn.Parameter(torch.empty(num_classes, size))
        nn.init.xavier_uniform_(self.words)
        nn.init.xavier_uniform_(self.prototypes)

    @property
    def label_fraction(self) -> float:
        """Share of each class whose labels are seen; the rest feeds the entropy game."""
        return float(self.config.label_fraction)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule for CIFAR-10: Adam, ×0.95 every 10 (100 steps) of 300 epochs."""
        return hq.Recipe(
            optimizer="adam",
            lr=2e-4,
            betas=(0.5, 0.999),
            weight_decay=0.0,
            epochs=300,
            step_epochs=10.0,
            step_factor=0.95,
        )

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the sub-vectors side by side, each of unit length (intra-normalisation)."""
        return self._unit(self.project(features.float())).flatten(1)

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the N-pair, classification and (with unlabelled rows) entropy terms."""
        x = embedding.reshape(len(embedding), self.budget.subspaces, SUB_VECTOR)
        seen, labels = x[: batch.known], batch.labels[: batch.known]
        classify = cross_entropy(self._class_logits(seen), labels)
        terms = {"n_pair": self._n_pair(seen, labels), "class": self.config.class_weight * classify}
        hidden = x[batch.known :]
        if len(hidden):
            p = self._class_logits(reverse_gradient(hidden)).softmax(dim=1)
            negative_entropy = (p * (p + 1e-5).log()).sum(dim=1).mean()
            terms["entropy"] = self.config.entropy_weight * negative_entropy
        return terms

    def codebooks(self) -> hq.Codebooks:
        """Return the unit codewords: the same ones in training and at retrieval."""
        # Paper: its demo searches with the raw variable Z, which training never quantizes with.
        words = self.words.reshape(len(self.words), self.budget.subspaces, SUB_VECTOR)
        words = words.transpose(0, 1)  # (m, k, s)
        if self.config.proto_attention:
            prototypes = self._unit(self.prototypes).transpose(0, 1)  # (m, c, s)
            # softmax(-alpha (1 - z·p)) = softmax(alpha z·p)
            attention = (self.config.alpha * words @ prototypes.transpose(1, 2)).softmax(dim=2)
            words = attention @ prototypes
        return normalize(words, dim=2)

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the codeword of the largest cosine."""
        return self.query_table(embedding).argmax(dim=2)

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the cosines of the query's sub-vectors, not quantized, with all codewords."""
        # Paper: it ranks by the sum of 1 - cosine, ascending: the same order.
        parts = embedding.reshape(len(embedding), self.budget.subspaces, SUB_VECTOR)
        return torch.einsum("qms,mks->qmk", parts, self.codebooks())

    def _unit(self, x: Tensor) -> Tensor:
        return normalize(x.reshape(len(x), self.budget.subspaces, SUB_VECTOR), dim=2)

    def _class_logits(self, x: Tensor) -> Tensor:
        cosine = torch.einsum("nms,cms->nc", x, self._unit(self.prototypes))
        logits: Tensor = self.config.beta**2 / self.budget.subspaces * cosine
        return logits

    def _n_pair(self, x: Tensor, labels: hq.Labels) -> hq.Scalar:
        books = self.codebooks()
        soft = (self.config.alpha * torch.einsum("nms,mks->nmk", x, books)).softmax(dim=2)
        quantized = normalize(torch.einsum("nmk,mks->nms", soft, books), dim=2)
        similar = torch.einsum("ims,jms->ij", x, quantized)  # sum of M cosines
        same = (labels[:, None] == labels).to(x.dtype)
        return cross_entropy(similar, same / same.sum(dim=1, keepdim=True))
