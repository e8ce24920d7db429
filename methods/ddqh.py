"""DDQH: a classifier on tanh bits, each of four units of its own, normalised over the batch.

J. Tang, J. Lin, Z. Li, J. Yang, IEEE TNNLS 29(12), 2018, and DDH by the first three, IJCAI 2017.
Head and loss are those of github.com/xjcvip007/DDH @97a3add: 4q units with batch norm and ReLU,
divide-and-encode (each bit is a weighted sum of four units), batch norm, tanh, a softmax over
classes; cross entropy and the mean of | |h| - 1 |.

Paper: that file names itself DDQH, yet holds the divide-and-encode of DDH beside the batch norm
before tanh of DDQH; neither paper's own network can be told from it. Both stand as released, and
each is a switch: `bnq=False` is near DDH, `divide=False` near DDQH.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import hashquant.api as hq

UNITS = 4  #: of the layer before, a bit


class Divide(nn.Module):
    """Sum the units of each bit, and of no other, by weights of its own: n x 4q to n x q."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(bits, UNITS))
        self.bias = nn.Parameter(torch.zeros(bits))
        limit = math.sqrt(6 / (UNITS + 1))  # Glorot, for one output of four inputs
        nn.init.uniform_(self.weight, -limit, limit)

    def forward(self, units: Tensor) -> Tensor:
        """Return the q sums."""
        parts = units.reshape(len(units), *self.weight.shape)
        return (parts * self.weight).sum(dim=2) + self.bias


class DDQH(hq.Method):
    """Two layers to q tanh values, divided by bits or dense, and a linear classifier."""

    name = "ddqh"
    display = hq.Name("DDQH", words={
        "divide=False": "dense encoding", "bnq=False": "without batch norm before tanh",
        "quantization_weight=0.0": "without the quantization term"})  # fmt: skip
    family = hq.Binary()
    kind = "classification"
    reference = hq.Reference(
        title="Discriminative Deep Quantization Hashing for Face Image Retrieval",
        authors="Jinhui Tang, Jie Lin, Zechao Li, Jian Yang",
        venue="IEEE Transactions on Neural Networks and Learning Systems 29(12), 6154-6162",
        year=2018,
        url="https://doi.org/10.1109/TNNLS.2018.2816743",
    )

    @dataclass(frozen=True)
    class Config:
        """The released network."""

        divide: bool = True  #: each bit from four units of its own, as DDH; False: from all 4q
        bnq: bool = True  #: batch norm before tanh, as DDQH's module of that name; False: none
        quantization_weight: hq.NonNegative = 0.01  #: of the mean of | |h| - 1 |

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        bits, units = budget.bits, UNITS * budget.bits
        # Paper: it joins its trunk's last two layers before this; here the trunk is the suite's.
        self.hash = nn.Sequential(nn.Linear(in_features, units), nn.BatchNorm1d(units), nn.ReLU())
        self.hash.append(Divide(bits) if config.divide else nn.Linear(units, bits))
        if config.bnq:
            self.hash.append(nn.BatchNorm1d(bits))
        self.hash.append(nn.Tanh())
        self.classify = nn.Linear(bits, num_classes)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the released schedule: Adam at one rate, 200 epochs at most."""
        # Paper: Keras's l2(1e-4) is a decay of 2e-4, there of kernels alone; it stops 50 epochs
        # after the lowest training loss.
        return hq.Recipe(
            optimizer="adam", lr=1e-3, weight_decay=2e-4, epochs=200, step_epochs=100.0,
            step_factor=1.0,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h = tanh(…), whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the cross entropy of classes and the weighted distance of |h| from 1."""
        h, weight = embedding[: batch.known], self.config.quantization_weight
        terms = {"class": cross_entropy(self.classify(h), batch.labels[: batch.known])}
        if weight:
            terms["quantization"] = weight * (h.abs() - 1).abs().mean()
        return terms
