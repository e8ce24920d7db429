"""DCH: pairs fitted by a Cauchy distribution of their distance, for search within small radii.

Y. Cao, M. Long, B. Liu, J. Wang, CVPR 2018. The loss of github.com/thulab/DeepHash @9907613,
model/dch/dch.py: squared distances (until 1453a7c the file held a logistic loss). The port's form
(swuxyj/DeepHash-pytorch @ab14068) is distance=cosine, weights=both, quantization=0.1 by cauchy; on
codes of ±1 its distance is the Hamming distance, a quarter of the other, below the same gamma.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq

OFFSET = 0.001  #: added to a distance, so that two of the same code have a finite cost


class DCH(hq.Method):
    """Linear and tanh to q bits."""

    name = "dch"
    display = hq.Name("DCH", words={"distance": "{} distance"})
    family = hq.Binary()
    kind = "pairs"
    sampling = "balanced"
    paper_batch = 128
    reference = hq.Reference(
        title="Deep Cauchy Hashing for Hamming Space Retrieval",
        authors="Yue Cao, Mingsheng Long, Bin Liu, Jianmin Wang",
        venue="CVPR",
        year=2018,
        url="https://openaccess.thecvf.com/content_cvpr_2018/html/"
        "Cao_Deep_Cauchy_Hashing_CVPR_2018_paper.html",
    )

    @dataclass(frozen=True)
    class Config:
        """The settings of the authors' script."""

        gamma: hq.Positive = 20.0  #: scale of the Cauchy distribution, in units of the distance
        #: squared | cosine: q/2·(1 - cos), the paper's and port's
        distance: Annotated[str, hq.OneOf("euclid", "cosine")] = "euclid"
        #: |S|/|S1| and 1 | both: |S|/|S1| and |S|/|S0| (port) | none
        weights: Annotated[str, hq.OneOf("positives", "both", "none")] = "positives"
        quantization: hq.NonNegative = 0.0  #: lambda, weight of the quantisation term (port: 0.1)
        #: mean (|u| - 1)² | cauchy: log(1 + d(|u|, 1)/gamma)
        quantized_by: Annotated[str, hq.OneOf("square", "cauchy")] = "square"

        def agree(self) -> None:
            """Refuse a form of the quantization term where there is none."""
            if self.quantized_by != "square" and not self.quantization:
                raise hq.UsageError(
                    f"quantization must be above 0 with quantized_by={self.quantized_by}, got 0"
                )

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)

    @property
    def rate_factors(self) -> dict[str, float]:
        """Return the script's rates: the last layer ten times the trunk's, its bias twenty."""
        return {"hash.weight": 10.0, "hash.bias": 20.0}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return SGD at one rate: 2,000 iterations, the script's first decay is at 10,000."""
        # 2,000 iterations of 128 images are 51 epochs of CIFAR-10's 5,000.
        # Paper: its weight decay was not found; none here.
        return hq.Recipe(lr=5e-3, momentum=0.9, weight_decay=0.0, epochs=51, step_factor=1.0)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u = tanh(z), whose signs are the bits."""
        return torch.tanh(self.hash(features.float()))

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the weighted mean of log(1 + d/gamma) or log(1 + gamma/d), and lambda·Q."""
        u, pairs, gamma = embedding[: batch.known], hq.batch_pairs(batch), self.config.gamma
        d = self._distance(u, u)
        cost = torch.where(pairs.same, torch.log1p(d / gamma), torch.log1p(gamma / d))
        terms = {"pair": pairs.mean(cost, self.config.weights)}
        if self.config.quantization:
            terms["quantization"] = self.config.quantization * self._quantization(u)
        return terms

    def _distance(self, u: Tensor, v: Tensor) -> Tensor:
        if self.config.distance == "cosine":
            # Paper: the port holds cosines below 0.99, which cuts gradients; OFFSET does not.
            d = self.budget.bits / 2 * (1 - normalize(u, dim=1) @ normalize(v, dim=1).T)
        else:
            d = u.square().sum(dim=1)[:, None] + v.square().sum(dim=1) - 2 * (u @ v.T)
        return d.relu() + OFFSET  # rounding alone makes a distance negative

    def _quantization(self, u: Tensor) -> hq.Scalar:
        if self.config.quantized_by == "square":
            return (u.abs() - 1).square().mean()
        return torch.log1p(
            self._distance(u.abs(), torch.ones_like(u[:1])) / self.config.gamma
        ).mean()
