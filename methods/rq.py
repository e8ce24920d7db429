"""RQ: the float embedding as a sum of codewords of full length, each of what the others leave.

Chen, Guan, Wang, "Approximate Nearest Neighbor Search by Residual Vector Quantization", Sensors
2010. Words are k-means centres of residuals; a code is found by a beam search; the score is the
inner product <q, sum_m c_m[b_m]>. Labels are not used.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class RQ(hq.Method):
    """Words of unit embeddings, learned by faiss, encoded here; tables are the default's."""

    name = "rq"
    display = hq.Name("RQ of the float embedding", short="RQ (float emb.)", words={
        "beam": "beam of {}", "learning_beam": "learned in a beam of {}"})  # fmt: skip
    family = hq.Additive()
    kind = "fitted"
    base = "float"
    closed_form = True
    prefix = True  # each book's words are of what the books before it leave
    reference = hq.Reference(
        title="Approximate Nearest Neighbor Search by Residual Vector Quantization",
        authors="Yongjian Chen, Tao Guan, Cheng Wang",
        venue="Sensors 10(12)",
        year=2010,
        url="https://doi.org/10.3390/s101211259",
    )

    @dataclass(frozen=True)
    class Config:
        """A beam that encodes; learned along one sum, of which few training images ask less."""

        beam: hq.Count = 5  #: partial sums that an encoded vector keeps after each book (faiss: 5)
        # Paper: greedy in both. faiss learns in a beam of 5: five residuals an image for the next
        # book, which fits worse where there are few images a codeword.
        learning_beam: hq.Count = 1  #: partial sums of which the next book learns

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.words = nn.Buffer(torch.zeros(budget.subspaces, budget.codewords, in_features))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Learn book after book; first codewords are drawn from torch's generator."""
        seed, unit = int(torch.randint(2**31 - 1, ())), normalize(features, dim=1)
        books, words, beam = self.budget.subspaces, self.budget.codewords, self.config.learning_beam
        self.words.copy_(hq.learn_rq(unit, books, words, seed, beam=beam))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return unit embeddings, since their baseline compares them by cosine."""
        return normalize(features.float(), dim=1)

    def codebooks(self) -> hq.Codebooks:
        """Return the learned codewords, each as long as the embedding."""
        return self.words

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the words of the nearest sum that the beam finds, the lowest index on ties."""
        return hq.beam_codes(embedding, self.words, self.config.beam)
