"""Float: the trunk's embedding itself, trained by a cosine-margin loss: the ceiling of its codes.

H. Wang et al., "CosFace: Large margin cosine loss for deep face recognition", CVPR 2018. The
embedding is kept as float32 and searched exhaustively by cosine.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize, one_hot

import hashquant.api as hq


class Float(hq.Method):
    """One weight vector a class; embedding and weights meet as unit vectors."""

    name = "float"
    display = hq.Name("uncompressed embedding", short="uncompressed")
    family = hq.Real()
    reference = hq.Reference(
        title="CosFace: Large Margin Cosine Loss for Deep Face Recognition",
        authors="Hao Wang, Yitong Wang, Zheng Zhou, Xing Ji, Dihong Gong, Jingchao Zhou, "
        "Zhifeng Li, Wei Liu",
        venue="CVPR",
        year=2018,
        url="https://arxiv.org/abs/1801.09414",
    )

    @dataclass(frozen=True)
    class Config:
        """OPQN's margin and scale, so that ceiling and codes share one classifier."""

        size: hq.Count = 512  #: values of the embedding, kept as float32
        #: m, taken from the true class's cosine; 2 is all that cosines span
        margin: Annotated[float, hq.Range(0, 2)] = 0.5
        scale: hq.Positive = 20.0  #: s, multiplies the cosines

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.class_weight = nn.Parameter(torch.empty(num_classes, in_features))
        nn.init.xavier_uniform_(self.class_weight)

    @classmethod
    def budget_for(cls, config: Config, bits: int) -> hq.CodeBudget:
        """Return the length of the embedding, whatever bits are asked for."""
        return cls.family.budget(config.size)

    @classmethod
    def feature_size(cls, config: Config, budget: hq.CodeBudget, default: int) -> int:
        """Return the embedding's size, which is the trunk's output."""
        return config.size

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return OPQN's schedule for 32-pixel faces: SGD, halved every 35 of 200 epochs."""
        return hq.Recipe(lr=0.1, momentum=0.9, weight_decay=5e-4, epochs=200, step_epochs=35.0)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the trunk's output."""
        return features.float()

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the cross-entropy of s·(cos - m·1_y)."""
        labels = batch.labels[: batch.known]
        unit, weight = normalize(embedding[: batch.known], dim=1), normalize(self.class_weight)
        cosine = (unit @ weight.T).clamp(-1, 1)
        target = one_hot(labels, self.num_classes).to(cosine.dtype)
        logits = self.config.scale * (cosine - self.config.margin * target)
        return {"margin": cross_entropy(logits, labels)}
