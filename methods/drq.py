"""DRQ: deep recurrent quantization, sums of words of one book, scaled anew at every level.

J. Song, X. Zhu, L. Gao, X.-S. Xu, W. Liu, H. T. Shen, "Deep Recurrent Quantization for Generating
Sequential Binary Codes", IJCAI 2019. Follows github.com/cfm-uestc/DRQ @85deaee: a margin between
cosines to classes and semi-hard triplets train the network; a book and a factor a level are trained
after it, the first level before the others. Quantization never reaches the network.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq

MARGIN_SIZE, FREE_SIZE = 300, 212  # values that the margin sees, and those that it does not


class DRQ(hq.Method):
    """Linear to 512 values, a prototype a class, one book and a factor a level."""

    name = "drq"
    display = hq.Name("DRQ", words={
        "start=normal": "words started small", "normalise=False": "of any length"})  # fmt: skip
    family = hq.Additive()
    prefix = True  # the first levels' words are the code of a shorter length
    kind = "triplets"
    sampling = "balanced"
    paper_batch = 16
    head_terms = ("words",)
    reference = hq.Reference(
        title="Deep Recurrent Quantization for Generating Sequential Binary Codes",
        authors="Jingkuan Song, Xiaosu Zhu, Lianli Gao, Xin-Shun Xu, Wu Liu, Heng Tao Shen",
        venue="IJCAI",
        year=2019,
        url="https://arxiv.org/abs/1906.06699",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings where nothing else is said."""

        triplet_margin: hq.Positive = 2.5  #: between squared distances of unit vectors
        hard_weight: hq.NonNegative = 1.0  #: mu, of the hard sums' squared errors
        joint_weight: hq.NonNegative = 0.1  #: nu, of those between both sums at the last level
        words_from: Annotated[float, hq.Range(0, below=1)] = 0.5  #: share of epochs without words
        levels_from: Annotated[float, hq.Range(0, below=1)] = 0.75  #: before more than one level
        normalise: bool = True  #: the embedding has unit length, as in triplets (the code: false)
        scale: hq.Positive = 10.0  #: of cosines before the softmax (the code: 1)
        #: words: k-means of embeddings and what it leaves | N(0, 0.01²), as factors (the code)
        start: Annotated[str, hq.OneOf("kmeans", "normal")] = "kmeans"

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.project = nn.Linear(in_features, FREE_SIZE + MARGIN_SIZE)
        # Paper: vectors of the classes' words, which do not learn.
        self.prototypes = nn.Parameter(torch.randn(num_classes, MARGIN_SIZE))
        self.words = nn.Parameter(0.01 * torch.randn(budget.codewords, FREE_SIZE + MARGIN_SIZE))
        small = 0.01 * torch.randn(budget.subspaces)
        self.factors = nn.Parameter(small if config.start == "normal" else torch.ones_like(small))

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Adam at a constant rate (the code: for the words; SGD at 0.01 otherwise)."""
        return hq.Recipe(optimizer="adam", lr=1e-4, weight_decay=0.0, epochs=64, step_factor=1.0)

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them before the words' first step, to start from k-means."""
        return self.config.start == "kmeans" and epoch == int(self.config.words_from * epochs)

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Start from k-means of embeddings and of what it leaves, made as long as they are.

        A level's factor is that share of the last one's. Fewer images than words change nothing.
        """
        pool, k = embedding, len(self.words)
        for seed in range(2 if len(embedding) >= k else 0):
            self.words.copy_(hq.learn_pq(pool, 1, k, seed)[0])
            left = embedding - self.words[torch.cdist(embedding, self.words).argmin(dim=1)]
            share = (left.square().sum() / embedding.square().sum()).sqrt().clamp(1e-3, 1)
            pool = torch.cat([embedding, left / share])
            self.factors.copy_(share ** torch.arange(len(self.factors), device=share.device))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return X: 212 values, and 300 whose tanh the margin sees."""
        x: Tensor = self.project(features.float())
        return normalize(x, dim=1) if self.config.normalise else x

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the margin, the triplets, and the words' errors, of which no network learns."""
        x, labels = embedding[: batch.known], batch.labels[: batch.known]
        return {
            "margin": self._margin(x[:, FREE_SIZE:].tanh(), labels),
            "triplet": self._triplets(normalize(x, dim=1), hq.batch_pairs(batch)),
            "words": self._distortion(x.detach(), batch),
        }

    @property
    def codebook_bytes(self) -> int:
        """Bytes of the one book, and of a factor a level."""
        return 4 * (self.words.numel() + self.factors.numel())

    def codebooks(self) -> hq.Codebooks:
        """Return the book times each level's factor."""
        return self.factors[:, None, None] * self.words

    @torch.no_grad()
    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the words that are nearest level by level, which no later level changes."""
        # Paper: of the largest cosine, whatever a word's length.
        return hq.beam_codes(embedding, self.codebooks(), 1)

    def _distortion(self, x: Tensor, batch: hq.Batch) -> hq.Scalar:
        soft = hard = x.new_zeros(len(x), len(self.factors), x.shape[1])  # until words learn
        if batch.epoch >= int(self.config.words_from * batch.epochs):
            books, size = self.codebooks(), x.shape[1]
            # D times the gradient, of lengths and not of means: else any weight decay outweighs it.
            books = size * books - (size - 1) * books.detach()
            soft, hard = hq.level_sums(x, books, self.assign(x), self.config.scale)
        if batch.epoch < int(self.config.levels_from * batch.epochs):  # then in turn in the code
            soft, hard = soft[:, :1], hard[:, :1]
        each = (x[:, None] - soft).square() + (x[:, None] - hard).square() * self.config.hard_weight
        joint = (soft[:, -1] - hard[:, -1]).square() * self.config.joint_weight
        return torch.mean(each.sum(dim=1) + joint)

    def _margin(self, x: Tensor, labels: hq.Labels) -> hq.Scalar:
        """Return the hinge of 1 - cos(v_y, v_j) - cos(x, v_y) + cos(x, v_j) over classes j."""
        vectors = normalize(self.prototypes, dim=1)
        cosines = normalize(x, dim=1) @ vectors.T
        # What is asked of x must not draw the classes together.
        asked = (1 - vectors @ vectors.T).detach()[labels]
        hinge = (asked - cosines.gather(1, labels[:, None]) + cosines).relu()
        # Paper: the mean over all classes, whose number would weaken it.
        return (hinge.sum(dim=1) / (hinge > 1e-6).sum(dim=1).clamp_min(1)).mean()

    def _triplets(self, unit: Tensor, pairs: hq.Pairs) -> hq.Scalar:
        """Return the mean [margin + d_ap - d_an]_+: n the nearest beyond p, else the farthest."""
        d = 2 - 2 * unit @ unit.T
        farther = pairs.other[:, None] & (d[:, None] > d[:, :, None])  # (anchor, positive, n)
        nearest = torch.where(farther, d.detach()[:, None], torch.inf).argmin(dim=2)
        farthest = torch.where(pairs.other, d.detach(), -1.0).argmax(dim=1, keepdim=True)
        negative = d.gather(1, torch.where(farther.any(dim=2), nearest, farthest))
        mine = pairs.same & pairs.other.any(dim=1, keepdim=True)
        cost = (d - negative + self.config.triplet_margin).relu()
        return torch.sum(cost * mine) / mine.sum().clamp_min(1)
