"""LDA + OPQ: discriminant axes of the float embedding from its labels, then product quantization.

Belhumeur, Hespanha, Kriegman, "Eigenfaces vs. Fisherfaces: Recognition Using Class Specific Linear
Projection", TPAMI 1997: the axes w of S_b w = lambda S_w w of the largest lambda, one fewer than
classes. Ge et al., CVPR 2013 for what follows. The cheapest supervised code of this suite: what of
a deep quantizer's gain do labels give that are looked at once, in closed form?
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq

LEAST = 1e-6  # of the mean variance, added to those within classes: of nothing there is no inverse


def discriminant_axes(x: Tensor, labels: Tensor, count: int, shrinkage: float) -> Tensor:
    """Return `count` axes (d, count) along which classes lie apart, the best first.

    Within classes their variances are 1 and they are uncorrelated, but for `shrinkage`: the share
    of S_w that is exchanged for as much variance, alike along all axes.

    >>> x = torch.tensor([[0.0, 0], [0, 2], [3, 1], [3, 3]]).double()
    >>> axis = discriminant_axes(x, torch.tensor([0, 0, 1, 1]), 1, 0.0)
    >>> bool(axis[0].abs() > 100 * axis[1].abs())
    True
    """
    size = x.shape[1]
    _, own, images = torch.unique(labels, return_inverse=True, return_counts=True)
    sums = x.new_zeros(len(images), size).index_add_(0, own, x)
    means = sums / images[:, None]
    inside, centre = x - means[own], x.mean(dim=0)
    within = inside.T @ inside / len(x)
    between = (images[:, None] * (means - centre)).T @ (means - centre) / len(x)
    even = within.trace() / size
    floor = (LEAST * (even + between.trace() / size)).clamp_min(torch.finfo(x.dtype).tiny)
    eye = torch.eye(size, dtype=x.dtype, device=x.device)
    variances, turned = torch.linalg.eigh(
        (1 - shrinkage) * within + (shrinkage * even + floor) * eye
    )
    whitened = turned / variances.sqrt()
    axes = torch.linalg.eigh(whitened.T @ between @ whitened)[1].flip(1)[:, :count]
    found: Tensor = whitened @ axes
    return found


class LDAOPQ(hq.Method):
    """Discriminant axes of unit embeddings, and OPQ of what they give, by faiss."""

    name = "ldaopq"
    display = hq.Name(
        "LDA and OPQ of the float embedding", short="LDA-OPQ (float emb.)",
        words={"unit=False": "of any length", "rounds": "{} rounds"},
    )  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=False)
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="Eigenfaces vs. Fisherfaces: Recognition Using Class Specific Linear Projection",
        authors="Peter N. Belhumeur, João P. Hespanha, David J. Kriegman",
        venue="IEEE Transactions on Pattern Analysis and Machine Intelligence 19(7), 711-720",
        year=1997,
        url="https://doi.org/10.1109/34.598228",
    )

    @dataclass(frozen=True)
    class Config:
        """No paper's: the two are not known to have been published together."""

        shrinkage: hq.Share = 0.1  #: share of S_w that is exchanged for even variance
        unit: bool = True  #: what LDA gives has unit length, so that distances are of angles
        rounds: hq.Count = 10  #: of OPQ: rotations found, each after 4 steps of k-means

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        axes = max(1, min(num_classes - 1, in_features))
        size = hq.padded_size(axes, budget.subspaces)
        self.mean = nn.Buffer(torch.zeros(in_features))
        self.axes = nn.Buffer(torch.eye(in_features, axes))
        self.rotation = nn.Buffer(torch.eye(axes, size))
        length = size // budget.subspaces
        self.words = nn.Buffer(torch.zeros(budget.subspaces, budget.codewords, length))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Learn axes from labelled images, then rotation and words from all, seeded by torch's."""
        seed = int(torch.randint(2**31 - 1, ()))
        unit, known = normalize(features.double(), dim=1), labels >= 0
        self.mean.copy_(unit[known].mean(dim=0))
        found = discriminant_axes(
            unit[known], labels[known], self.axes.shape[1], self.config.shrinkage
        )
        self.axes.copy_(found)
        m, k = self.budget.subspaces, self.budget.codewords
        x = self._discriminated(features)
        rotation, books = hq.learn_opq(x, m, k, seed, rounds=self.config.rounds)
        self.rotation.copy_(rotation)
        self.words.copy_(books)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the rotated discriminant values, of a size that M divides."""
        return self._discriminated(features) @ self.rotation

    def codebooks(self) -> hq.Codebooks:
        """Return the learned words; distances to them are squared, as PQ's."""
        return self.words

    def _discriminated(self, features: hq.Features) -> Tensor:
        y = (normalize(features.float(), dim=1) - self.mean) @ self.axes
        return normalize(y, dim=1) if self.config.unit else y
