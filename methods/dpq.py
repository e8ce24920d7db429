"""DPQ: supervised product quantization with a soft and a hard path side by side.

B. Klein, L. Wolf, "End-To-End Supervised Product Quantization for Image Search and Retrieval",
CVPR 2019. Both paths share one classifier and one centre a class; two Gini terms ask for sharp
assignments and evenly used codewords. Shapes and weights follow the port in OPQN's repository.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

import hashquant.api as hq

#: start → powers of the sub-vector size d that scale N(0, 1) for projections and codewords.
#: "port" is the port's; "unit" shortens the codewords to about 1, "linear" the projections too.
STARTS = {"linear": (-0.5, -0.5), "unit": (0.0, -0.5), "port": (0.0, 0.0)}


class DPQ(hq.Method):
    """Projections, codebooks, a classifier without bias and class centres."""

    name = "dpq"
    display = hq.Name(
        "DPQ",
        words={
            "central_weight": "central loss weighted {}",
            "straight_through=False": "without straight-through gradient",
            "init": "start {}",
        },
    )
    family = hq.ProductQuantized(larger_is_closer=False)
    reference = hq.Reference(
        title="End-To-End Supervised Product Quantization for Image Search and Retrieval",
        authors="Benjamin Klein, Lior Wolf",
        venue="CVPR",
        year=2019,
        url="https://arxiv.org/abs/1711.08589",
    )

    @dataclass(frozen=True)
    class Config:
        """The port's weights but the first; the paper's own could not be checked."""

        #: alpha, of the joint central loss; the port's 0.25 lets it outweigh the classification
        central_weight: hq.NonNegative = 0.05
        gini_batch_weight: hq.NonNegative = 1.0  #: beta1, small when codewords are used evenly
        gini_sample_weight: hq.NonNegative = 0.01  #: beta2, small when p is one-hot
        straight_through: bool = True  #: the hard path passes gradient to p (false: as the port)
        init: Annotated[str, hq.OneOf(*STARTS)] = "linear"  #: spread of projections, codewords

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        books, words = budget.subspaces, budget.codewords
        if in_features % books:
            raise hq.BudgetError(f"features must be a multiple of {books} books, got {in_features}")
        size = in_features // books
        spread, length = (size**power for power in STARTS[config.init])
        # Paper: a sub-vector may differ in size from its codewords; the port makes them equal.
        # From N(0, 1) the logits spread by d^1/2 = 11 at 128: p is one-hot before the first step.
        self.projection = nn.Parameter(spread * torch.randn(books, size, words))
        # From N(0, 1) the central loss, a sum over all features, starts ten times as large as the
        # classification loss and drives all items to the same few codewords.
        self.codewords = nn.Parameter(length * torch.randn(books, words, size))
        self.classifier = nn.Linear(in_features, num_classes, bias=False)
        self.centers = nn.Parameter(torch.empty(num_classes, in_features))
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.xavier_uniform_(self.centers)

    @classmethod
    def feature_size(cls, config: Config, budget: hq.CodeBudget, default: int) -> int:
        """Return the suite's size, rounded up to a multiple of M."""
        return -(-default // budget.subspaces) * budget.subspaces

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the port's schedule for 32-pixel faces: SGD, halved every 35 of 160 epochs."""
        # Paper: the port's rate, 0.01, goes with codewords ten times as long; this is OPQN's.
        return hq.Recipe(lr=0.1, momentum=0.9, weight_decay=5e-4, epochs=160, step_epochs=35.0)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the trunk's output: its sub-vectors are what is quantized."""
        return features.float()

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return L_cls + alpha·L_JCL + beta1·G_batch + beta2·G_sample by term."""
        labels = batch.labels[: batch.known]
        p = self._logits(embedding[: batch.known]).softmax(dim=2)
        choice = one_hot(p.argmax(dim=2), p.shape[2]).to(p.dtype)
        if self.config.straight_through:
            choice = choice + p - p.detach()
        paths = (self._mix(p), self._mix(choice))  # soft, hard
        classify = sum(cross_entropy(self.classifier(path), labels) for path in paths)
        own = self.centers[labels]
        central = sum((path - own).square().sum(dim=1).mean() / 2 for path in paths)
        return {
            "class": torch.as_tensor(classify),
            "central": torch.as_tensor(self.config.central_weight * central),
            "gini_batch": self.config.gini_batch_weight * p.mean(dim=0).square().sum(),
            "gini_sample": -self.config.gini_sample_weight * p.square().sum(dim=(1, 2)).mean(),
        }

    def codebooks(self) -> hq.Codebooks:
        """Return the trained codewords."""
        return self.codewords

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the arg-max of the projections, not the nearest codeword."""
        return self._logits(embedding).argmax(dim=2)

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return squared distances from the query's soft codes to all codewords."""
        soft = self._mix(self._logits(embedding).softmax(dim=2))
        parts = soft.reshape(len(soft), self.budget.subspaces, -1).transpose(0, 1)  # (m, q, s)
        # A sharp soft code lies on its codeword: the expanded square would cancel there.
        direct = "donot_use_mm_for_euclid_dist"
        return torch.cdist(parts, self.codewords, compute_mode=direct).square().transpose(0, 1)

    def _logits(self, embedding: hq.Embedding) -> Tensor:
        parts = embedding.reshape(len(embedding), self.budget.subspaces, -1)  # (n, m, s)
        return torch.einsum("nms,msk->nmk", parts, self.projection)

    def _mix(self, weights: Tensor) -> Tensor:
        return torch.einsum("nmk,mks->nms", weights, self.codewords).flatten(1)  # (n, d)
