"""The comparisons that are timed: the same synthetic codes for our scoring and the plain loop."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from baselines import hamming_by_comparing, hamming_by_products, tables_by_gathering
from torch import Tensor

from hashquant.codes.binary import asymmetric_table, pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.search.evaluation import Evaluation, evaluate
from hashquant.search.exhaustive import Gallery, hamming_groups, table_groups


@dataclass(frozen=True)
class Task:
    """A row of the table: its title, how it is made, and the ratios it should reach."""

    title: str
    kind: str
    size: int
    goal: float | None = None
    stretch: float | None = None


TASKS = {
    "hamming-64": Task("Hamming, 64 bits", "hamming", 64, 200, 300),
    "hamming-32": Task("Hamming, 32 bits", "hamming", 32, 80, 120),
    "hamming-16": Task("Hamming, 16 bits", "hamming", 16, 50, 100),
    "pq-4x256": Task("PQ, 4×256", "adc", 4, 15, 25),
    "pq-8x256": Task("PQ, 8×256", "adc", 8, 15, 25),
    "asymmetric-64": Task("Asymmetric Hamming, 64 bits", "asymmetric", 64, 15, 25),
    "sdc-4x256": Task("SDC, 4×256", "sdc", 4, 15, 25),
    "products-64": Task("Hamming, 64 bits, against dot products", "products", 64),
}


@dataclass(frozen=True)
class Job:
    """Both sides of one comparison on the same codes."""

    ours: Callable[[], Evaluation]
    plain: Callable[[int], list[float]]


@dataclass(frozen=True)
class Sides:
    """Embeddings of queries and gallery around shared class centres, and their classes."""

    near: Tensor
    wanted: Tensor
    far: Tensor
    labels: Tensor


def make_job(name: str, queries: int, items: int, classes: int, device: str = "cpu") -> Job:
    """Return the comparison that a name of `TASKS` stands for, its codes on `device`."""
    task = TASKS[name]
    dims = task.size if task.kind in ("hamming", "products", "asymmetric") else 16 * task.size
    drawn = *noisy_classes(queries, classes, dims, 1), *noisy_classes(items, classes, dims, 2)
    sides = Sides(*(tensor.to(device) for tensor in drawn))
    if task.kind == "hamming":
        return _hamming(sides, by_products=False)
    if task.kind == "products":
        return _hamming(sides, by_products=True)
    if task.kind == "asymmetric":
        packed = pack_bits(sides.far > 0)
        budget = CodeBudget(dims)
        return _tables(sides, asymmetric_table(sides.near), packed, packed.long(), budget)
    return _product(sides, task.size, symmetric=task.kind == "sdc")


def noisy_classes(count: int, classes: int, dims: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return embeddings around class centres, and their labels; a third of the signs flip."""
    centres = torch.randn(classes, dims, generator=torch.Generator().manual_seed(7))
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=g)
    return centres[labels] + 1.5 * torch.randn(count, dims, generator=g), labels


def _hamming(sides: Sides, *, by_products: bool) -> Job:
    bits = [side > 0 for side in (sides.near, sides.far)]
    query, codes = (pack_bits(side) for side in bits)
    budget = CodeBudget(sides.near.shape[1])

    def ours() -> Evaluation:
        gallery = Gallery(codes, sides.labels, budget)
        return evaluate(hamming_groups(query, sides.wanted, gallery), "hamming")

    if by_products:
        signs = [side.float() * 2 - 1 for side in bits]
        return Job(
            ours,
            lambda n: hamming_by_products(signs[0][:n], sides.wanted[:n], signs[1], sides.labels),
        )
    ones = [side.long() for side in bits]
    return Job(
        ours, lambda n: hamming_by_comparing(ones[0][:n], sides.wanted[:n], ones[1], sides.labels)
    )


def _product(sides: Sides, books: int, *, symmetric: bool) -> Job:
    """Inner-product tables over random codebooks; SDC takes the table of the query's codewords."""
    words = torch.randn(books, 256, 16, generator=torch.Generator().manual_seed(3)) * 1.8
    words = words.to(sides.near.device)
    near, far = (side.view(len(side), books, 16) for side in (sides.near, sides.far))
    indices = _nearest(far, words)
    if symmetric:
        own = _nearest(near, words)
        near = words[torch.arange(books), own]  # (q, m, s)
    tables = torch.einsum("qms,mks->qmk", near, words)
    budget = CodeBudget(8 * books, books, 256)
    return _tables(sides, tables, pack_indices(indices, budget), indices, budget)


def _nearest(parts: Tensor, words: Tensor) -> Tensor:
    columns = [torch.cdist(parts[:, m], words[m]).argmin(1) for m in range(len(words))]
    return torch.stack(columns, dim=1)


def _tables(
    sides: Sides, tables: Tensor, packed: Tensor, indices: Tensor, budget: CodeBudget
) -> Job:
    def ours() -> Evaluation:
        gallery = Gallery(packed, sides.labels, budget)
        groups = table_groups(tables, sides.wanted, gallery, larger_is_closer=True)
        return evaluate(groups, "tables")

    return Job(
        ours, lambda n: tables_by_gathering(tables[:n], sides.wanted[:n], indices, sides.labels)
    )
