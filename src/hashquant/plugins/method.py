"""The contract of a method: its head, its loss, its code family; the engine does the rest."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hashquant.codes.additive import beam_codes, sum_tables
from hashquant.codes.family import Additive, CodeBudget, Family
from hashquant.data.items import Batch, TrainingSet
from hashquant.data.views import View
from hashquant.settings.names import Name
from hashquant.settings.recipe import Recipe
from hashquant.settings.reference import Reference
from hashquant.types import (
    Codebooks,
    Embedding,
    Features,
    Indices,
    Labels,
    PackedCodes,
    QueryTable,
    Scalar,
    SymmetricTable,
)


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that is kept while training: its shape, its type, and the value it starts from."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    fill: int | float = 0


class Method(nn.Module, ABC):
    """A head on top of a trunk. A plug-in file defines exactly one subclass.

    `config` is an instance of the subclass's `Config` (frozen, every field defaulted); `budget`
    says bits, subspaces and codewords; `in_features` is the trunk's output size, which
    `feature_size` chose; `num_classes` counts the training classes.
    """

    name: ClassVar[str]
    family: ClassVar[Family]
    reference: ClassVar[Reference]
    #: what readers call it and its settings; without a text, its `name`
    display: ClassVar[Name] = Name("")
    #: what it learns from, one of `settings.names.KINDS` ("": not said): large tables and figures
    #: stand in parts by it
    kind: ClassVar[str] = ""
    #: a frozen dataclass with every field defaulted
    Config: ClassVar[type[Any]] = NoSettings  # Any: a method may have its own
    #: "shuffled" | "balanced" (P classes x `images_per_class` images a batch)
    sampling: ClassVar[str] = "shuffled"
    images_per_class: ClassVar[int] = 4
    #: images a step in the paper: its SGD rate is scaled from here to the suite's batch
    paper_batch: ClassVar[int] = 256
    #: the method whose trained embedding is this one's `features` ("": the trunk's output)
    base: ClassVar[str] = ""
    #: all is learned in `fit`; the engine takes no training step
    closed_form: ClassVar[bool] = False
    #: whether the first books, or bits, of its codes are codes: it may be trained once, at the
    #: longest length, and examined at shorter ones (docs/families.md)
    prefix: ClassVar[bool] = False
    #: whether the moving average of trunk and head is what is examined (see `average_decay`)
    examine_average: ClassVar[bool] = False
    #: what a code stands for approximates its embedding; else there is no quantization error
    approximates: ClassVar[bool] = True
    #: loss terms that act on the head's own weights alone: they give the trunk no gradient
    head_terms: ClassVar[Collection[str]] = ()
    #: contract check → reason; becomes a strict xfail
    known_failures: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self, config: Any, budget: CodeBudget, in_features: int, num_classes: int
    ) -> None:  # Any: Config
        super().__init__()
        self.config = config
        self.budget = budget
        self.in_features = in_features
        self.num_classes = num_classes
        #: what `training_state` asks for, while training; never part of the stored model
        self.state: dict[str, Tensor] = {}

    @classmethod
    def budget_for(cls, config: Any, bits: int) -> CodeBudget:  # Any: Config
        """Return the budget that meets `bits`.

        Raises:
            BudgetError: if this method cannot meet it, with the reason.
        """
        return cls.family.budget(bits)

    @classmethod
    def feature_size(cls, config: Any, budget: CodeBudget, default: int) -> int:  # Any: Config
        """Return the trunk output this head needs; the suite's `default` unless it must differ."""
        return default

    @property
    def label_fraction(self) -> float:
        """Share of each class whose labels are seen; below 1 an unlabelled stream is added."""
        return 1.0

    @property
    def views(self) -> tuple[View, ...]:
        """The views of each image that a step sees: none for the suite's own, or two."""
        return ()

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """Factors of the learning rate: of the "trunk", or of a parameter or module of the head."""
        return {}

    @property
    def average_decay(self) -> float:
        """Decay a step of an exponential moving average of trunk and head; 0: none is kept."""
        return 0.0

    @property
    def hash_centers(self) -> Tensor | None:
        """The ±1 centre of each class (C x q), whose distances are kept with the codes' health."""
        return None

    @classmethod
    def recipe(cls) -> Recipe:
        """Return the paper's optimiser and schedule."""
        return Recipe()

    @abstractmethod
    def forward(self, features: Features) -> Embedding:
        """Return the embedding that codes are made from."""

    def loss(self, embedding: Embedding, batch: Batch) -> dict[str, Scalar]:
        """Return named loss terms, already weighted; the engine sums and logs them.

        Raises:
            TypeError: by default: only a method in closed form has no loss.
        """
        raise TypeError(f"{self.name} has no loss: it takes no training step")

    def fit(self, features: Features, labels: Labels) -> None:
        """Learn in closed form from all training images at once (`closed_form` methods only).

        `features` are the base's embeddings in evaluation mode without augmentation; what is
        learned goes into buffers that `__init__` made in their final shapes.
        """

    def training_state(self, images: int, classes: int) -> Mapping[str, TensorSpec]:
        """Return what to keep per image or class while training, by name; by default nothing.

        The engine makes it before `initialise` and holds it in `state` on the device. It is in
        every checkpoint and never in the stored model: a code may not depend on it. Rows of
        images are those of `Batch.indices`.
        """
        return {}

    def initialise(self, training: TrainingSet) -> None:
        """Prepare from the training set before the first step; by default nothing.

        Values go into what `__init__` made in its final shape, or into `state`. On a frozen base
        there are `training.embeddings` and no images (docs/heads.md).
        """

    def on_epoch_start(self, epoch: int, epochs: int) -> None:
        """Be told that `epoch` (from 0) of `epochs` begins; by default nothing."""

    def wants_embeddings(self, epoch: int, epochs: int) -> bool:
        """Tell whether `on_embeddings` is to be called before `epoch`; by default never."""
        return False

    def on_embeddings(self, embedding: Embedding, labels: Labels, epoch: int) -> None:
        """Take the embeddings of all training images, in order, before the steps of `epoch`.

        Evaluation mode, central crop, no gradient; in epoch 0, when batch norms have seen nothing
        yet, with the statistics of the training images. Labels that are hidden are -1. It costs a
        pass over the training set, and n x e floats on the device.
        """

    def query_embedding(self, embedding: Embedding) -> Embedding:
        """Return what a query asks with, in place of its embedding; by default that itself.

        Tables and the query's own code are made of it; a gallery's codes never are.
        """
        return embedding

    def encode(self, embedding: Embedding) -> PackedCodes:
        """Return the bytes that are stored of each item (decoded codes only).

        All of a code is in the budget's bits, scalars and norms too; bits beyond them are 0.
        """
        raise TypeError(f"{self.name} has no encode: its codes are {self.family.name}")

    def decode(self, codes: PackedCodes) -> Embedding:
        """Return the float32 vectors that stored bytes stand for (decoded codes only)."""
        raise TypeError(f"{self.name} has no decode: its codes are {self.family.name}")

    @property
    def decoder_bytes(self) -> int:
        """Bytes that all items share to be decoded (decoded codes): by default every tensor's."""
        return sum(tensor.nbytes for tensor in self.state_dict().values())

    @property
    def codebook_bytes(self) -> int:
        """Bytes of what is stored of the codewords, once for all items: by default 4 a value.

        Less where words are shared between books, 0 where none need be kept (product and additive
        codes only; of decoded ones `decoder_bytes`).
        """
        return 4 * self.codebooks().numel()

    def codebooks(self) -> Codebooks:
        """Return the codewords that stored indices stand for (product and additive codes only).

        Those of additive codes are as long as the embedding.
        """
        raise TypeError(f"{self.name} has no codebooks: its codes are {self.family.name}")

    def assign(self, embedding: Embedding) -> Indices:
        """Return each book's codeword index; by default the nearest codeword of each subspace.

        Of additive codes the sum that a beam of five finds nearest.
        """
        books = self.codebooks()
        if isinstance(self.family, Additive):
            return beam_codes(embedding, books, 5)
        parts = embedding.reshape(len(embedding), books.shape[0], books.shape[2])
        distance = torch.cdist(parts.transpose(0, 1), books)  # (m, n, k)
        return distance.argmin(dim=2).T

    def symmetric_table(self) -> SymmetricTable:
        """Return what SDC adds up: codeword against codeword of each book (product codes only).

        Inner products where a larger table value is nearer, squared distances otherwise. Additive
        codes have none: a query's own code is decoded, and asks with its table.
        """
        if isinstance(self.family, Additive):
            raise TypeError(f"{self.name} has no symmetric table: its codes are additive")
        books = self.codebooks()
        if getattr(self.family, "larger_is_closer", False):
            return books @ books.transpose(1, 2)
        return torch.cdist(books, books).square()

    def query_table(self, embedding: Embedding) -> QueryTable:
        """Return each query's look-up table; by default squared distances to the codewords.

        Of additive codes the inner products with them, which must be what a table holds.
        """
        books = self.codebooks()
        if isinstance(self.family, Additive):
            return sum_tables(embedding, books).to(embedding.dtype)
        parts = embedding.reshape(len(embedding), books.shape[0], books.shape[2])
        return torch.cdist(parts.transpose(0, 1), books).square().transpose(0, 1)
