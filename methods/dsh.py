"""DSH: squared distances of pairs, those of two classes pushed beyond a margin, and |h| near 1.

H. Liu, R. Wang, S. Shan, X. Chen, CVPR 2016. The loss of the authors'
github.com/lhmRyan/deep-supervised-hashing-DSH @631901f: half the mean over pairs, and a regulariser
an image.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

import hashquant.api as hq


class DSH(hq.Method):
    """Linear to q bits."""

    name = "dsh"
    display = hq.Name("DSH")
    family = hq.Binary()
    kind = "pairs"
    # Paper: ten classes a batch of 200 images; batches here are smaller, and classes many.
    sampling = "balanced"
    paper_batch = 200
    reference = hq.Reference(
        title="Deep Supervised Hashing for Fast Image Retrieval",
        authors="Haomiao Liu, Ruiping Wang, Shiguang Shan, Xilin Chen",
        venue="CVPR",
        year=2016,
        url="https://www.cv-foundation.org/openaccess/content_cvpr_2016/papers/"
        "Liu_Deep_Supervised_Hashing_CVPR_2016_paper.pdf",
    )

    @dataclass(frozen=True)
    class Config:
        """The authors' settings."""

        margin: hq.Positive = 2.0  #: m / q, of squared distances: what random codes of ±1 have
        regularization: hq.NonNegative = 0.01  #: alpha, of | |h| - 1 | summed over bits (port: 0.1)
        #: none | positives: |S|/|S1| | both: |S|/|S1| and |S|/|S0|
        weights: Annotated[str, hq.OneOf("none", "positives", "both")] = "none"

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the released solver's: SGD, a tenth at 60,000 and 65,000 of 70,000 iterations."""
        # 250 iterations of 200 images are an epoch of CIFAR-10's 50,000.
        return hq.Recipe(lr=1e-3, momentum=0.9, weight_decay=4e-3, epochs=280, decay="milestones",
                         milestones=(240.0, 260.0), step_factor=0.1)  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h, real values whose signs are the bits."""
        h: Tensor = self.hash(features.float())
        return h

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return half the mean of s·d² + (1 - s)·max(m - d², 0), and alpha·R."""
        h, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        squares = h.square().sum(dim=1)
        d2 = squares[:, None] + squares - 2 * (h @ h.T)
        margin = self.config.margin * self.budget.bits
        cost = torch.where(pairs.same, d2, (margin - d2).relu())
        terms = {"pair": pairs.mean(cost, self.config.weights) / 2}
        if self.config.regularization:
            gap = (h.abs() - 1).abs().sum(dim=1).mean()
            terms["binary"] = self.config.regularization * gap
        return terms
