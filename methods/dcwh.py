"""DCWH: Gaussian class likelihood around class means of the codes, held near a cube's corners.

X. Zhe, S. Chen, H. Yan, "Deep Class-Wise Hashing", arXiv 1803.04137. The loss is that of
github.com/mzhang367/dcwh @b0b7c8e: for h of an image of class y and centres mu_c,
-log softmax_c(-tau/2·‖h - mu_c‖²)_y + w·sum_bits [|h| - 1.1]_+ + 0.01·‖sign h - h‖².

Paper: its code has w = 10 where h < -1.1, and 10/B, for B images a batch, where h > 1.1, and starts
the linear layer by Xavier's rule. Here both sides weigh 1, and that start is taken times 0.1: on
features of unit variance h begins outside the cube by Xavier's rule, and w = 10 on both sides then
outweighs the classes until their means have shrunk to nothing.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

import hashquant.api as hq


class DCWH(hq.Method):
    """Linear to q values without batch norm; the centres are class means of the last refit."""

    name = "dcwh"
    display = hq.Name("DCWH", words={
        "centers=learned": "learned centres", "cube_weight=0.0": "without the cube",
        "vertex_weight=0.0": "without the pull to corners"})  # fmt: skip
    family = hq.Binary()
    kind = "centres"
    paper_batch = 128
    reference = hq.Reference(
        title="Deep Class-Wise Hashing: Semantics-Preserving Hashing via Class-wise Loss",
        authors="Xuefei Zhe, Shifeng Chen, Hong Yan",
        venue="arXiv 1803.04137",
        year=2018,
        url="https://arxiv.org/abs/1803.04137",
    )

    @dataclass(frozen=True)
    class Config:
        """The released code's values but for w and the start."""

        #: tau; 0.5 is the code's flag, which never reaches its loss
        inverse_variance: hq.Positive = 1.0
        cube_limit: hq.NonNegative = 1.1  #: size of h up to which nothing is paid
        #: w, summed over bits; 10.0 below and 10/B above in the code
        cube_weight: hq.NonNegative = 1.0
        vertex_weight: hq.NonNegative = 0.01  #: of ‖sign h - h‖², summed over bits
        init_gain: hq.Positive = 0.1  #: of the linear layer's Xavier normal start; 1.0 in the code
        #: class means of h | learned, as the code's other branch means to
        centers: Annotated[str, hq.OneOf("means", "learned")] = "means"
        refit_epochs: hq.Count = 2  #: from one refit of the means to the next, and to the first

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        nn.init.xavier_normal_(self.hash.weight, gain=config.init_gain)
        nn.init.zeros_(self.hash.bias)
        centers = torch.randn(num_classes, budget.bits)
        # Paper: a swapped test keeps its learned centres from the optimiser; here they learn.
        self.centers = (nn.Parameter if config.centers == "learned" else nn.Buffer)(centers)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the released schedule: SGD, a tenth of the rate every 50 of 150 epochs."""
        return hq.Recipe(
            lr=1e-3, momentum=0.9, weight_decay=5e-4, epochs=150, step_epochs=50.0, step_factor=0.1
        )

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return h, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for all embeddings every `refit_epochs`; the random centres serve until the first."""
        fitted = self.config.centers == "means"
        return fitted and epoch > 0 and epoch % self.config.refit_epochs == 0

    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Set each class's centre to the mean of its embeddings; without any, it stays.

        Paper: it takes the means over augmented images; here they are cut centrally.
        """
        rows = labels >= 0
        known, h = labels[rows], embedding[rows].to(self.centers.dtype)
        sums = torch.zeros_like(self.centers).index_add_(0, known, h)
        counts = torch.bincount(known, minlength=self.num_classes)[:, None]
        self.centers.copy_(torch.where(counts > 0, sums / counts.clamp_min(1), self.centers))

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the class likelihood, the cube and the pull to its corners, means over images."""
        h, config = embedding[: batch.known], self.config
        # Paper: its code adds 1e-6 inside the logarithm and below the fraction, which at 48 bits
        # leaves a thousandth of the gradient that parts classes; log-softmax needs neither.
        # ‖h‖² is the same for every class and drops out of the softmax.
        logits = h @ self.centers.T - self.centers.square().sum(dim=1) / 2
        likelihood = cross_entropy(config.inverse_variance * logits, batch.labels[: batch.known])
        # Paper: its code divides one side of the cube, and the pull to corners, by the batch twice.
        cube = relu(h.abs() - config.cube_limit).sum(dim=1).mean()
        corners = torch.where(h.detach() > 0, 1.0, -1.0)
        vertex = (corners - h).square().sum(dim=1).mean()
        terms = {"center": (1.0, likelihood), "cube": (config.cube_weight, cube),
                 "vertex": (config.vertex_weight, vertex)}  # fmt: skip
        return {name: weight * term for name, (weight, term) in terms.items() if weight}
