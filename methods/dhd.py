"""DHD: cosine softmax over trained proxies; a strong view's code follows that of a weak view.

Y. K. Jang, G. Gu, B. Ko, I. Kang, N. I. Cho, "Deep Hash Distillation for Image Retrieval", ECCV
2022. Follows github.com/youngkyunJang/Deep-Hash-Distillation @0cc9cee: proxy loss and binary cross
entropy of the weak view, and 1 - cosine from the strong view to the weak one, held still.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

import hashquant.api as hq


class DHD(hq.Method):
    """Linear without bias, layer norm and tanh to q values, and one proxy a class."""

    name = "dhd"
    display = hq.Name("DHD", words={"two_views=False": "one view"})
    family = hq.Binary()
    kind = "centres"
    paper_batch = 128
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_term_reaches_the_trunk": "distillation moves the second view, not the first"
    }
    reference = hq.Reference(
        title="Deep Hash Distillation for Image Retrieval",
        authors="Young Kyun Jang, Geonmo Gu, Byungsoo Ko, Isaac Kang, Nam Ik Cho",
        venue="ECCV (LNCS 13674)",
        year=2022,
        url="https://doi.org/10.1007/978-3-031-19781-9_21",
    )

    @dataclass(frozen=True)
    class Config:
        """The released defaults."""

        two_views: bool = True  #: False: no strong view and so no distillation
        temperature: hq.Positive = 0.2  #: tau, divides the cosines to the proxies
        distillation_weight: hq.NonNegative = 0.1  #: lambda 1, of 1 - cosine of the two views
        bit_weight: hq.NonNegative = 0.1  #: lambda 2, of the binary cross entropy
        #: of the Gaussians around -1 and 1 that tell a bit's likelihood
        deviation: hq.Positive = 0.5
        #: times the head's rate, for a trunk from scratch; 0.05 fine-tuned
        trunk_rate: hq.Positive = 1.0

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        bits = budget.bits
        linear = nn.Linear(in_features, bits, bias=False)
        self.hash = nn.Sequential(linear, nn.LayerNorm(bits), nn.Tanh())
        self.proxies = nn.Parameter(torch.empty(num_classes, bits))
        nn.init.xavier_uniform_(self.proxies, gain=5 / 3)

    @property
    def views(self) -> tuple[hq.View, ...]:
        """The teacher's weak view and the student's strong one."""
        return (hq.WEAK, hq.STRONG) if self.config.two_views else ()

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The trunk's own rate, where it has one."""
        return {} if self.config.trunk_rate == 1 else {"trunk": self.config.trunk_rate}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Adam at 3e-4 along a cosine."""
        # Paper: there the cosine's period is mistaken: its rate falls and rises again.
        return hq.Recipe(
            optimizer="adam", lr=3e-4, weight_decay=1e-5, epochs=100, step_epochs=50.0,
            decay="cosine",
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return x, values within -1 … 1 whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return proxy loss, bit likelihood and, with a second view, the distillation."""
        x, labels = embedding[: batch.known], batch.labels[: batch.known]
        cosine = normalize(x, dim=1) @ normalize(self.proxies, dim=1).T
        terms = {"proxy": cross_entropy(cosine / self.config.temperature, labels)}
        if self.config.bit_weight:
            terms["bits"] = self.config.bit_weight * self._bits(x)
        if self.config.distillation_weight and batch.second is not None:
            follows = cosine_similarity(batch.second[: batch.known], x.detach(), dim=1)
            terms["distillation"] = self.config.distillation_weight * (1 - follows).mean()
        return terms

    def _bits(self, x: Tensor) -> hq.Scalar:
        """Return BCE(g+(x), b) + BCE(g-(x), 1 - b) for b = 1[x > 0], g±(x) = N(x; ±1) / N(0; 0).

        The pole that a value leans to costs -log g = (|x| - 1)²/(2·sigma²), the other one
        -log(1 - g) at a distance of |x| + 1: what is never computed is the log of nothing.
        """
        size, double = x.abs(), 2 * self.config.deviation**2
        other = -(size + 1).square() / double
        cost: Tensor = (size - 1).square() / double - torch.log(-torch.expm1(other))
        return cost.mean()
