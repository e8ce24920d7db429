"""The beginning of a longer code as a code of its own: a head that was trained at another length.

Books and bits keep their order: an item's shorter code is what its whole code begins with, and a
query asks with the beginning of its table. Nothing is learned, chosen or encoded anew.
"""

from torch import Tensor

from hashquant.codes.family import Binary, prefix_budget
from hashquant.plugins.method import Method
from hashquant.types import (
    Codebooks,
    Embedding,
    Features,
    Indices,
    QueryTable,
    SymmetricTable,
)


class Prefix(Method):
    """A trained head of which the first `bits` of each code are kept, in whole books.

    Raises:
        BudgetError: if these end within a book, or the code is shorter.
    """

    def __init__(self, whole: Method, bits: int) -> None:
        budget = prefix_budget(whole.budget, bits)
        super().__init__(whole.config, budget, whole.in_features, whole.num_classes)
        self.name = whole.name  # type: ignore[misc]  # a class says it of itself, this of another
        self.family = whole.family  # type: ignore[misc]  # as above
        self.approximates = whole.approximates  # type: ignore[misc]  # as above
        self.whole = whole

    @property
    def hash_centers(self) -> Tensor | None:
        """The first bits of the whole code's centres."""
        centers = self.whole.hash_centers
        return None if centers is None else centers[:, : self.budget.bits]

    def forward(self, features: Features) -> Embedding:
        """Return the whole embedding; of a binary code the values of its first bits."""
        embedding: Embedding = self.whole(features)
        return embedding[:, : self.budget.bits] if isinstance(self.family, Binary) else embedding

    def query_embedding(self, embedding: Embedding) -> Embedding:
        """Return what the whole code's queries ask with."""
        return self.whole.query_embedding(embedding)

    @property
    def codebook_bytes(self) -> int:
        """Bytes of the first books' words, or of all that the whole code stores, if less."""
        return min(super().codebook_bytes, self.whole.codebook_bytes)

    def codebooks(self) -> Codebooks:
        """Return the first books."""
        return self.whole.codebooks()[: self.budget.subspaces]

    def assign(self, embedding: Embedding) -> Indices:
        """Return the beginning of the whole code."""
        return self.whole.assign(embedding)[:, : self.budget.subspaces]

    def symmetric_table(self) -> SymmetricTable:
        """Return the tables of the first books."""
        return self.whole.symmetric_table()[: self.budget.subspaces]

    def query_table(self, embedding: Embedding) -> QueryTable:
        """Return the beginning of each query's table."""
        return self.whole.query_table(embedding)[:, : self.budget.subspaces]
