"""RepCONC: MoPQ's matching of coded images, with training codes that use all words alike.

J. Zhan, J. Mao, Y. Liu, J. Guo, M. Zhang, S. Ma, "Learning Discrete Representations via Constrained
Clustering for Effective and Efficient Dense Retrieval", WSDM 2022. Follows
github.com/jingtaozhan/RepCONC @64f3f8a: codes by Sinkhorn's algorithm in training, by the nearest
word at search; a chosen word's gradient goes to it and, unchanged, to the embedding. There 4,096
texts a step are balanced; here its images and a queue of those before them.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

import hashquant.api as hq

#: The least that a word may have before others give way, as an exponent and as a mass in float32.
FAR, LEAST = -60.0, 1e-30


def balance(cost: Tensor, start: Tensor, epsilon: float, sweeps: int) -> Tensor:
    """Return potentials g (k): Q = softmax_k((g - cost) / epsilon) gives all words like mass.

    `cost` is (n, k). Sinkhorn's row and column sweeps go on from `start`; what they find is taken
    into the exponent every 20 sweeps, so that float32 holds any `cost` / `epsilon`.
    """
    potentials, left = start, sweeps
    while left:
        logits = (potentials - cost) / epsilon
        kernel = (logits - logits.amax(dim=1, keepdim=True)).clamp_min(FAR).exp()
        scale = torch.ones_like(potentials)
        for _ in range(min(left, 20)):
            mass = (kernel @ scale).reciprocal() @ kernel
            scale = cost.shape[0] / cost.shape[1] / mass.clamp_min(LEAST)
        potentials = potentials + epsilon * scale.log()
        left -= min(left, 20)
    return potentials - potentials.mean()


class RepCONC(hq.Method):
    """Linear to an embedding of unit length, and trained codebooks."""

    name = "repconc"
    display = hq.Name("RepCONC", words={
        "queue": "queue of {}", "sweeps": "{} sweeps", "start": "words started {}"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "pairs"
    sampling = "balanced"
    paper_batch = 4096
    reference = hq.Reference(
        title="Learning Discrete Representations via Constrained Clustering for Effective and "
        "Efficient Dense Retrieval",
        authors="Jingtao Zhan, Jiaxin Mao, Yiqun Liu, Jiafeng Guo, Min Zhang, Shaoping Ma",
        venue="WSDM",
        year=2022,
        url="https://arxiv.org/abs/2110.05789",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings, but for scale and queue, which it has not."""

        scale: hq.Positive = 16.0  #: of inner products in the cross entropy of unit vectors
        epsilon: hq.Positive = 0.003  #: of Sinkhorn, for distances scaled to -1 … 1 in each book
        sweeps: hq.Natural = 10  #: a step, from where the last one ended (the code: 100 from 0)
        queue: hq.Natural = 4096  #: images of earlier steps that are balanced with a step's
        mse_weight: hq.NonNegative = 1e-4  #: of the mean |z - z^|²
        size: hq.Count = 128  #: D, values of the embedding, rounded up to a multiple of M
        #: words: k-means of the first embeddings (the code: OPQ's) | uniform within ±1/sqrt d
        start: Annotated[str, hq.OneOf("kmeans", "uniform")] = "kmeans"

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(config.size, budget.subspaces)
        self.project = nn.Linear(in_features, size)
        words = 2 * torch.rand(budget.subspaces, budget.codewords, size // budget.subspaces) - 1
        self.words = nn.Parameter(words / words.shape[2] ** 0.5)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return AdamW at a constant rate, without decay."""
        # Paper: 2e-5 for a trained BERT, 5e-4 for words; 1e-3 for both is MoPQ's, epochs DPQ's.
        return hq.Recipe(optimizer="adamw", lr=1e-3, weight_decay=0.0, epochs=160, step_factor=1.0)

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return the queue (not filled: NaN), and what each word's use is pushed by."""
        m, k, size = self.words.shape[0], self.words.shape[1], self.project.out_features
        specs, length = {"potentials": hq.TensorSpec((m, k))}, min(self.config.queue, images)
        queue = hq.TensorSpec((length, size), fill=float("nan"))
        return specs | {"queue": queue} if length else specs

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them before the first step, to start from k-means."""
        return epoch == 0 and self.config.start == "kmeans"

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Start the words from k-means; from fewer images than words they stay as drawn."""
        if len(embedding) >= self.budget.codewords:
            seed, (m, k, _) = int(torch.randint(2**31 - 1, ())), self.words.shape
            self.words.copy_(hq.learn_pq(embedding, m, k, seed))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z of unit length, query and gallery alike."""
        return normalize(self.project(features.float()), dim=1)

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the matching of raw with coded images, and the mean squared error."""
        z, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        codes = self._balanced_codes(z.detach())
        words = self.words[torch.arange(len(self.words), device=z.device), codes].flatten(1)
        coded = words + z - z.detach()
        logits = self.config.scale * z @ coded.T
        none = torch.finfo(logits.dtype).min / 4  # finite, unlike the gradient of no logarithm
        others = torch.where(pairs.other, logits, none).logsumexp(dim=1, keepdim=True)
        cost = softplus(others - logits)
        terms = {"coded": (cost * pairs.same).sum() / pairs.same.sum().clamp_min(1)}
        if self.config.mse_weight:
            terms["mse"] = self.config.mse_weight * (z - words).square().sum(dim=1).mean()
        return terms

    def codebooks(self) -> hq.Codebooks:
        """Return the trained words; a code is the nearest ones."""
        return self.words

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the inner products of raw sub-vectors with all words."""
        parts = embedding.reshape(len(embedding), self.budget.subspaces, -1)
        return torch.einsum("qms,mks->qmk", parts, self.words)

    @torch.no_grad()
    def _balanced_codes(self, z: Tensor) -> Tensor:
        """Return words of which each is chosen alike among these rows and the queue."""
        state, (m, k, _) = self.state if self.training else {}, self.words.shape
        queue = state.get("queue", z[:0])
        pool = torch.cat([z, queue[queue[:, 0].isfinite()].to(z.dtype)])
        cost = torch.cdist(pool.reshape(len(pool), m, -1).transpose(0, 1), self.words).square()
        low, high = cost.amin(dim=(1, 2), keepdim=True), cost.amax(dim=(1, 2), keepdim=True)
        cost = (2 * cost - low - high) / (high - low).clamp_min(LEAST)  # within -1 … 1
        start = state.get("potentials", z.new_zeros(m, k)).to(z.dtype)
        how = self.config.epsilon, self.config.sweeps
        potentials = torch.stack([balance(c, g, *how) for c, g in zip(cost, start, strict=True)])
        if state:
            state["potentials"].copy_(potentials)
            queue[: len(pool)] = pool[: len(queue)].to(queue.dtype)
        return (potentials[:, None] - cost)[:, : len(z)].argmax(dim=2).T
