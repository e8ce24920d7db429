"""DTQ: triplets of tanh values, and sums of full-length codewords that are fitted in turn.

B. Liu, Y. Cao, M. Long, J. Wang, J. Wang, "Deep Triplet Quantization", ACM MM 2018. Follows
github.com/thulab/DeepHash @9907613 of the same group: [|a - p|² - |a - n|² + 30]_+ of triplets that
violate the margin, one negative drawn for each pair of a class, and lambda |z - z^|²; once an epoch
codes by coordinate descent and all words by least squares (ridge 1e-3), both from all images as
they are encoded then. Triplets are found in each step among its images; there once an epoch in
groups of the training set. The paper's term that draws the books' products to the identity is
in neither. There words are clustered anew on the gallery; here they are those that were trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

import hashquant.api as hq


class DTQ(hq.Method):
    """Linear to tanh; words are a buffer, the codes of training images are kept while training."""

    name = "dtq"
    display = hq.Name("DTQ", words={
        "quantization_weight=0.0": "without the quantization term", "margin": "margin {}",
        "beam": "beam of {}"})  # fmt: skip
    family = hq.Additive()
    kind = "triplets"
    sampling = "balanced"
    paper_batch = 384
    reference = hq.Reference(
        title="Deep Triplet Quantization",
        authors="Bin Liu, Yue Cao, Mingsheng Long, Jianmin Wang, Jingdong Wang",
        venue="ACM Multimedia",
        year=2018,
        url="https://github.com/thulab/DeepHash",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings."""

        margin: hq.Positive = 30.0  #: of squared distances, of which 64 values of tanh allow 256
        #: lambda, of the mean |z - z^|²; the code's own is 0, its author names about 1e-4
        quantization_weight: hq.NonNegative = 1e-4
        size: hq.Count = 64  #: D, values of the embedding, rounded up to a multiple of M
        sweeps: hq.Natural = 3  #: passes of coordinate descent over all books
        ridge: hq.Positive = 1e-3  #: added to how often a word is chosen, where words are solved
        #: sums that descent begins from when images are encoded; 1 is greedy, as in training
        beam: hq.Count = 5
        head_rate: hq.Positive = 1.0  #: times the trunk's rate; the code's 10 for a trained trunk

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        size = hq.padded_size(config.size, budget.subspaces)
        self.project = nn.Linear(in_features, size)
        self.words = nn.Buffer(torch.randn(budget.subspaces, budget.codewords, size).tanh())

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """The head's own rate, where it has one."""
        return {} if self.config.head_rate == 1 else {"project": self.config.head_rate}

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return SGD at 3e-5, which two thirds of the run keep."""
        # Paper: a tenth every 10,000 steps, of 500 an epoch at most; the length is the code's (the
        # code: 10 times as high for the last layer, 20 for its bias).
        return hq.Recipe(lr=3e-5, weight_decay=5e-4, epochs=100, step_epochs=66.0, step_factor=0.1)

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return every image's code."""
        return {"codes": hq.TensorSpec((images, self.budget.subspaces), torch.int16)}

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them before every epoch, for codes and words."""
        return True

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Code all images, then solve for all words; these start from those of PQ."""
        z, (m, k, size) = embedding, self.words.shape
        if epoch == 0 and len(z) >= k:  # from fewer images than words they stay as drawn
            books = torch.arange(m, device=z.device)
            parts = hq.learn_pq(z, m, k, int(torch.randint(2**31 - 1, ()))).to(z)
            self.words.zero_().view(m, k, m, size // m)[books, :, books] = parts
        codes = hq.settled_codes(z, self.words, 1, self.config.sweeps)
        self.words.copy_(hq.solve_words(z, codes, self.words, self.config.ridge))
        self.state["codes"].copy_(codes)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z = tanh of a linear layer."""
        return torch.tanh(self.project(features.float()))

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the mean over violating triplets, and lambda |z - z^|² of the codes kept."""
        z, pairs = embedding[: batch.known], hq.batch_pairs(batch)
        energy = z.square().sum(dim=1)
        square = energy[:, None] + energy - 2 * z @ z.T
        negative, violates = self._negatives(square.detach(), pairs)
        cost = square + self.config.margin - square.gather(1, negative)
        # Where no triplet violates the margin it is 0, whose gradient is 0 and not absent.
        terms = {"triplet": (cost * violates).sum() / violates.sum().clamp_min(1)}
        if self.config.quantization_weight and self.state:
            codes = self.state["codes"][batch.indices[: batch.known]].long()
            books = torch.arange(len(self.words), device=z.device)
            lost = (z - self.words[books, codes].sum(dim=1)).square().sum(dim=1).mean()
            terms["quantization"] = self.config.quantization_weight * lost
        return terms

    def codebooks(self) -> hq.Codebooks:
        """Return the words of the last fit."""
        return self.words

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the nearest sum that is found, the lowest index on ties."""
        return hq.settled_codes(embedding, self.words, self.config.beam, self.config.sweeps)

    def _negatives(
        self, square: torch.Tensor, pairs: hq.Pairs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return an image for each pair (a, p) of one class, and whether it violates the margin.

        It is drawn of all n of other classes with |a - n|² < |a - p|² + margin, each alike: they
        are the first of a's in the order of their distance.
        """
        far = square.masked_fill(~pairs.other, torch.inf)
        order = far.argsort(dim=1)
        count = torch.searchsorted(far.gather(1, order), square + self.config.margin)
        place = (torch.rand(square.shape, device=square.device) * count).long()
        place = torch.minimum(place, count - 1).clamp_min(0)
        return order.gather(1, place), pairs.same & (count > 0)
