"""HHF and HyP2: trained class proxies, with hinges that stop where a linear code could be met.

C. Xu et al., "HHF: Hashing-guided Hinge Function for Deep Hashing Retrieval", arXiv 2112.02225
(`loss=anchor`, after github.com/JerryXu0129/HHF @7cf5ab6), and their "HyP2 Loss: Beyond Hypersphere
Metric Space for Multi-label Image Retrieval", ACM MM 2022 (`loss=hyp2`, after HyP2-Loss @e9c1c24).
HyP2's third term is of pairs of images with several labels, of which there are none here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq

#: Bits q → the largest least distance known of a binary linear code of dimension k = 1, 2, …
CODE_DISTANCES = {
    16: (16, 10, 8, 8, 8, 6, 6, 5, 4, 4, 4, 2, 2, 2),
    24: (24, 16, 13, 12, 12, 10, 10, 8, 8, 8, 8, 8, 6, 6),
    36: (36, 24, 20, 18, 17, 16, 16, 16, 14, 14, 12, 12, 12, 11),
    48: (48, 32, 27, 24, 24, 24, 22, 22, 20, 20, 18, 18, 17, 16),
    64: (64, 42, 36, 33, 32, 32, 32, 29, 28, 28, 26, 26, 25, 24),
}


def code_distance(bits: int, classes: int) -> int:
    """Return a distance at which that many words of that many bits can lie from each other.

    That of the best known linear code where it is tabled, the Gilbert-Varshamov bound elsewhere.

    >>> code_distance(24, 2787), code_distance(32, 2787)
    (8, 8)
    """
    k, known = max(1, math.ceil(math.log2(classes))), CODE_DISTANCES.get(bits, ())
    if k <= len(known):
        return known[k - 1]
    ball, distance = 0, 0
    while ball * classes < 2**bits:  # words nearer than `distance` to one
        ball += math.comb(bits, distance)
        distance += 1
    return distance


class HHF(hq.Method):
    """Linear to q bits, and a trained proxy a class."""

    name = "hhf"
    display = hq.Name("HHF", words={"loss=hyp2": "HyP2 loss", "loss=anchor": ""})
    family = hq.Binary()
    kind = "centres"
    sampling = "balanced"
    paper_batch = 85
    reference = hq.Reference(
        title="HHF: Hashing-guided Hinge Function for Deep Hashing Retrieval",
        authors="Chengyin Xu, Zenghao Chai, Zhengzhuo Xu, Hongjia Li, Qiruyi Zuo, Lingyu Yang, "
        "Chun Yuan",
        venue="arXiv 2112.02225",
        year=2022,
        url="https://arxiv.org/abs/2112.02225",
    )

    @dataclass(frozen=True)
    class Config:
        """The released scripts' settings."""

        loss: Annotated[str, hq.OneOf("anchor", "hyp2")] = "anchor"  #: anchor (HHF) | hyp2
        #: alpha, multiplies the hinges, of at most 2 (anchor); e^(2·45) is past float32
        sharpness: Annotated[float, hq.Range(above=0, at_most=40)] = 16.0
        slack: hq.Share = 0.2  #: delta, of either hinge (anchor)
        #: anchor; code: 0.001 of a sum over its 85 images
        quantization_weight: hq.NonNegative = 0.085
        all_classes: bool = False  #: negatives count by classes in the batch | true: by C (code)
        #: times the head's rate, for the proxies; 2 or 1 hyp2; 0: fixed
        proxy_rate: hq.NonNegative = 10.0

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.proxies = nn.Parameter(torch.empty(num_classes, budget.bits))
        nn.init.kaiming_normal_(self.proxies, mode="fan_out")
        #: zeta, the cosine of two words of the code that are nearest to each other
        self.nearest = 1 - 2 * code_distance(budget.bits, num_classes) / budget.bits

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The proxies' own rate."""
        return {"proxies": self.config.proxy_rate}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return HHF's schedule: SGD at 1e-3, halved every 10 of 100 epochs."""
        return hq.Recipe(lr=1e-3, momentum=0.9, weight_decay=5e-4, epochs=100, step_epochs=10.0)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return x, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the pull to the own proxy, the push from others, and HHF's quantization term."""
        x, labels = embedding[: batch.known], batch.labels[: batch.known]
        cosine = normalize(x, dim=1) @ normalize(self.proxies, dim=1).T
        classes = torch.arange(self.num_classes, device=labels.device)
        own = labels[:, None] == classes
        present = own.any(dim=0).sum().clamp_min(1)
        counted = torch.full_like(present, self.num_classes) if self.config.all_classes else present
        if self.config.loss == "hyp2":
            others = (counted - 1).clamp_min(1)
            push = (cosine - self.nearest).clamp_min(0).masked_fill(own, 0).sum(dim=1).mean()
            return {"pull": 1 - cosine.gather(1, labels[:, None]).mean(), "push": push / others}
        alpha, slack = self.config.sharpness, self.config.slack
        near = alpha * (1 - slack - cosine).clamp_min(0)
        far = alpha * (cosine - self.nearest - slack).clamp_min(0)
        # Paper: its code divides the push by C, which leaves little of it where few of many classes
        # are in a batch; here by the number present, as the pull. Both agree where all are.
        terms = {
            "pull": _hinged(near, own).sum() / present,
            "push": _hinged(far, ~own).sum() / counted,
        }
        if self.config.quantization_weight:
            error = (x - torch.where(x.detach() > 0, 1.0, -1.0)).square().sum(dim=1).mean()
            terms["quantization"] = self.config.quantization_weight * error
        return terms


def _hinged(hinge: Tensor, chosen: Tensor) -> Tensor:
    """Return log(1 + Σ (e^hinge - 1)) over each class's chosen images."""
    return torch.log1p((hinge.expm1() * chosen).sum(dim=0))
