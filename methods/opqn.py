"""OPQN: product quantization onto fixed orthonormal codewords, with cosine-margin losses.

Zhang, Zhe, Yan, Pattern Recognition 141, 2023. Each sub-vector x_m is projected to K logits, whose
softmax p_m mixes the codewords of book m into s_m = C_m p_m. The columns of C_m are orthonormal,
so the look-up table <s_m, c_mk> of a query is p_mk itself and no codeword is needed to search.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

import hashquant.api as hq


def dct_codebooks(subspaces: int, codewords: int, size: int) -> Tensor:
    """Return float64 books C_1 = A[:, :K], C_(m+1) = A·C_m, codewords as columns (m, s, k).

    A is the orthonormal DCT-II basis of R^size, one basis vector a column.

    >>> book = dct_codebooks(2, 3, 4)[1]
    >>> torch.allclose(book.T @ book, torch.eye(3, dtype=book.dtype))
    True

    Raises:
        BudgetError: if K exceeds the sub-vector size d: R^d holds at most d orthonormal vectors.
    """
    if codewords > size:
        limit = f"sub-vector size ({size}) to be orthonormal"
        raise hq.BudgetError(f"codewords a book must be at most the {limit}, got {codewords}")
    grid = torch.arange(size, dtype=torch.float64)
    basis = math.sqrt(2 / size) * torch.cos(torch.outer(grid + 0.5, grid) * math.pi / size)
    basis[:, 0] = math.sqrt(1 / size)
    powers = [torch.linalg.matrix_power(basis, m) for m in range(1, subspaces + 1)]
    return torch.stack(powers)[:, :, :codewords]  # A·A[:, :K] = A²[:, :K], and so on


class OPQN(hq.Method):
    """Projections and class weights per subspace; the codewords stay as they were built."""

    name = "opqn"
    display = hq.Name("OPQN", words={
        "entropy_weight=0.0": "without the entropy term", "loss_on": "loss on {} only",
        "codebooks": "{} codewords"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    reference = hq.Reference(
        title="Orthonormal Product Quantization Network for Scalable Face Image Retrieval",
        authors="Ming Zhang, Xuefei Zhe, Hong Yan", year=2023,
        venue="Pattern Recognition 141, 109671", url="https://arxiv.org/abs/2107.00327",
    )  # fmt: skip

    @dataclass(frozen=True)
    class Config:
        """The paper's settings for 32-pixel faces (VGGFace2 at 112 pixels: scale 40)."""

        margin: Annotated[float, hq.Range(0, 2)] = 0.5  #: m0, taken from the true cosine
        scale: hq.Positive = 20.0  #: s, multiplies the cosines
        entropy_weight: hq.NonNegative = 0.1  #: mu, weight of the mean entropy of p (nats)
        #: margin loss on sub-vectors x, soft codes s, or the mean of both
        loss_on: Annotated[str, hq.OneOf("both", "x", "s")] = "both"
        #: learned ones are trained, random ones fixed and of unit length
        codebooks: Annotated[str, hq.OneOf("orthonormal", "learned", "random")] = "orthonormal"
        feature_rule: Annotated[str, hq.OneOf("auto", "square")] = "auto"  #: square: D = M·K
        #: Xavier on the whole 3-D tensor, as the paper's code | per-book
        init: Annotated[str, hq.OneOf("opqn3d", "per-book")] = "opqn3d"
        #: at search x_m is L2-normalised, as the paper's code | raw
        query_norm: Annotated[str, hq.OneOf("unit", "raw")] = "unit"
        #: the look-up table holds softmax probabilities | logits
        score: Annotated[str, hq.OneOf("prob", "logit")] = "prob"

        def agree(self) -> None:
            """Refuse a loss that would not reach the codewords that it is to learn."""
            if (self.codebooks, self.loss_on) == ("learned", "x"):
                raise hq.UsageError("loss_on must be both or s with codebooks=learned, got 'x'")

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size, rest = divmod(in_features, books := budget.subspaces)
        if rest:
            raise hq.BudgetError(f"features must be a multiple of {books} books, got {in_features}")
        words = normalize(torch.randn(books, size, budget.codewords), dim=1)
        if config.codebooks == "orthonormal":
            words = dct_codebooks(books, budget.codewords, size).float()
        # (m, s, k); fixed codewords are a buffer, out of reach of weight decay
        self.codewords = (nn.Parameter if config.codebooks == "learned" else nn.Buffer)(words)
        self.projection = nn.Parameter(torch.empty(books, size, budget.codewords))
        self.class_weight = nn.Parameter(torch.empty(books, num_classes, size))
        for weight in (self.projection, self.class_weight):
            for tensor in (weight,) if config.init == "opqn3d" else tuple(weight):
                nn.init.xavier_uniform_(tensor)

    @classmethod
    def feature_size(cls, config: Config, budget: hq.CodeBudget, default: int) -> int:
        """Return D: at least M·K and a multiple of M (512 becomes 516 for six books)."""
        books, size = budget.subspaces, budget.subspaces * budget.codewords
        size = size if config.feature_rule == "square" else max(default, size)
        return math.ceil(size / books) * books

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule for 32-pixel faces: SGD, halved every 35 of 200 epochs."""
        return hq.Recipe(lr=0.1, momentum=0.9, weight_decay=5e-4, epochs=200, step_epochs=35.0)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the trunk's output: its sub-vectors are what is quantized."""
        return features.float()

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return 1/2 (L_x + L_s) + mu·L_ent by term; x and s share their class weights."""
        labels, parts = batch.labels[: batch.known], self._parts(embedding[: batch.known])
        log_p = self._logits(parts).log_softmax(dim=2)
        soft = torch.einsum("nmk,msk->nms", log_p.exp(), self.codewords)
        on = {"x": parts, "s": soft}
        used = "xs" if self.config.loss_on == "both" else self.config.loss_on
        terms = {f"margin_{key}": self._margin_loss(on[key], labels) / len(used) for key in used}
        return terms | {
            "entropy": -self.config.entropy_weight * (log_p.exp() * log_p).sum(2).mean()
        }

    def codebooks(self) -> hq.Codebooks:
        """Return the codewords as rows."""
        return self.codewords.transpose(1, 2)

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the arg-max of the projections: the codeword that p_m leans to."""
        return self._logits(self._parts(embedding)).argmax(dim=2)

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return p_mk = <s_m, c_mk> of the unit x_m (trained: raw), or as the settings say."""
        x = self._parts(embedding)
        logits = self._logits(normalize(x, dim=2) if self.config.query_norm == "unit" else x)
        return logits.softmax(dim=2) if self.config.score == "prob" else logits

    def _parts(self, embedding: hq.Embedding) -> Tensor:
        return embedding.reshape(len(embedding), self.budget.subspaces, -1)  # (n, m, s)

    def _logits(self, parts: Tensor) -> Tensor:
        return torch.einsum("nms,msk->nmk", parts, self.projection)

    def _margin_loss(self, parts: Tensor, labels: hq.Labels) -> hq.Scalar:
        weight = normalize(self.class_weight, dim=2)
        cosine = torch.einsum("nms,mcs->nmc", normalize(parts, dim=2), weight).clamp(-1, 1)
        target = one_hot(labels, self.num_classes)[:, None].to(cosine.dtype)  # (n, 1, c)
        logits = self.config.scale * (cosine - self.config.margin * target)
        return cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(parts.shape[1]))
