"""CroVCA: bits of a view predicted from the class's bits of another, with a coding rate.

I. Moummad, K. Zaher, H. Goëau, A. Joly, "Image Hashing via Cross-View Code Alignment in the Age of
Foundation Models", 2025. Follows the supervised loss of
github.com/ilyassmoummad/cross-view-code-alignment, loss.py @d025fc9: a bit's target is the sign of
its class's mean logit in the batch. With one view the target is that view's own class mean.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

import hashquant.api as hq

HALF_OR_MORE = hq.View(crop=0.4)


def class_mean_bits(z: Tensor, labels: hq.Labels) -> Tensor:
    """Return, for each row, 1 where its class's mean of `z` is above zero, without gradient.

    >>> class_mean_bits(torch.tensor([[3.0], [-1.0], [2.0], [-2.0]]), torch.tensor([0, 0, 1, 2]))
    tensor([[1.],
            [1.],
            [1.],
            [0.]])
    """
    same = hq.pairs_of(labels, labels).same.to(z.dtype)  # with itself; a sum has a mean's sign
    return (same @ z.detach() > 0).to(z.dtype)


class CroVCA(hq.Method):
    """Linear, ReLU, linear to q values, and batch norm."""

    name = "crovca"
    display = hq.Name("CroVCA", words={"two_views=True": "two views"})
    family = hq.Binary()
    kind = "triplets"
    sampling = "balanced"
    reference = hq.Reference(
        title="Image Hashing via Cross-View Code Alignment in the Age of Foundation Models",
        authors="Ilyass Moummad, Kawtar Zaher, Hervé Goëau, Alexis Joly",
        venue="arXiv 2510.27584",
        year=2025,
        url="https://arxiv.org/abs/2510.27584",
    )

    @dataclass(frozen=True)
    class Config:
        """The released defaults, but for the views."""

        two_views: bool = False  #: each image twice, as the paper; labels make one view suffice
        #: of the coding rate, which keeps bits from saying the same
        rate_weight: hq.NonNegative = 0.1
        #: eps, the error up to which the coding rate counts; below 1e-4 float32 loses the rate
        rate_error: Annotated[float, hq.Range(1e-4)] = 0.05

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        layers = (nn.Linear(in_features, in_features), nn.Linear(in_features, budget.bits))
        for layer in layers:
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        self.hash = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.BatchNorm1d(budget.bits))

    @property
    def views(self) -> tuple[hq.View, ...]:
        """Two views of at least 0.4 of the image, or the suite's own."""
        return (HALF_OR_MORE, HALF_OR_MORE) if self.config.two_views else ()

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return AdamW along a cosine, of 5 epochs on a pretrained trunk."""
        # Paper: the cosine ends at 1e-6, not at nothing.
        return hq.Recipe(
            optimizer="adamw", lr=1e-3, weight_decay=1e-2, epochs=5, step_epochs=1.0,
            decay="cosine", per_step=True,
        )  # fmt: skip

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z, logits whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the alignment with class bits, and the negative coding rate where it weighs."""
        given = [embedding] if batch.second is None else [embedding, batch.second]
        views, labels = [z[: batch.known] for z in given], batch.labels[: batch.known]
        targets = [class_mean_bits(z, labels) for z in views][::-1]  # of the other view
        aligned = [
            binary_cross_entropy_with_logits(z, t) for z, t in zip(views, targets, strict=True)
        ]
        terms = {"alignment": torch.stack(aligned).mean()}
        if self.config.rate_weight:
            rate = torch.stack([self._coding_rate(z) for z in views]).mean()
            terms["coding_rate"] = -self.config.rate_weight * rate
        return terms

    def _coding_rate(self, z: Tensor) -> hq.Scalar:
        """Return (q + m)/(q·m) · ½·log det(I + q/(m·eps)·ZᵀZ) of m unit rows."""
        m, q = z.shape
        unit = normalize(z, dim=1)
        one = torch.eye(q, dtype=z.dtype, device=z.device)
        inner = one + q / (m * self.config.rate_error) * (unit.T @ unit)
        volume: Tensor = torch.linalg.slogdet(inner).logabsdet
        return (q + m) / (q * m) * volume / 2
