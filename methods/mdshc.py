"""MDSHC: centres with a guaranteed least distance, and a likelihood of each class for or against.

L. Wang et al., "Deep Hashing with Minimal-Distance-Separated Hash Centers", CVPR 2023. Follows
github.com/Wangld5/Center-Hashing @5c28ab5. There an augmented Lagrangian moves centres to the
Gilbert-Varshamov distance; the words of a linear code, taken here, lie farther apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, softplus

import hashquant.api as hq


def log_complement(logits: Tensor) -> Tensor:
    """Return log(1 - p) of each class's softmax probability p, at least two classes.

    Only the largest p can be near 1: what is left of it is summed up from the others.

    >>> log_complement(torch.tensor([[200.0, 0.0]]))[0, 0]
    tensor(-200.)
    """
    top = logits.argmax(dim=1, keepdim=True)
    p = logits.softmax(dim=1).scatter(1, top, 0)
    rest = logits.scatter(1, top, -torch.inf).logsumexp(dim=1, keepdim=True)
    return torch.log1p(-p).scatter(1, top, rest - logits.logsumexp(dim=1, keepdim=True))


class MDSHC(hq.Method):
    """Linear, batch norm and tanh to q bits; a moving average of the network fills a bank."""

    name = "mdshc"
    display = hq.Name("MDSHC", words={
        "centers": "{} centres", "pair_weight=0.0": "without the pair term",
        "over_classes=True": "class term divided by C"})  # fmt: skip
    family = hq.Binary()
    kind = "centres"
    paper_batch = 64
    reference = hq.Reference(
        title="Deep Hashing with Minimal-Distance-Separated Hash Centers",
        authors="Liangdao Wang, Yan Pan, Cong Liu, Hanjiang Lai, Jian Yin, Ye Liu",
        venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
        year=2023,
        url="https://github.com/Wangld5/Center-Hashing",
    )

    @dataclass(frozen=True)
    class Config:
        """The released code's settings."""

        #: code | bernoulli | hadamard
        centers: Annotated[str, hq.OneOf("code", "bernoulli", "hadamard")] = "code"
        center_seed: hq.Natural = 0  #: seed of centres that are drawn
        over_classes: bool = False  #: the class term is a mean over images | true: and classes
        #: of pairs with the bank; 0 keeps neither bank nor average
        pair_weight: hq.NonNegative = 1.0
        pair_epoch: hq.Natural = 9  #: epoch, from 0, at which the pair term comes in
        #: decay a step of the average that fills the bank; 0: the network itself does
        momentum: hq.Decay = 0.9
        quantization_weight: hq.NonNegative = 1e-4  #: of the mean of (|u| - 1)²

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        linear = nn.Linear(in_features, budget.bits)
        nn.init.normal_(linear.weight, std=0.01)
        self.hash = nn.Sequential(linear, nn.BatchNorm1d(budget.bits), nn.Tanh())
        centers = hq.draw_centers(config.centers, num_classes, budget.bits, config.center_seed)
        self.centers = nn.Buffer(centers)

    @property
    def hash_centers(self) -> Tensor:
        """The centre of each class."""
        return self.centers

    @property
    def average_decay(self) -> float:
        """The twin's momentum; none is kept where there is no pair term."""
        return float(self.config.momentum) if self.config.pair_weight else 0.0

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule: RMSprop at a constant 1e-5, gradients cut to length 5."""
        return hq.Recipe(
            optimizer="rmsprop", lr=1e-5, momentum=0.0, weight_decay=1e-5, epochs=1000,
            step_epochs=500.0, step_factor=1.0, clip_norm=5.0,
        )  # fmt: skip

    def training_state(self, images: int, classes: int) -> Mapping[str, hq.TensorSpec]:
        """Return the bank of the average's embeddings, and their labels: -1, not seen."""
        if not self.config.pair_weight:
            return {}
        bank = hq.TensorSpec((images, self.budget.bits), torch.float16)
        return {"bank": bank, "label": hq.TensorSpec((images,), torch.int64, -1)}

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return u, values within -1 and 1 whose signs are the bits."""
        hashed: Tensor = self.hash(features.float())
        return hashed

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return L_C + weight·L_P + weight·(|u| - 1)² by term."""
        u, config = embedding[: batch.known], self.config
        terms = {"center": self._class_term(u, batch.labels[: batch.known])}
        if config.pair_weight and self.state:
            self._remember(embedding, batch)
            if batch.epoch >= config.pair_epoch:
                terms["pair"] = config.pair_weight * self._pair_term(u, batch)
        if config.quantization_weight:
            terms["quantization"] = config.quantization_weight * (u.abs() - 1).square().mean()
        return terms

    def _class_term(self, u: Tensor, labels: hq.Labels) -> hq.Scalar:
        # sqrt(q)·cos(u, c), and the length of c is sqrt(q) itself.
        logits = normalize(u, dim=1) @ self.centers.T
        cost = cross_entropy(logits, labels)
        if self.num_classes > 1:
            others = log_complement(logits).scatter(1, labels[:, None], 0)
            cost = cost - others.sum(dim=1).mean()
        # Paper: its code takes the mean over classes too, which leaves this term 1/C of its weight.
        return cost / self.num_classes if self.config.over_classes else cost

    def _remember(self, embedding: Tensor, batch: hq.Batch) -> None:
        twin = embedding.detach() if batch.teacher is None else batch.teacher
        rows = batch.indices[: batch.known]
        self.state["bank"][rows] = twin[: batch.known].half()
        self.state["label"][rows] = batch.labels[: batch.known]

    def _pair_term(self, u: Tensor, batch: hq.Batch) -> hq.Scalar:
        # Paper: its bank begins with random labels; here rows count from when they were seen.
        labels, rows = batch.labels[: batch.known], batch.indices[: batch.known]
        (others,) = torch.isin(self.state["label"], labels).nonzero(as_tuple=True)
        bank = normalize(self.state["bank"][others].to(u.dtype), dim=1)
        pairs = hq.pairs_of(labels, self.state["label"][others], rows[:, None] == others)
        cosine = (normalize(u, dim=1) @ bank.T)[pairs.same]
        return softplus((1 - cosine) / 2).sum() / max(len(cosine), 1)
