"""DFH: a likelihood of pairs, and codes pulled to binary class centres that push one another.

Y. Li et al., "Push for Quantization: Deep Fisher Hashing", BMVC 2019. Follows
github.com/liyunqianggyn/Push-for-Quantization-Deep-Fisher-Hashing @43c62aa, its discrete centres:
b = sign(mu·c_y + u), and class by class c <- sign(sum of its b - vul·sum of the other centres).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import hashquant.api as hq


def signs(x: Tensor) -> Tensor:
    """Return ±1, -1 for zero."""
    return torch.where(x > 0, 1.0, -1.0).to(x.dtype)


class DFH(hq.Method):
    """Linear to q values; the centres are moved after each batch, without gradient."""

    name = "dfh"
    display = hq.Name("DFH", words={
        "against=bank": "with a memory bank", "weights=both": "balanced pairs"})  # fmt: skip
    family = hq.Binary()
    kind = "discrete"
    sampling = "balanced"
    paper_batch = 128
    reference = hq.Reference(
        title="Push for Quantization: Deep Fisher Hashing",
        authors="Yunqiang Li, Wenjie Pei, Yufei Zha, Jan van Gemert",
        venue="BMVC",
        year=2019,
        url="https://arxiv.org/abs/1909.00206",
    )

    @dataclass(frozen=True)
    class Config:
        """The released settings."""

        #: pairs within a batch | bank: of it with every image's last u
        against: Annotated[str, hq.OneOf("batch", "bank")] = "batch"
        #: of pairs | both: |S|/|S1| and |S|/|S0|
        weights: Annotated[str, hq.OneOf("none", "both")] = "none"
        margin: hq.NonNegative = 0.0  #: m, of <u_i, u_j> / 2, that pairs must keep; ports 1 and 3
        center_weight: hq.NonNegative = 1.0  #: mu, of a row's centre in its code; another port 0.1
        push_weight: hq.NonNegative = 1.0  #: vul, of the other centres in a centre
        quantization_weight: hq.NonNegative = 0.5  #: of mean (b - u)²

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.centers = nn.Buffer(torch.zeros(num_classes, budget.bits))  # 0: not met yet

    @property
    def hash_centers(self) -> Tensor:
        """The centre of each class, as signs."""
        return signs(self.centers)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return SGD, a tenth of the rate every 50 of 150 epochs."""
        return hq.Recipe(
            lr=0.01, momentum=0.9, weight_decay=5e-4, epochs=150, step_epochs=50.0, step_factor=0.1
        )

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return the last u of every image, and its label once it was seen."""
        if self.config.against == "batch":
            return {}
        return {
            "bank": hq.TensorSpec((images, self.budget.bits), torch.float16),
            "labels": hq.TensorSpec((images,), torch.int64, -1),
        }

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the likelihood of pairs and the pull to b; in training the centres move."""
        u, labels = embedding[: batch.known], batch.labels[: batch.known]
        rows = batch.indices[: batch.known]
        others, pairs = self._paired(u, labels, rows)  # Paper: an image is no pair with itself
        theta = u @ others.T / 2  # Paper: kept within -100 … 50, which softplus does not need
        # Without a margin both sides are log(1 + exp θ) - s·θ.
        cost = softplus(self.config.margin + torch.where(pairs.same, -theta, theta))
        b = signs(self.config.center_weight * self.centers[labels] + u.detach())
        if self.training:
            self._move_centers(b, labels)
        terms = {"pair": pairs.mean(cost, self.config.weights, per_weight=True)}
        if self.config.quantization_weight:
            terms["quantization"] = self.config.quantization_weight * (b - u).square().mean()
        return terms

    @torch.no_grad()
    def _move_centers(self, b: Tensor, labels: hq.Labels) -> None:
        """Take the batch's classes one after another; the sum over all centres is kept.

        Paper: classes that are not in the batch move too, each to -sign of all others: their bits
        would follow no image of theirs.
        """
        met = torch.unique(labels)
        sums = b.new_zeros(self.num_classes, b.shape[1]).index_add_(0, labels, b)[met]
        old, total = self.centers[met], self.centers.sum(dim=0)
        new = torch.empty_like(old)
        for row, (own, center) in enumerate(zip(sums, old, strict=True)):
            new[row] = signs(own - self.config.push_weight * (total - center))
            total = total - center + new[row]
        self.centers[met] = new

    def _paired(self, u: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, hq.Pairs]:
        """Return what u is paired with, and which pairs that gives: no image with itself."""
        if "bank" not in self.state:
            return u, hq.pairs_of(labels, labels, rows[:, None] == rows)
        bank, seen = self.state["bank"], self.state["labels"]
        bank[rows], seen[rows] = u.detach().to(bank.dtype), labels
        # Paper: an image that was not yet seen stands there as zeros, unlike everybody.
        own = rows[:, None] == torch.arange(len(seen), device=rows.device)
        return bank.to(u.dtype), hq.pairs_of(labels, seen, own)
