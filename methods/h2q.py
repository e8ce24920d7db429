"""H2Q: a trained embedding turned by Householder reflections until its signs lose little.

L. R. Schwengber, L. Resende, P. Orenstein, R. I. Oliveira, "Deep Hashing via Householder
Quantization", 2023. The second stage: a rotation keeps all inner products, so what the first stage
learned stays, and only the error of the signs is left to be made small by gradient steps.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq


def rotation(reflectors: Tensor) -> Tensor:
    """Return the product of the reflections I - 2·vvᵀ/‖v‖², first to last; v are the columns.

    It is I - V·T·Vᵀ where T has the inverse: the upper triangle of VᵀV with half its diagonal.

    >>> rotation(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    tensor([[-1.,  0.],
            [ 0., -1.]])
    """
    v = normalize(reflectors, dim=0)
    inner = v.T @ v
    inverse = inner.triu(1) + torch.diag(inner.diagonal() / 2)
    one = torch.eye(len(v), dtype=v.dtype, device=v.device)
    turned: Tensor = one - v @ torch.linalg.solve_triangular(inverse, v.T, upper=True)
    return turned


class H2Q(hq.Method):
    """sign((x - mean) W R): W from PCA where x is no code's embedding, R from reflections."""

    name = "h2q"
    display = hq.Name("H2Q of CE hashing", short="H2Q (CE)")
    family = hq.Binary()
    kind = "fitted"
    # Paper: its first stage is any similarity loss without a penalty on values that are no bits;
    # CE hashing has none. It is trained at the same bits.
    base = "cehash"
    closed_form = True
    reference = hq.Reference(
        title="Deep Hashing via Householder Quantization",
        authors="Lucas R. Schwengber, Lucas Resende, Paulo Orenstein, Roberto I. Oliveira",
        venue="arXiv 2311.04207",
        year=2023,
        url="https://arxiv.org/abs/2311.04207",
    )

    @dataclass(frozen=True)
    class Config:
        """How the rotation is found."""

        #: of σ(z), mean σ(1-σ) | l2 | l1 to the signs | least: -min |z|
        error: Annotated[str, hq.OneOf("variance", "l2", "l1", "least")] = "variance"
        epochs: hq.Natural = 300  #: over all embeddings; 0: a random rotation
        batch: hq.Natural = 0  #: rows of a step, 0: all of them (companion code 128)
        rate: hq.Positive = 0.01  #: of Adam

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        if budget.bits > in_features:
            limit = f"bits must be at most the embedding's size ({in_features})"
            raise hq.BudgetError(f"{limit}, got {budget.bits}")
        self.mean = nn.Buffer(torch.zeros(in_features))
        self.projection = nn.Buffer(torch.eye(in_features, budget.bits))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Find the axes, then the rotation; its start is drawn from torch's generator."""
        x = self._given(features.cpu())
        if x.shape[1] > self.budget.bits:
            # Paper: its first stage ends in q values; others are taken there by their q axes.
            self.mean.copy_(x.mean(dim=0))
            axes = torch.linalg.eigh(torch.cov(x.double().T, correction=0)).eigenvectors
            self.projection.copy_(axes[:, -self.budget.bits :].flip(1))
        z = (x - self.mean.cpu()) @ self.projection.cpu()
        # Paper: nothing is said of the scale; a sigmoid sees no bits in values that are too small.
        z = z / z.square().mean().sqrt().clamp_min(1e-12)
        self.projection.copy_(self.projection.cpu() @ self._turn(z))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the rotated values whose signs are the bits."""
        return (self._given(features.float()) - self.mean) @ self.projection

    def _given(self, x: hq.Features) -> Tensor:
        """Return x itself, or normalised where it is compared by cosine and has to be cut."""
        return x if x.shape[1] == self.budget.bits else normalize(x, dim=1)

    def _turn(self, z: Tensor) -> Tensor:
        """Return the rotation of least error that gradient steps find."""
        rows, bits = z.shape
        size = self.config.batch or rows
        with torch.enable_grad():
            reflectors = torch.randn(bits, bits).requires_grad_()
            optimizer = torch.optim.Adam([reflectors], lr=self.config.rate)
            for _ in range(self.config.epochs):
                order = torch.randperm(rows) if size < rows else torch.arange(rows)
                for chosen in torch.split(order, size):
                    optimizer.zero_grad()
                    loss = self.error((z[chosen] if size < rows else z) @ rotation(reflectors))
                    torch.autograd.backward([loss])
                    optimizer.step()
        return rotation(reflectors.detach())

    def error(self, z: Tensor) -> hq.Scalar:
        """Return what the signs lose of z."""
        if self.config.error == "variance":
            p = z.sigmoid()
            return (p * (1 - p)).mean()
        gap = (z.abs() - 1).abs()
        if self.config.error == "least":
            return -z.abs().amin(dim=1).mean()
        return (gap if self.config.error == "l1" else gap.square()).mean()
