"""HSWD: any similarity loss, and each bit's values in a batch matched to as many +1 as -1.

K. D. Doan, P. Yang, P. Li, "One Loss for Quantization: Deep Hashing with Discrete Wasserstein
Distributional Matching", CVPR 2022. The quantization loss of
github.com/khoadoan106/single_loss_quantization @5a58f36: sorted values of a bit against sorted
random bits, which is the Wasserstein-2 distance of the two in one dimension. Hosts: HashNet's
pairs, as there, or a classifier.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

import hashquant.api as hq

EPOCHS = 200  #: of the released script, by which beta grows


class HSWD(hq.Method):
    """Linear to q values, and what the host needs."""

    name = "hswd"
    display = hq.Name("HSWD", words={
        "host=hashnet": "pairs", "host=cehash": "classifier",
        "target=half": "equal halves"})  # fmt: skip
    family = hq.Binary()
    kind = "pairs"
    sampling = "balanced"
    paper_batch = 64
    reference = hq.Reference(
        title="One Loss for Quantization: Deep Hashing with Discrete Wasserstein Distributional "
        "Matching",
        authors="Khoa D. Doan, Peng Yang, Ping Li",
        venue="CVPR, pp. 9447-9457",
        year=2022,
        url="https://arxiv.org/abs/2205.15721",
    )

    @dataclass(frozen=True)
    class Config:
        """The released settings."""

        #: weighted pairs of tanh(beta·u) | cehash: a classifier
        host: Annotated[str, hq.OneOf("hashnet", "cehash")] = "hashnet"
        #: bits by coins (code) | half: as many +1 as -1, without variance
        target: Annotated[str, hq.OneOf("random", "half")] = "random"
        quantization_weight: hq.NonNegative = 0.1  #: of the mean squared distance to the target
        alpha: hq.Positive = 0.1  #: scales inner products of tanh codes (HashNet's own 10/q)
        beta_epochs: hq.Positive = 20.0  #: of 200, for beta = sqrt(floor(epoch / these) + 1)

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        if config.host == "cehash":
            self.classify = nn.Linear(budget.bits, num_classes)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Adam at 1e-5 for 200 epochs."""
        return hq.Recipe(
            optimizer="adam", lr=1e-5, weight_decay=0.0, epochs=EPOCHS, step_epochs=EPOCHS - 1.0,
            step_factor=1.0,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the host's loss and the distance of each bit's values to half ±1."""
        u = embedding[: batch.known]
        if self.config.host == "cehash":
            labels = batch.labels[: batch.known]
            terms = {"class": cross_entropy(self.classify(u), labels)}
        else:
            terms = {"pair": self._pairs(u, batch)}
        if self.config.quantization_weight:
            # Sorted against sorted is the least cost of all assignments, bit by bit.
            error = (u.sort(dim=0).values - self._target(u)).square().mean()
            terms["quantization"] = self.config.quantization_weight * error
        return terms

    def _target(self, u: Tensor) -> Tensor:
        """Return sorted ±1 of a batch's size, a column a bit."""
        if self.config.target == "random":
            drawn = torch.randint(2, u.shape, device=u.device)
            return (2 * drawn.sort(dim=0).values - 1).to(u.dtype)
        upper = torch.arange(len(u), device=u.device) >= len(u) // 2
        return (2 * upper[:, None] - 1).to(u.dtype)

    def _pairs(self, u: Tensor, batch: hq.Batch) -> hq.Scalar:
        """Return HashNet's loss: similar and dissimilar pairs count as much as each other.

        Paper: its pairs are those with a memory of all images, an image with itself among them.
        """
        grown = batch.step / batch.steps * EPOCHS / self.config.beta_epochs
        h = (math.sqrt(math.floor(grown) + 1) * u).tanh()
        theta = self.config.alpha * h @ h.T
        pairs = hq.batch_pairs(batch)
        return pairs.mean(softplus(theta) - pairs.same * theta, "both", per_weight=True)
