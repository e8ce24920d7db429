"""DPgQ: deep progressive quantization, sums of words of which every beginning is a code.

L. Gao, X. Zhu, J. Song, Z. Zhao, H. T. Shen, "Beyond Product Quantization: Deep Progressive
Quantization for Image Retrieval", IJCAI 2019. Follows github.com/cfm-uestc/DPQ @a2a9903 (not DPQ
of Klein and Wolf): a margin between cosines to classes and a classifier train the network, words
are trained in the second half, level by level on what the levels before leave, by soft and hard
sums alike; quantization never reaches the network there, and so not here.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

import hashquant.api as hq


class DPgQ(hq.Method):
    """Linear to tanh, a classifier beside it, a prototype a class, and a book a level."""

    name = "dpgq"
    display = hq.Name("DPgQ", words={
        "prototypes=fixed": "fixed prototypes", "classes=all": "margins over all classes",
        "nearest=cosine": "words by cosine", "start=normal": "words started small"})  # fmt: skip
    family = hq.Additive()
    prefix = True  # the first books' words are the code of a shorter length
    kind = "classification"
    head_terms = ("words",)
    reference = hq.Reference(
        title="Beyond Product Quantization: Deep Progressive Quantization for Image Retrieval",
        authors="Lianli Gao, Xiaosu Zhu, Jingkuan Song, Zhou Zhao, Heng Tao Shen",
        venue="IJCAI",
        year=2019,
        url="https://arxiv.org/abs/1906.06698",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings where nothing else is said."""

        class_weight: hq.NonNegative = 0.1  #: lambda, of the classifier's cross entropy
        hard_weight: hq.NonNegative = 1.0  #: mu, of the hard sums' squared errors
        joint_weight: hq.NonNegative = 0.1  #: nu, of those between both sums at the last level
        words_from: Annotated[float, hq.Range(0, below=1)] = 0.5  #: share of epochs without words
        size: hq.Count = 300  #: D, values of the embedding and of each word
        scale: hq.Positive = 10.0  #: of cosines before the softmax (the code: 1)
        #: k*: the word that leaves the least | of the largest cosine (the code)
        nearest: Annotated[str, hq.OneOf("distance", "cosine")] = "distance"
        #: words: k-means of residuals when they begin | N(0, 0.01²) (the code)
        start: Annotated[str, hq.OneOf("kmeans", "normal")] = "kmeans"
        #: class vectors are trained | stay as drawn (the code's are of the classes' words)
        prototypes: Annotated[str, hq.OneOf("learned", "fixed")] = "learned"
        #: a margin is the mean over classes that violate it | over all (the code)
        classes: Annotated[str, hq.OneOf("violated", "all")] = "violated"

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.project = nn.Linear(in_features, config.size)
        self.classifier = nn.Linear(in_features, num_classes)
        drawn = torch.randn(num_classes, config.size)
        learned = config.prototypes == "learned"
        self.prototypes = nn.Parameter(drawn) if learned else nn.Buffer(drawn)
        words = 0.01 * torch.randn(budget.subspaces, budget.codewords, config.size)
        self.words = nn.Parameter(words)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Adam at a constant rate."""
        # Paper: Adam for the words alone, SGD of the same rate for the network, both to 0.9 every
        # 10,000 steps: more than its 64 epochs have.
        return hq.Recipe(optimizer="adam", lr=1e-4, weight_decay=0.0, epochs=64, step_factor=1.0)

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them before the words' first step, to start from k-means."""
        return self.config.start == "kmeans" and epoch == int(self.config.words_from * epochs)

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Start the words level by level; from fewer images than words they stay as drawn."""
        m, k, _ = self.words.shape
        if len(embedding) >= k:
            seed = int(torch.randint(2**31 - 1, ()))
            self.words.copy_(hq.learn_rq(embedding, m, k, seed, beam=1))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return X = tanh of a linear layer."""
        return torch.tanh(self.project(features.float()))

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the margin and lambda·CE, and the words' errors, of which no network learns.

        Until words begin to learn, theirs is what sums of no words would leave.
        """
        x, labels = embedding[: batch.known], batch.labels[: batch.known]
        logits = self.classifier(batch.features[: batch.known].to(x.dtype))
        started = batch.epoch >= int(self.config.words_from * batch.epochs)
        return {
            "margin": self._margin(x, labels),
            "class": self.config.class_weight * cross_entropy(logits, labels),
            "words": self._distortion(x.detach(), started=started),
        }

    def codebooks(self) -> hq.Codebooks:
        """Return the trained words, as long as X."""
        return self.words

    @torch.no_grad()
    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the words that are chosen level by level, which no later level changes."""
        if self.config.nearest == "distance":
            return hq.beam_codes(embedding, self.words, 1)
        left, codes = embedding.double(), []
        for book in self.words.double():
            codes.append((left @ normalize(book, dim=1).T).argmax(dim=1))
            left = left - book[codes[-1]]
        return torch.stack(codes, dim=1)

    def levels(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the soft and the hard sum of every level, (n, m, e) each."""
        size = x.shape[1]
        # D times the gradient, of lengths and not of means: else any weight decay outweighs it.
        books = size * self.words - (size - 1) * self.words.detach()
        return hq.level_sums(x, books, self.assign(x), self.config.scale)

    def _distortion(self, x: Tensor, *, started: bool) -> hq.Scalar:
        none = x.new_zeros(len(x), len(self.words), x.shape[1])
        soft, hard = self.levels(x) if started else (none, none)
        each = (x[:, None] - soft).square() + (x[:, None] - hard).square() * self.config.hard_weight
        joint = (soft[:, -1] - hard[:, -1]).square() * self.config.joint_weight
        return torch.mean(each.sum(dim=1) + joint)

    def _margin(self, x: Tensor, labels: hq.Labels) -> hq.Scalar:
        """Return the hinge of 1 - cos(v_y, v_j) - cos(x, v_y) + cos(x, v_j) over classes j."""
        vectors = normalize(self.prototypes, dim=1)
        cosines = normalize(x, dim=1) @ vectors.T
        # Paper: v stays; a gradient for what is asked of x would draw the classes together.
        asked = (1 - vectors @ vectors.T).detach()[labels]
        hinge = (asked - cosines.gather(1, labels[:, None]) + cosines).relu()
        if self.config.classes == "all":
            return hinge.mean()
        return (hinge.sum(dim=1) / (hinge > 1e-6).sum(dim=1).clamp_min(1)).mean()
