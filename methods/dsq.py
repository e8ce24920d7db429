"""DSQ: embeddings on a sphere, classified, and drawn to centres and to sums of codewords.

S. Eghbali, L. Tahvildari, "Deep Spherical Quantization for Image Search", CVPR 2019. The objective
that Luo et al. (TKDD 17(1), 2023, eq. 57) quote, of unit z and z^ = sum_m c_m[b_m]:
    CE + lambda1 |z - z^|² + lambda2 |z - phi_y|² + lambda3 |phi_y - z^|²
It is lowered in turn, each part exactly as the paper names it: network and centres phi by SGD; once
an epoch, from all images as they are encoded then, codes by coordinate search and all words in
closed form (least squares, ridge 1e-3). Both of these see z and phi_y through one point alone,
t = (lambda1 z + lambda3 phi_y) / (lambda1 + lambda3). Codes that are searched are of z alone.
No code was published; constants were not found. The paper's sparse words are not here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

import hashquant.api as hq


class DSQ(hq.Method):
    """Linear to unit length, a linear classifier, centres; words are a buffer."""

    name = "dsq"
    display = hq.Name("DSQ", words={
        "beam": "beam of {}", "center_weight=0.0": "without the centre term"})  # fmt: skip
    family = hq.Additive()
    kind = "classification"
    #: phi and z^ do not hold the embedding: this term moves the centres
    head_terms = ("center_quantization",)
    reference = hq.Reference(
        title="Deep Spherical Quantization for Image Search",
        authors="Sepehr Eghbali, Ladan Tahvildari",
        venue="CVPR",
        year=2019,
        url="https://arxiv.org/abs/1906.02865",
    )

    @dataclass(frozen=True)
    class Config:
        """Constants of our own: squared distances of unit vectors are 0 to 4, whatever D is."""

        # Paper: not given.
        quantization_weight: hq.NonNegative = 0.1  #: lambda1, of the mean |z - z^|²
        # Paper: not given.
        center_weight: hq.NonNegative = 0.1  #: lambda2, of the mean |z - phi_y|²
        # Paper: not given.
        center_quantization_weight: hq.NonNegative = 0.1  #: lambda3, of the mean |phi_y - z^|²
        # Paper: not given.
        scale: hq.Positive = 10.0  #: length of z where it is classified
        size: hq.Count = 128  #: D, values of the embedding (paper: not given)
        sweeps: hq.Natural = 3  #: passes of coordinate search over all books (paper: not given)
        ridge: hq.Positive = 1e-3  #: added to how often a word is chosen, where words are solved
        #: sums that the search begins from when images are encoded; 1 is greedy, as in training
        beam: hq.Count = 5

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.project = nn.Linear(in_features, config.size)
        self.classify = nn.Linear(config.size, num_classes)
        self.centers = nn.Parameter(normalize(torch.randn(num_classes, config.size), dim=1))
        words = torch.randn(budget.subspaces, budget.codewords, config.size)
        self.words = nn.Buffer(normalize(words, dim=2) / budget.subspaces**0.5)

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return the schedule of this suite's SGD."""
        # Paper: it was not found; this is OPQN's, which trains the same trunks.
        return hq.Recipe(lr=0.1, momentum=0.9, weight_decay=5e-4, epochs=200, step_epochs=35.0)

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return every image's code."""
        return {"codes": hq.TensorSpec((images, self.budget.subspaces), torch.int16)}

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them before every epoch, for codes and words."""
        return True

    @torch.no_grad()
    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Code all images, then solve for all words; these start from those of RQ."""
        t, (m, k, _) = self._target(embedding, labels), self.words.shape
        if epoch == 0 and len(t) >= k:  # from fewer images than words they stay as drawn
            seed = int(torch.randint(2**31 - 1, ()))
            self.words.copy_(hq.learn_rq(t, m, k, seed, beam=1))
        codes = hq.settled_codes(t, self.words, 1, self.config.sweeps)
        self.words.copy_(hq.solve_words(t, codes, self.words, self.config.ridge))
        self.state["codes"].copy_(codes)

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return z of unit length."""
        return normalize(self.project(features.float()), dim=1)

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the cross entropy and the three squared terms, of the codes kept."""
        z, labels, of = embedding[: batch.known], batch.labels[: batch.known], self.config
        phi = self.centers[labels]
        terms = {"class": cross_entropy(self.classify(of.scale * z), labels)}
        if of.center_weight:
            terms["center"] = of.center_weight * (z - phi).square().sum(dim=1).mean()
        if not self.state:  # codes are made before an epoch, and are gone after training
            return terms
        codes = self.state["codes"][batch.indices[: batch.known]].long()
        coded = self.words[torch.arange(len(self.words), device=z.device), codes].sum(dim=1)
        weights = of.quantization_weight, of.center_quantization_weight
        names = "quantization", "center_quantization"
        for name, weight, x in zip(names, weights, (z, phi), strict=True):
            if weight:
                terms[name] = weight * (x - coded).square().sum(dim=1).mean()
        return terms

    def codebooks(self) -> hq.Codebooks:
        """Return the words of the last fit."""
        return self.words

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the nearest sum that is found, the lowest index on ties."""
        return hq.settled_codes(embedding, self.words, self.config.beam, self.config.sweeps)

    def _target(self, z: Tensor, labels: hq.Labels) -> Tensor:
        """Return what a code stands for in training: (lambda1 z + lambda3 phi_y) / their sum.

        It is z where neither counts, or a label is hidden.
        """
        own, of_class = self.config.quantization_weight, self.config.center_quantization_weight
        if own + of_class == 0:
            return z
        between = (own * z + of_class * self.centers[labels]) / (own + of_class)
        return torch.where((labels >= 0)[:, None], between, z)
