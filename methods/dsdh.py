"""DSDH: a likelihood of pairs, and discrete codes that a linear classifier must read.

Q. Li, Z. Sun, R. He, T. Tan, "Deep Supervised Discrete Hashing", NIPS 2017. Follows the equations
as github.com/liqi-casia/DSDH-HashingCode @338e72a steps through them: in turn the classifier W by
ridge regression from codes, codes B by cyclic coordinate descent on
mu‖Y - BW‖² + eta‖B - U‖², and the network by the pair likelihood and eta‖U - B‖². The classifier
reaches the network through B alone. A widely used port drops B, and so trains pairs only.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import hashquant.api as hq


def signs(x: Tensor) -> Tensor:
    """Return ±1, -1 for zero."""
    return torch.where(x > 0, 1.0, -1.0).to(x.dtype)


class DSDH(hq.Method):
    """Linear to q values; W and B are made anew from the values of a batch or of an epoch."""

    name = "dsdh"
    display = hq.Name("DSDH", words={
        "against=bank": "with a memory bank", "codes=epoch": "codes once an epoch",
        "weights=both": "balanced pairs"})  # fmt: skip
    family = hq.Binary()
    kind = "discrete"
    sampling = "balanced"
    paper_batch = 128
    reference = hq.Reference(
        title="Deep Supervised Discrete Hashing",
        authors="Qi Li, Zhenan Sun, Ran He, Tieniu Tan",
        venue="Advances in Neural Information Processing Systems 30",
        year=2017,
        url="https://arxiv.org/abs/1705.10999",
    )

    @dataclass(frozen=True)
    class Config:
        """Weights are of means over images; the MATLAB code's are of sums over 5,000 images."""

        #: pairs within a batch | bank: of it with every image's last u
        against: Annotated[str, hq.OneOf("batch", "bank")] = "batch"
        #: W and B from each batch (MATLAB) | epoch: from all images (port)
        codes: Annotated[str, hq.OneOf("batch", "epoch")] = "batch"
        #: of pairs | both: |S|/|S1| and |S|/|S0|
        weights: Annotated[str, hq.OneOf("none", "both")] = "none"
        #: eta, of ‖u - b‖² (sum over bits); MATLAB 55/5000
        quantization_weight: hq.NonNegative = 0.01
        class_weight: hq.NonNegative = 0.01  #: mu, of ‖y - bW‖² where B is found; MATLAB 1/5000
        #: added to BᵀB where W is found, nu/mu (MATLAB); port 100
        ridge: Annotated[float, hq.Range(1e-6)] = 0.1
        sweeps: hq.Natural = 10  #: of coordinate descent over the bits, at most

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return SGD from 1e-2, of 150 epochs."""
        # Paper: the rate falls to 1e-6 in 150 equal steps of its logarithm; here 10 for each 150/4.
        return hq.Recipe(lr=1e-2, momentum=0.9, epochs=150, step_epochs=37.5, step_factor=0.1)

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return the last u of every image and its label once seen; every image's code."""
        size, state = (images, self.budget.bits), {}
        if self.config.against == "bank":
            state["bank"] = hq.TensorSpec(size, torch.float16)
            state["labels"] = hq.TensorSpec((images,), torch.int64, -1)
        if self.config.codes == "epoch":
            state["codes"] = hq.TensorSpec(size, torch.int8)
        return state

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for all embeddings where codes are found once an epoch, and something needs them."""
        return bool(self.config.codes == "epoch" and self.config.quantization_weight)

    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Find the codes of all images whose label is known; the others' are their signs."""
        known = labels >= 0
        found = signs(embedding)
        found[known] = self.discrete_codes(embedding[known], labels[known])
        self.state["codes"].copy_(found)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, real values whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return mean(log(1 + exp θ) - s·θ), θ = <u_i, u_j> / 2, and eta·mean‖u - b‖²."""
        u, labels = embedding[: batch.known], batch.labels[: batch.known]
        rows = batch.indices[: batch.known]
        others, pairs = self._paired(u, labels, rows)  # Paper: an image is no pair with itself
        theta = u @ others.T / 2
        cost = softplus(theta) - pairs.same * theta
        terms = {"pair": pairs.mean(cost, self.config.weights, per_weight=True)}
        if eta := self.config.quantization_weight:  # without it no code is needed
            stored = self.state["codes"][rows] if "codes" in self.state else None
            b = self.discrete_codes(u.detach(), labels) if stored is None else stored.to(u.dtype)
            terms["quantization"] = eta * (u - b).square().sum(dim=1).mean()
        return terms

    def discrete_codes(self, u: hq.Embedding, labels: hq.Labels) -> Tensor:
        """Return B (n x q) by W from sign(U); the sweeps, many small steps, are made on the CPU."""
        mu, b = self.config.class_weight, signs(u).double()
        sums = b.new_zeros(self.num_classes, b.shape[1]).index_add_(0, labels, b)  # YᵀB
        # BᵀB has sums of n products of ±1, to which float32 cannot add a small ridge.
        ridge = self.config.ridge * torch.eye(u.shape[1], dtype=b.dtype, device=u.device)
        w = torch.linalg.solve(b.T @ b + ridge, sums.T)  # q x C
        wanted = mu * w.T[labels] + self.config.quantization_weight * u  # linear in B
        shared = mu * (w @ w.T).fill_diagonal_(0)  # what each bit takes from the others
        linear, joint, codes = (x.cpu().numpy().copy() for x in (wanted.T, shared, b.T))
        for _ in range(self.config.sweeps):
            before = codes.copy()
            for k in range(len(codes)):
                codes[k] = np.where(linear[k] - joint[k] @ codes > 0, 1, -1)
            if np.array_equal(codes, before):
                break
        return torch.from_numpy(codes.T.copy()).to(u)

    def _paired(self, u: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, hq.Pairs]:
        """Return what u is paired with, and which pairs that gives: no image with itself."""
        if "bank" not in self.state:
            return u, hq.pairs_of(labels, labels, rows[:, None] == rows)
        bank, seen = self.state["bank"], self.state["labels"]
        bank[rows], seen[rows] = u.detach().to(bank.dtype), labels
        # Paper: an image that was not yet seen stands there as zeros, unlike everybody.
        own = rows[:, None] == torch.arange(len(seen), device=rows.device)
        return bank.to(u.dtype), hq.pairs_of(labels, seen, own)
