"""JPQ: codes stay as OPQ made them; the words they stand for and the queries are trained to rank.

J. Zhan, J. Mao, Y. Liu, J. Guo, M. Zhang, S. Ma, "Jointly Optimizing Query Encoder and Product
Quantization to Improve Retrieval Performance", CIKM 2021. Follows github.com/jingtaozhan/JPQ
@5c2fd80: each query searches the codes and of what it finds every wrong image above or below a
right one costs log(1 + e^(s- - s+)), times how much their exchange would change 1 / rank. There
the query's encoder is trained; here, on the frozen embedding, a linear map of it (W, from 0).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

import hashquant.api as hq


class JPQ(hq.Method):
    """OPQ of unit embeddings, whose indices are kept; queries meet x + xW and words of theirs."""

    name = "jpq"
    display = hq.Name("JPQ on the float embedding", short="JPQ (float emb.)", words={
        "rounds": "{} rounds", "top": "first {}", "cutoff": "ranks to {}"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "triplets"
    base = "float"
    paper_batch = 32
    reference = hq.Reference(
        title="Jointly Optimizing Query Encoder and Product Quantization to Improve Retrieval "
        "Performance",
        authors="Jingtao Zhan, Jiaxin Mao, Yiqun Liu, Jiafeng Guo, Min Zhang, Shaoping Ma",
        venue="CIKM",
        year=2021,
        url="https://arxiv.org/abs/2108.00644",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings, but for the scale and the pool, which it has not."""

        top: hq.Count = 200  #: images that a query finds among the training codes, and learns from
        cutoff: hq.Count = 10  #: last rank of which 1 / rank is not 0 (for passages: 200)
        scale: hq.Positive = 16.0  #: of scores in the cost (the code: 1, embeddings of any length)
        pool: hq.Natural = 8192  #: training codes that a step searches, drawn; the code: all (0)
        rounds: hq.Count = 10  #: of OPQ: rotations found, each after 4 steps of k-means

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(in_features, budget.subspaces)
        shape = budget.subspaces, budget.codewords, size // budget.subspaces
        self.rotation = nn.Buffer(torch.eye(in_features, size))
        self.coding = nn.Buffer(torch.randn(shape) / size**0.5)
        self.words = nn.Parameter(self.coding.clone())
        self.adapt = nn.Parameter(torch.zeros(size, size))

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return AdamW at a constant rate after a short rise."""
        # Paper: 5e-6 for a trained BERT and few books' words, 1e-4 for 48 books and more; 6 epochs.
        return hq.Recipe("adamw", 1e-4, weight_decay=0.0, step_factor=1.0, warmup_epochs=3.0)

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return the training images' codes, which never change, and labels (-1: none)."""
        codes = hq.TensorSpec((images, self.budget.subspaces), torch.int16)
        return {"codes": codes, "labels": hq.TensorSpec((images,), torch.int64, -1)}

    @torch.no_grad()
    def initialise(self, training: hq.TrainingSet) -> None:
        """Learn OPQ from a seed of torch's generator and code the training images by it.

        From fewer images than words these stay as drawn, and nothing is rotated.
        """
        if training.embeddings is None:
            return
        unit = normalize(training.embeddings.to(self.rotation.dtype), dim=1)
        m, k = self.budget.subspaces, self.budget.codewords
        if len(unit) >= k:
            seed = int(torch.randint(2**31 - 1, ()))
            rotation, books = hq.learn_opq(unit, m, k, seed, rounds=self.config.rounds)
            self.rotation.copy_(rotation)
            self.coding.copy_(books)
            self.words.copy_(books)
        if self.state:
            self.state["codes"].copy_(self.assign(unit @ self.rotation))
            self.state["labels"].copy_(training.labels)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return rotated unit embeddings, of a size that M divides."""
        return normalize(features.float(), dim=1) @ self.rotation

    def query_embedding(self, embedding: hq.Embedding) -> hq.Embedding:
        """Return x + xW."""
        return embedding + embedding @ self.adapt

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean cost of pairs of a right and a wrong image, weighed by their ranks."""
        query, labels = self.query_embedding(embedding[: batch.known]), batch.labels[: batch.known]
        codes, named, rows = self._gallery(embedding, batch)
        barred = (rows == batch.indices[: batch.known, None]) | (named < 0)
        with torch.no_grad():
            coded = self.words[torch.arange(codes.shape[1], device=codes.device), codes].flatten(1)
            order = (query @ coded.T).masked_fill(barred, -torch.inf)
            found = order.topk(min(self.config.top, len(codes)), dim=1).indices
        scores = self.query_table(query).gather(2, codes[found].transpose(1, 2)).sum(dim=1)
        same, told = named[found] == labels[:, None], ~barred.gather(1, found)
        first = min(self.config.cutoff, found.shape[1])  # of two images one is among these
        sign = (2 * same.to(scores.dtype) - 1) * told  # right 1, wrong -1, not compared 0
        turn = (sign[:, :first, None] - sign[:, None]) / 2 * told[:, :first, None] * told[:, None]
        rank = torch.arange(1, found.shape[1] + 1, device=scores.device)
        gain = (rank <= first) / rank.to(scores.dtype)
        weight = (gain[:first, None] - gain) * (rank > rank[:first, None]) * turn.abs()
        apart = turn * (scores[:, None] - scores[:, :first, None])  # wrong - right
        cost = weight * softplus(self.config.scale * apart)
        return {"rank": cost.sum() / weight.sum().clamp_min(torch.finfo(scores.dtype).tiny)}

    def codebooks(self) -> hq.Codebooks:
        """Return the words that queries meet."""
        return self.words

    @property
    def codebook_bytes(self) -> int:
        """Bytes of both sets of words."""
        return 4 * (self.words.numel() + self.coding.numel())

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the nearest of OPQ's words, as they were before training."""
        parts = embedding.reshape(len(embedding), *self.words.shape[::2]).transpose(0, 1)
        return torch.cdist(parts, self.coding).argmin(dim=2).T

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the inner products of an adapted query's sub-vectors with the trained words."""
        parts = embedding.reshape(len(embedding), *self.words.shape[::2])
        return torch.einsum("qms,mks->qmk", parts, self.words)

    def _gallery(self, embedding: Tensor, batch: hq.Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return codes, labels and rows of the images that are searched: the batch's if no more."""
        if not self.state:
            own = self.assign(embedding.detach())
            return own, batch.labels, batch.indices
        labels, pool = self.state["labels"], self.config.pool
        rows = torch.arange(len(labels), device=labels.device)
        if 0 < pool < len(rows):
            rows = torch.randperm(len(rows), device=labels.device)[:pool]
        return self.state["codes"][rows].long(), labels[rows], rows
