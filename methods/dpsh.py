"""DPSH: the likelihood of pairs on real values, within a batch or against all training images.

W.-J. Li, S. Wang, W.-C. Kang, IJCAI 2016. The loss of github.com/jiangqy/DPSH-pytorch @6cc45b2 with
three differences: no pair of an image with itself, no image that was not yet seen (there it stands
as zeros), and a quantisation term that is a mean.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import hashquant.api as hq


class DPSH(hq.Method):
    """Linear to q bits."""

    name = "dpsh"
    display = hq.Name("DPSH", words={"against=bank": "with a memory bank"})
    family = hq.Binary()
    kind = "pairs"
    sampling = "balanced"
    paper_batch = 128
    reference = hq.Reference(
        title="Feature Learning based Deep Supervised Hashing with Pairwise Labels",
        authors="Wu-Jun Li, Sheng Wang, Wang-Cheng Kang",
        venue="IJCAI",
        year=2016,
        url="https://arxiv.org/abs/1511.03855",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings, in means."""

        #: pairs within a batch | bank: of it with every image's last u
        against: Annotated[str, hq.OneOf("batch", "bank")] = "batch"
        #: none | both: |S|/|S1| and |S|/|S0| (FIRe's port) | positives
        weights: Annotated[str, hq.OneOf("none", "positives", "both")] = "none"
        #: eta, of the mean (|u| - 1)² over images and bits, FIRe's; the code's 10 (or 50) over n
        #: images is 0.096 (or 0.48) of it at n = 5,000 and 48 bits
        quantization: hq.NonNegative = 0.1

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return SGD without momentum, a tenth every 50 of 150 epochs."""
        return hq.Recipe(lr=0.05, momentum=0.0, weight_decay=1e-5, epochs=150, step_epochs=50.0,
                         step_factor=0.1)  # fmt: skip

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return the bank: the last u of every image, and its label once it was seen."""
        if self.config.against == "batch":
            return {}
        return {
            "bank": hq.TensorSpec((images, self.budget.bits), torch.float16),
            "labels": hq.TensorSpec((images,), torch.int64, -1),
        }

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        u: Tensor = self.hash(features.float())
        return u

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean of log(1 + exp(theta)) - s·theta, theta = <u_i, u_j> / 2, and eta·Q."""
        u = embedding[: batch.known]
        others, pairs = self._paired(u, batch)
        theta = u @ others.T / 2
        cost = softplus(theta) - pairs.same * theta
        terms = {"pair": pairs.mean(cost, self.config.weights)}
        if self.config.quantization:  # |u - sign u| = ||u| - 1|
            terms["quantization"] = self.config.quantization * (u.abs() - 1).square().mean()
        return terms

    def _paired(self, u: Tensor, batch: hq.Batch) -> tuple[Tensor, hq.Pairs]:
        """Return what the batch is compared with, and which pairs that gives."""
        if self.config.against == "batch":
            return u, hq.batch_pairs(batch)
        rows, labels = batch.indices[: batch.known], batch.labels[: batch.known]
        bank, seen = self.state["bank"], self.state["labels"]
        bank[rows], seen[rows] = u.detach().to(bank.dtype), labels
        own = rows[:, None] == torch.arange(len(seen), device=rows.device)
        return bank.to(u.dtype), hq.pairs_of(labels, seen, own)
