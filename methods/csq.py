"""CSQ: each bit is pulled to that of its class's fixed centre, a row of a Hadamard matrix.

L. Yuan et al., "Central Similarity Quantization for Efficient Image and Video Retrieval", CVPR
2020. The loss is that of github.com/yuanli2333/Hadamard-Matrix-for-hashing @55cab00: binary cross
entropy of (h + 1) / 2 against (c + 1) / 2, a pair term, and (|h| - 1)² against quantization errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

import hashquant.api as hq


class CSQ(hq.Method):
    """Two hidden layers and a linear one to q bits; the centres stay as they were drawn."""

    name = "csq"
    display = hq.Name("CSQ", words={
        "centers": "{} centres", "pair_weight": "pair term {}",
        "quantization_weight=0.0": "without the quantization term"})  # fmt: skip
    family = hq.Binary()
    kind = "centres"
    paper_batch = 64
    reference = hq.Reference(
        title="Central Similarity Quantization for Efficient Image and Video Retrieval",
        authors="Li Yuan, Tao Wang, Xiaopeng Zhang, Francis EH Tay, Zequn Jie, Wei Liu, "
        "Jiashi Feng",
        venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        year=2020,
        url="https://arxiv.org/abs/1908.00347",
    )

    @dataclass(frozen=True)
    class Config:
        """The released commands' settings for ResNet-50."""

        #: hadamard | bernoulli (as FIRe's port) | code
        centers: Annotated[str, hq.OneOf("hadamard", "bernoulli", "code")] = "hadamard"
        center_seed: hq.Natural = 0  #: seed of centres that are drawn
        #: lambda2; 1e-3 and 1e-4 AlexNet, 1e-3 FIRe's port
        quantization_weight: hq.NonNegative = 0.05
        #: lambda1, as the commands; 0.2 is the script's own default
        pair_weight: hq.NonNegative = 0.0
        #: after the first hidden layer, as AlexNet; 0.5 ResNet-50
        dropout: Annotated[float, hq.Range(0, below=1)] = 0.0
        #: times the head's rate, for a trunk from scratch; 0.01 fine-tuned
        trunk_rate: hq.Positive = 1.0

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Sequential(
            nn.Linear(in_features, in_features), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(in_features, in_features), nn.ReLU(),
            nn.Linear(in_features, budget.bits),
        )  # fmt: skip
        centers = hq.draw_centers(config.centers, num_classes, budget.bits, config.center_seed)
        self.centers = nn.Buffer(centers)

    @property
    def hash_centers(self) -> Tensor:
        """The centre of each class."""
        return self.centers

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The trunk's own rate, where it has one."""
        return {} if self.config.trunk_rate == 1 else {"trunk": self.config.trunk_rate}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule for ResNet-50: Adam, times 0.7 every 10 of 90 epochs."""
        return hq.Recipe(
            optimizer="adam", lr=1e-3, weight_decay=0.0, epochs=90, step_epochs=10.0,
            step_factor=0.7,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z, of which h = tanh(z): the sign is the same, and the loss needs z."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return L_C + lambda1·L_P + lambda2·L_Q by term; a term of weight 0 is left out."""
        z, labels = embedding[: batch.known], batch.labels[: batch.known]
        h, config = z.tanh(), self.config
        # (tanh z + 1) / 2 is the logistic function of 2z: no logarithm of a rounded 0.
        target = (self.centers[labels] + 1) / 2
        terms = {"center": binary_cross_entropy_with_logits(2 * z, target)}
        if config.pair_weight:
            terms["pair"] = config.pair_weight * self._pairs(h, hq.batch_pairs(batch))
        if config.quantization_weight:
            terms["quantization"] = config.quantization_weight * (h.abs() - 1).square().mean()
        return terms

    def _pairs(self, h: Tensor, pairs: hq.Pairs) -> hq.Scalar:
        # Paper: its code pairs one half of the batch with the other; here all other rows count,
        # and as there pairs are not weighted by how many of them are positive.
        theta = 10 / self.budget.bits * (h @ h.T)
        return pairs.mean(softplus(theta) - pairs.same * theta)
