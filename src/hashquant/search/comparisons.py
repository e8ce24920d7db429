"""Both comparisons of each code family, from codes that can be stored and compared again.

A binary code is compared with a query's code (Hamming) or its real embedding (asymmetric
Hamming); a product or additive code with a query's look-up table (ADC) or that of its own code
(SDC); a decoded item with the query's embedding (ADC) or its own decoded code (SDC); an embedding
without a code by cosine. The first of each is the headline.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor

from hashquant.codes.additive import sum_tables, sum_words
from hashquant.codes.binary import asymmetric_table
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import unpack_indices
from hashquant.errors import HashQuantError, unknown_name
from hashquant.metrics.ties import TieGroups
from hashquant.records.record import Cost, Curve, Score
from hashquant.search._gallery import Gallery
from hashquant.search.evaluation import Evaluation, evaluate
from hashquant.search.exhaustive import cosine_groups, hamming_groups, inner_groups, table_groups
from hashquant.types import (
    Codebooks,
    Embedding,
    Labels,
    PackedCodes,
    QueryTable,
    SymmetricTable,
)

FORMS = ("bits", "table", "additive", "decoded", "float")
#: Those that are searched by look-up table.
TABLES = ("table", "additive")
#: The largest table, embedding, codebooks or float codes that are stored, in bytes.
STORED_BYTES = 64 << 20
#: Look-up tables made at a time, in bytes.
TABLE_BYTES = 128 << 20

#: What stored arrays are made of.
_KINDS = {
    "gallery": np.uint8, "gallery_label": np.int64, "query": np.uint8,
    "query_embedding": np.floating, "query_table": np.floating, "symmetric_table": np.floating,
    "codebooks": np.floating, "gallery_decoded": np.floating, "query_decoded": np.floating,
    "larger_is_closer": np.bool_,
}  # fmt: skip
#: Those that are stored where they are not too large, in the order of `StoredCodes`.
_OPTIONAL = ("query_embedding", "query_table", "symmetric_table", "codebooks", "gallery_decoded",
             "query_decoded")  # fmt: skip

Array = Shaped[np.ndarray, "..."]


class MissingCodesError(HashQuantError):
    """Stored codes that lack what a comparison needs: made earlier, or too large to store."""


@dataclass(frozen=True, eq=False)
class StoredCodes:
    """Codes and labels of one examination, in the order of its split.

    `form` is that of `Cost.query_form`, one of `FORMS` (of "float" `gallery` and `query` hold the
    bytes of float32 values). A comparison whose table, embedding or vectors are None is left out.
    `larger_is_closer` belongs to the tables.
    """

    form: str
    budget: CodeBudget
    gallery: UInt8[Tensor, "g bytes"]
    gallery_labels: Int64[Tensor, " g"]
    query: UInt8[Tensor, "q bytes"]
    query_labels: Int64[Tensor, " q"]
    query_embedding: Float[Tensor, "q e"] | None = None  #: of binary and decoded codes
    query_table: Float[Tensor, "q m k"] | None = None
    symmetric_table: Float[Tensor, "m k k"] | None = None  #: of product codes
    codebooks: Float[Tensor, "m k e"] | None = None  #: of additive codes
    gallery_decoded: Float[Tensor, "g e"] | None = None
    query_decoded: Float[Tensor, "q e"] | None = None
    larger_is_closer: bool = False

    def rankings(self) -> Iterator[tuple[str, Iterator[TieGroups]]]:
        """Yield each comparison's name and its tied groups, the headline first.

        Raises:
            HashQuantError: if the parts do not fit each other.
        """
        gallery, labels = Gallery(self.gallery, self.gallery_labels, self.budget), self.query_labels
        if self.form == "float":
            yield "cosine", cosine_groups(self.query, labels, gallery)
            return
        if self.form == "decoded":
            yield from self._inner_rankings()
            return
        if self.form == "bits":
            yield "hamming", hamming_groups(self.query, labels, gallery)
        for comparison, tables in self._tables().items():
            larger = self.larger_is_closer or self.form == "bits"
            yield comparison, _by_tables(tables, labels, gallery, larger_is_closer=larger)

    def _tables(self) -> dict[str, Callable[[slice], QueryTable]]:
        """Return what makes the look-up tables of some queries, for each comparison by tables."""
        found: dict[str, Callable[[slice], QueryTable]] = {}
        if self.form == "bits":
            if self.query_embedding is not None:
                found["asymmetric-hamming"] = partial(_asymmetric, self.query_embedding, self.query)
            return found
        if self.query_table is not None:
            found["adc"] = self.query_table.__getitem__
        if self.symmetric_table is not None:
            found["sdc"] = partial(_symmetric, self.symmetric_table, self.query, self.budget)
        if self.codebooks is not None:
            found["sdc"] = partial(_summed, self.codebooks, self.query, self.budget)
        return found

    def _inner_rankings(self) -> Iterator[tuple[str, Iterator[TieGroups]]]:
        items, labels = self.gallery_decoded, self.gallery_labels
        if items is not None:
            for comparison, vectors in (("adc", self.query_embedding), ("sdc", self.query_decoded)):
                if vectors is not None:
                    yield comparison, inner_groups(vectors, self.query_labels, items, labels)

    def arrays(self) -> dict[str, Array]:
        """Return what is stored; what is no code or label is not beyond `STORED_BYTES`."""
        held = {
            "gallery": self.gallery, "gallery_label": self.gallery_labels, "query": self.query,
            **{name: getattr(self, name) for name in _OPTIONAL},
        }  # fmt: skip
        small = {"gallery_label"} if self.form == "float" else {"gallery_label", "gallery", "query"}
        arrays = {
            name: tensor.detach().cpu().numpy()
            for name, tensor in held.items()
            if tensor is not None and (name in small or tensor.nbytes <= STORED_BYTES)
        }
        return {**arrays, "larger_is_closer": np.array(self.larger_is_closer)}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Array], cost: Cost, query_labels: Labels
    ) -> "StoredCodes":
        """Return what `arrays` hold, as `arrays()` wrote them.

        Raises:
            MissingCodesError: naming what is missing.
            HashQuantError: naming what does not fit.
        """
        if cost.query_form not in FORMS:
            raise unknown_name("query form", cost.query_form, FORMS)
        needed = ["gallery", "gallery_label", "query"]
        needed += ["larger_is_closer"] if cost.query_form in TABLES else []
        if missing := [name for name in needed if name not in arrays]:
            raise MissingCodesError(f"no {' and no '.join(missing)} is stored with the codes")
        budget = CodeBudget(cost.code_bits, cost.subspaces, cost.codewords)
        _check_arrays(arrays, budget, len(query_labels), cost.query_form)
        found = {name: torch.from_numpy(arrays[name]) for name in _OPTIONAL if name in arrays}
        gallery, labels, query = (torch.from_numpy(arrays[name]) for name in needed[:3])
        larger = bool(arrays.get("larger_is_closer", False))
        return cls(
            cost.query_form, budget, gallery, labels, query, query_labels,
            larger_is_closer=larger, **found,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Merged:
    """The evaluations of one examination as its record holds them, the headline first.

    `per_query` is the headline's, with "ap_<comparison>" of every other comparison.
    """

    scores: tuple[Score, ...]
    curves: tuple[Curve, ...]
    per_query: dict[str, Shaped[np.ndarray, " q"]]
    queries: int
    excluded: int


def evaluate_all(codes: StoredCodes) -> tuple[Evaluation, ...]:
    """Score every comparison that the codes allow, the headline first.

    Raises:
        HashQuantError: if the parts do not fit each other, or nothing is relevant to any query.
    """
    return tuple(evaluate(groups, comparison) for comparison, groups in codes.rankings())


def merged(found: Sequence[Evaluation]) -> Merged:
    """Return evaluations of the same queries as one; the first is the headline.

    Raises:
        HashQuantError: if there is none.
    """
    if not found:
        raise HashQuantError("an examination needs at least one comparison, got none")
    headline, others = found[0], found[1:]
    further = {f"ap_{other.curve.comparison}": other.per_query["ap"] for other in others}
    return Merged(
        scores=tuple(score for evaluation in found for score in evaluation.scores),
        curves=tuple(evaluation.curve for evaluation in found),
        per_query=headline.per_query | further,
        queries=headline.queries,
        excluded=headline.excluded,
    )


def _by_tables(
    tables: Callable[[slice], QueryTable],
    labels: Int64[Tensor, " q"],
    gallery: Gallery,
    *,
    larger_is_closer: bool,
) -> Iterator[TieGroups]:
    """Search with the tables of some queries at a time."""
    books, words = gallery.books
    step = max(1, TABLE_BYTES // (4 * books * words))
    for part in (slice(start, start + step) for start in range(0, len(labels), step)):
        yield from table_groups(
            tables(part), labels[part], gallery, larger_is_closer=larger_is_closer
        )


def _asymmetric(embedding: Embedding, codes: PackedCodes, part: slice) -> QueryTable:
    # Made on the CPU wherever the codes are: one table, hence one ranking, for every device.
    return asymmetric_table(embedding[part].cpu()).to(codes.device)


def _symmetric(
    table: SymmetricTable, codes: PackedCodes, budget: CodeBudget, part: slice
) -> QueryTable:
    """Return the row of the symmetric table that each codeword of a query selects."""
    indices = unpack_indices(codes[part], budget)
    return table[torch.arange(len(table), device=indices.device), indices]  # (q, m, k)


def _summed(books: Codebooks, codes: PackedCodes, budget: CodeBudget, part: slice) -> QueryTable:
    """Return the table of each query's own decoded code, made on the CPU as above."""
    books, indices = books.cpu().double(), unpack_indices(codes[part].cpu(), budget)
    return sum_tables(sum_words(indices, books), books).to(codes.device)


