"""UNQ: a network turns an embedding into words, and another the words into the embedding.

S. Morozov, A. Babenko, "Unsupervised Neural Quantization for Compressed-Domain Similarity Search",
ICCV 2019. Follows github.com/stanis-morozov/unq @e8f7f43: an encoder gives a vector e_m a book,
word k has the logit <e_m, c_mk>, training takes the one that Gumbel noise favours, straight
through, and decodes the sum of words: squared error, triplets of true neighbours by -logits, and
all words alike in use. A query's logits are its table; the decoder ranks nothing anew.
Labels are not used: unlabelled images are learned from as all others.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot, relu

import hashquant.api as hq

NEAR, FAR = 10, 200  # neighbours are ranks 1 to 10 in truth; far are those from 100 to 200
CHUNK = 1024  # images whose neighbours are looked for at once


def network(inside: int, width: int, outside: int) -> nn.Sequential:
    """Return two layers with batch norm and ReLU, and a linear one."""
    return nn.Sequential(
        nn.Linear(inside, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, outside),
    )  # fmt: skip


class UNQ(hq.Method):
    """Encoder, words in the space of logits, and decoder, of unit embeddings."""

    name = "unq"
    display = hq.Name("UNQ on the float embedding", short="UNQ (float emb.)", words={
        "width": "{} wide", "triplet_weight=0.0": "without triplets"})  # fmt: skip
    family = hq.ProductQuantized(larger_is_closer=True)
    kind = "fitted"
    base = "float"
    approximates = False  # words have large products with what the encoder gives, and are not near
    paper_batch = 16384
    reference = hq.Reference(
        title="Unsupervised Neural Quantization for Compressed-Domain Similarity Search",
        authors="Stanislav Morozov, Artem Babenko",
        venue="ICCV",
        year=2019,
        url="https://arxiv.org/abs/1908.03883",
    )

    @dataclass(frozen=True)
    class Config:
        """The code's settings, but for widths, which are for fewer images."""

        width: hq.Count = 512  #: of encoder and decoder (the code: 1024)
        word_size: hq.Count = 256  #: values of a word, which the decoder takes
        triplet_weight: hq.NonNegative = 0.01  #: beta
        margin: hq.NonNegative = 0.1  #: delta, of sums of logits
        least_balance: hq.Share = 0.05  #: of the weight of even word use, which falls from 1

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        m, size = budget.subspaces, config.word_size
        self.encoder = network(in_features, config.width, m * size)
        self.words = nn.Parameter(torch.randn(m, budget.codewords, size) / size**0.5)
        self.decoder = nn.Sequential(nn.BatchNorm1d(size), network(size, config.width, in_features))

    @classmethod
    def recipe(cls) -> hq.Recipe:
        """Return Adam at a constant rate after a rise."""
        # Paper: QHAdam, 10,000 steps of rise; its 100,000 of falling balance are taken as the run.
        return hq.Recipe(optimizer="adam", lr=1e-3, weight_decay=0.0, step_factor=1.0,
                         warmup_epochs=20.0)  # fmt: skip

    def training_state(self, images: int, classes: int) -> dict[str, hq.TensorSpec]:
        """Return each image's code of the epoch's start, and the rows of ten near and ten far."""
        codes = hq.TensorSpec((images, self.budget.subspaces), torch.int16)
        return {"rows": hq.TensorSpec((images, 2 * NEAR), torch.int32), "codes": codes}

    @torch.no_grad()
    def initialise(self, training: hq.TrainingSet) -> None:
        """Find each image's neighbours by cosine (n² D), and ten of ranks 100 to 200, or the last.

        Paper: of those one is drawn anew every 8 epochs.
        """
        x, most = training.embeddings, min(FAR, len(training.labels) - 1)
        if x is None or not self.state or most < 2:
            return
        unit = normalize(x.float(), dim=1)
        near = torch.arange(NEAR) % (most // 2)
        ranks = torch.cat([near, torch.linspace(most // 2, most - 1, NEAR).long()]).to(x.device)
        for rows in torch.split(torch.arange(len(x), device=x.device), CHUNK):
            scores = (unit[rows] @ unit.T).scatter(1, rows[:, None], -torch.inf)
            self.state["rows"][rows] = scores.topk(most, dim=1).indices[:, ranks].int()

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Ask for them in each epoch, to code the neighbours."""
        return bool(self.config.triplet_weight)

    def on_embeddings(self, embedding: hq.Embedding, labels: hq.Labels, epoch: int) -> None:
        """Code all training images as the encoder now does."""
        self.state["codes"].copy_(self.assign(embedding))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return the encoder's vectors, those of all books side by side."""
        encoded: Tensor = self.encoder(normalize(features.float(), dim=1))
        return encoded

    def loss(self, embedding: hq.Embedding, batch: hq.Batch) -> dict[str, hq.Scalar]:
        """Return the squared error, the triplets by logits, and the variation of word use."""
        logits, config = self.query_table(embedding), self.config
        x, p = normalize(batch.features.to(logits.dtype), dim=1), logits.softmax(dim=2)
        decoded = self.decoder(self._chosen(logits))
        left = max(1 - batch.step / batch.steps, config.least_balance)
        variation = (len(p[0, 0]) * p.mean(dim=0) - 1).square().mean()
        terms = {"error": (x - decoded).square().sum(dim=1).mean(), "balance": left * variation}
        if config.triplet_weight and self.state:
            # Paper: codes of now; here those of the epoch's start, which pass no gradient.
            codes = self.state["codes"][self.state["rows"][batch.indices]].long()  # (b, 20, m)
            near, far = logits.gather(2, codes.transpose(1, 2)).sum(dim=1).chunk(2, dim=1)
            terms["triplet"] = config.triplet_weight * relu(config.margin + far - near).mean()
        return terms

    def codebooks(self) -> hq.Codebooks:
        """Return the words of the logits, which the decoder adds."""
        return self.words

    @property
    def codebook_bytes(self) -> int:
        """Bytes of words, encoder and decoder."""
        return sum(tensor.nbytes for tensor in self.state_dict().values())

    def assign(self, embedding: hq.Embedding) -> hq.Indices:
        """Return the words of the largest logits."""
        return self.query_table(embedding).argmax(dim=2)

    def query_table(self, embedding: hq.Embedding) -> hq.QueryTable:
        """Return the logits."""
        # Paper: their negatives, where less is nearer.
        parts = embedding.reshape(len(embedding), self.budget.subspaces, -1)
        return torch.einsum("qms,mks->qmk", parts, self.words)

    def _chosen(self, logits: Tensor) -> Tensor:
        """Return the sum of each item's words, one a book; in training of noisy logits."""
        noise = -torch.empty_like(logits).exponential_().log() if self.training else 0.0
        soft = (logits + noise).softmax(dim=2)
        hard = one_hot(soft.argmax(dim=2), soft.shape[2]).to(soft.dtype)
        return torch.einsum("nmk,mks->ns", hard + soft - soft.detach(), self.words)
