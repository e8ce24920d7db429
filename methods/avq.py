"""AVQ: product quantization whose errors along an item count eta times those across it.

R. Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization" (ScaNN),
ICML 2020: l = eta |r_par|² + |r_orth|², r = x - x^, r_par its part along x. As ScaNN does, codes
start at the nearest words and go down book by book, the largest error first; words are least
squares in closed form, here book by book too. Labels are not used.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq

CHUNK = 2048  # items whose errors to all words are held at once


class AVQ(hq.Method):
    """Codebooks of unit embeddings, started from those of PQ; scores are inner products."""

    name = "avq"
    display = hq.Name("AVQ of the float embedding", short="AVQ (float emb.)")
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="Accelerating Large-Scale Inference with Anisotropic Vector Quantization",
        authors="Ruiqi Guo, Philip Sun, Erik Lindgren, Quan Geng, David Simcha, Felix Chern, "
        "Sanjiv Kumar",
        venue="ICML",
        year=2020,
        url="https://arxiv.org/abs/1908.10396",
    )

    @dataclass(frozen=True)
    class Config:
        """The weight, and the length of learning."""

        #: weight of an error along the item; 1: PQ. The paper's threshold T of cosines gives
        #: (D - 1) T² / (1 - T²): T = 0.2 is 4 at D = 100 and 21 at 512, where 0.07 gives 2.5
        eta: Annotated[float, hq.Range(1)] = 2.5
        rounds: hq.Natural = 10  #: most passes over all books when an item is coded
        iterations: hq.Natural = 10  #: of codes and words in turn

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(in_features, budget.subspaces) // budget.subspaces
        self.words = nn.Buffer(torch.zeros(budget.subspaces, budget.codewords, size))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Learn PQ from a seed of torch's generator, then change codes and words in turn.

        Of more than 256 images a word, as many are drawn: those that k-means would look at.
        """
        seed, x = int(torch.randint(2**31 - 1, ())), self(features)
        m, k = self.budget.subspaces, self.budget.codewords
        self.words.copy_(hq.learn_pq(x, m, k, seed))
        x = x[torch.randperm(len(x))[: 256 * k].sort().values.to(x.device)]
        if self.config.eta > 1:  # 1: k-means has done it
            for _ in range(self.config.iterations):
                self.words.copy_(self._solved(x, self.assign(x)))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return unit embeddings, with zero columns where M does not divide their size."""
        return hq.pad_columns(normalize(features.float(), dim=1), self.budget.subspaces)

    def codebooks(self) -> hq.Codebooks:
        """Return the learned words."""
        return self.words

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the words at which no book alone can lower the loss; of eta = 1 the nearest."""
        nearest = super().assign(embedding)
        if self.config.eta == 1:
            return nearest
        parts = zip(torch.split(embedding, CHUNK), torch.split(nearest, CHUNK), strict=True)
        return torch.cat([self._descended(x, codes) for x, codes in parts])

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the inner products of sub-vectors, not quantized, with all words."""
        return torch.einsum("qms,mks->qmk", self._parts(embedding), self.words)

    def _parts(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.budget.subspaces, -1)  # (n, m, s)

    def _descended(self, x: Tensor, codes: Tensor) -> Tensor:
        """Choose a book's word anew while the other books keep theirs, until none changes.

        With a the part of r along x that the others leave, |r_m|² + (eta - 1)(a + <r_m, x_m>)².
        """
        parts, unit = self._parts(x), self._parts(normalize(x, dim=1))
        inner = torch.einsum("nms,mks->nmk", parts, self.words)
        square = parts.square().sum(2, keepdim=True) - 2 * inner + self.words.square().sum(2)
        along = (parts * unit).sum(2, keepdim=True)
        along = along - torch.einsum("nms,mks->nmk", unit, self.words)  # <r_m, x_m / |x|>
        rows, codes = torch.arange(len(x), device=x.device), codes.clone()
        order = (
            square.gather(2, codes[:, :, None])
            .squeeze(2)
            .argsort(dim=1, descending=True, stable=True)
        )
        for _ in range(self.config.rounds):
            before = codes.clone()
            for m in order.T:  # each item's own book
                chosen = along.gather(2, codes[:, :, None]).squeeze(2)
                chosen[rows, m] = 0.0
                others = chosen.sum(dim=1, keepdim=True)
                cost = square[rows, m] + (self.config.eta - 1) * (others + along[rows, m]).square()
                codes[rows, m] = cost.argmin(dim=1)
            if torch.equal(codes, before):
                break
        return codes

    def _solved(self, x: Tensor, codes: Tensor) -> Tensor:
        """Return the words that lower the loss of these codes the most, one book after another.

        Of a word's items (n I + (eta - 1) sum u u') c = sum x_m + (eta - 1) sum (a + <x_m, u>) u,
        u = x_m / |x|; a word without items stays as it is.
        """
        parts, words = self._parts(x.double()), self.words.double().clone()
        unit, eta = self._parts(normalize(x.double(), dim=1)), self.config.eta
        books = torch.arange(len(words), device=x.device)
        along = ((parts - words[books, codes]) * unit).sum(dim=2)  # (n, m)
        eye = torch.eye(words.shape[2], dtype=words.dtype, device=x.device)
        for m in range(len(words)):
            along[:, m] = 0.0
            target = along.sum(dim=1) + (parts[:, m] * unit[:, m]).sum(dim=1)
            for k in torch.unique(codes[:, m]).tolist():
                mine = codes[:, m] == k
                u, mean = unit[mine, m], parts[mine, m].sum(dim=0)
                left = len(u) * eye + (eta - 1) * u.T @ u
                words[m, k] = torch.linalg.solve(left, mean + (eta - 1) * target[mine] @ u)
            along[:, m] = ((parts[:, m] - words[m, codes[:, m]]) * unit[:, m]).sum(dim=1)
        return words