def _check_arrays(arrays: Mapping[str, Array], budget: CodeBudget, queries: int, form: str) -> None:
    """Refuse arrays that are not of their kind, or do not belong together."""
    items = arrays["gallery_label"].size
    books, words = budget.subspaces, budget.codewords
    vectors = (arrays[name] for name in ("query_embedding", "gallery_decoded") if name in arrays)
    size = next((found.shape[-1] for found in vectors if found.ndim), 0)
    length = arrays["codebooks"].shape[-1] if np.ndim(arrays.get("codebooks", 0)) else 0
    shapes: dict[str, tuple[int, ...]] = {
        "gallery": (items, budget.code_bytes), "gallery_label": (items,),
        "query": (queries, budget.code_bytes),
        "query_embedding": (queries, size if form == "decoded" else budget.bits),
        "query_table": (queries, books, words), "symmetric_table": (books, words, words),
        "codebooks": (books, words, length), "gallery_decoded": (items, size),
        "query_decoded": (queries, size), "larger_is_closer": (),
    }  # fmt: skip
    for name, kind in _KINDS.items():
        array = arrays.get(name)
        if array is None:
            continue
        if not np.issubdtype(array.dtype, kind) or array.shape != shapes[name]:
            raise HashQuantError(
                f"{name} must be {kind.__name__} of shape {shapes[name]}, "
                f"got {array.dtype} of shape {array.shape}"
            )
