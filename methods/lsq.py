"""LSQ: the float embedding as a sum of codewords of full length that are solved for together.

Martinez, Zakhmi, Hoos, Little, "LSQ++: Lower Running Time and Higher Recall in Multi-Codebook
Quantization", ECCV 2018. Words by faiss; codes by our own search, since faiss's change with the
order of rows; the score is the inner product <q, sum_m c_m[b_m]>. Labels are not used.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class LSQ(hq.Method):
    """Words of unit embeddings, learned by faiss, encoded here; tables are the default's."""

    name = "lsq"
    display = hq.Name("LSQ of the float embedding", short="LSQ (float emb.)", words={
        "beam": "beam of {}", "sweeps": "{} sweeps", "rounds": "{} rounds"})  # fmt: skip
    family = hq.Additive()
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="LSQ++: Lower Running Time and Higher Recall in Multi-Codebook Quantization",
        authors="Julieta Martinez, Shobhit Zakhmi, Holger H. Hoos, James J. Little",
        venue="ECCV (LNCS 11220)",
        year=2018,
        url="https://doi.org/10.1007/978-3-030-01270-0_30",
    )

    @dataclass(frozen=True)
    class Config:
        """A search that comes nearer than faiss's own, in rounds as many as new images gain by."""

        # Paper: from codes that are drawn, perturbed and descended from 16 times in faiss, which
        # makes a code depend on its row. Here: from each sum of a beam; the nearest found is kept.
        beam: hq.Count = 16  #: sums that are descended from
        sweeps: hq.Count = 8  #: passes over all books, fewer where nothing changes
        # faiss: 25. Of few images a codeword more rounds fit those more closely, and no others.
        rounds: hq.Count = 10  #: of words and codes in turn

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.words = nn.Buffer(torch.zeros(budget.subspaces, budget.codewords, in_features))

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Learn all books; what is drawn is drawn of torch's generator."""
        seed, unit = int(torch.randint(2**31 - 1, ())), normalize(features, dim=1)
        books, words, rounds = self.budget.subspaces, self.budget.codewords, self.config.rounds
        self.words.copy_(hq.learn_lsq(unit, books, words, seed, rounds=rounds))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return unit embeddings, since their baseline compares them by cosine."""
        return normalize(features.float(), dim=1)

    def codebooks(self) -> hq.Codebooks:
        """Return the learned codewords, each as long as the embedding."""
        return self.words

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the nearest sum that is found from the beam's, the lowest index on ties."""
        return hq.settled_codes(embedding, self.words, self.config.beam, self.config.sweeps)
