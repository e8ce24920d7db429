"""The items that are searched: packed codes in order of class, in memory or in a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Int64, Integer, UInt8
from torch import Tensor

from hashquant.codes.adc import Entries, Walk, merged_entries
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import unpack_indices
from hashquant.errors import HashQuantError
from hashquant.types import Labels, PackedCodes

AnyLabels: TypeAlias = Int64[Tensor, " labels"]  # as many as items, which is checked
#: Where some items begin, and their packed codes.
Block: TypeAlias = tuple[int, UInt8[np.ndarray, "n bytes"]]
Slices: TypeAlias = Int64[Tensor, "q 2"]

#: Items of a file that are mapped into memory at a time.
MAPPED = 1 << 20
#: Codes that are unpacked in one go: what is in between stays in the cache.
_UNPACKED = 1 << 14


@dataclass(frozen=True, eq=False)
class Gallery:
    """The items searched: packed codes and labels, put in order of class when built.

    The relevant items of a query are then one slice. A budget without subspaces is binary; its
    packed bytes serve as M codeword indices of K = 256 in asymmetric search. Embeddings without
    a code are their float32 values as bytes.

    Raises:
        HashQuantError: if it is empty, or codes, labels and budget do not fit.
    """

    codes: PackedCodes
    labels: AnyLabels
    budget: CodeBudget

    def __post_init__(self) -> None:
        if len(self.codes) == 0 or len(self.codes) != len(self.labels):
            raise HashQuantError(
                f"a gallery must have as many labels as codes, and at least one, "
                f"got {len(self.codes)} codes and {len(self.labels)} labels"
            )
        check_width("gallery", self.codes, self.budget)
        if bool((self.labels[1:] < self.labels[:-1]).any()):
            order = torch.argsort(self.labels)
            object.__setattr__(self, "codes", self.codes[order])
            object.__setattr__(self, "labels", self.labels[order])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def books(self) -> tuple[int, int]:
        """M and K of the tables that can search this gallery."""
        return _books(self.budget)

    def slices(self, query_labels: AnyLabels) -> Slices:
        """Return the bounds of each query's relevant items."""
        return class_slices(self.labels, query_labels)

    def blocks(self) -> Iterator[Block]:
        """Yield the codes, all at once: they are in memory."""
        yield 0, self.codes.numpy()

    def indices(self) -> Integer[Tensor, "n m"]:
        """Return the codeword indices, a byte each where K ≤ 256."""
        return _indices(self.codes, self.budget)

    def entries(self, query_labels: AnyLabels) -> tuple[Walk, Slices]:
        """Return what is searched by table, and the bounds of each query's relevant entries."""
        entries, classes = merged_entries(
            self.indices().numpy(), self.codes.numpy(), self.labels.numpy()
        )
        return entries, class_slices(torch.from_numpy(classes), query_labels)


@dataclass(frozen=True, eq=False)
class StoredGallery:
    """Items in a file, for galleries beyond memory: packed codes, one after the other, no header.

    They stand in order of class: first the `sizes[0]` items of class `classes[0]`, and so on.
    Blocks of the file are mapped into memory one at a time.

    Raises:
        HashQuantError: if classes are not in order, or the file does not hold their items.
    """

    path: Path
    classes: Int64[Tensor, " c"]
    sizes: Int64[Tensor, " c"]
    budget: CodeBudget

    def __post_init__(self) -> None:
        if bool((self.classes[1:] <= self.classes[:-1]).any()) or bool((self.sizes < 0).any()):
            raise HashQuantError("classes of a stored gallery must rise, with no size below 0")
        wanted, found = len(self) * self.budget.code_bytes, self.path.stat().st_size
        if len(self) == 0 or wanted != found:
            raise HashQuantError(
                f"{self.path} must hold {len(self)} codes of {self.budget.code_bytes} bytes, "
                f"and at least one, got {found} bytes"
            )

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def slices(self, query_labels: AnyLabels) -> Slices:
        """Return the bounds of each query's relevant items."""
        ends = torch.cat([self.sizes.new_zeros(1), self.sizes.cumsum(0)])
        return ends[class_slices(self.classes, query_labels)]

    def blocks(self) -> Iterator[Block]:
        """Yield the codes block after block; each is unmapped when it is no longer held."""
        for start in range(0, len(self), MAPPED):
            yield start, self._mapped(start, min(start + MAPPED, len(self)))

    @property
    def books(self) -> tuple[int, int]:
        """M and K of the tables that can search this gallery."""
        return _books(self.budget)

    def entries(self, query_labels: AnyLabels) -> tuple[Walk, Slices]:
        """Return what is searched by table, and the bounds of each query's relevant entries."""
        return self, self.slices(query_labels)

    def part(self, low: int, high: int) -> Entries:
        """Return items low … high - 1 as entries."""
        codes = torch.from_numpy(self._mapped(low, high))
        return Entries(_indices(codes, self.budget).numpy())

    def parts(self) -> Iterator[Entries]:
        """Yield all items as entries, block after block."""
        for start in range(0, len(self), MAPPED):
            yield self.part(start, min(start + MAPPED, len(self)))

    def _mapped(self, low: int, high: int) -> UInt8[np.ndarray, "n bytes"]:
        """Map the codes of items low … high - 1."""
        width = self.budget.code_bytes
        if low == high:  # nothing cannot be mapped
            return np.zeros((0, width), dtype=np.uint8)
        return np.memmap(self.path, np.uint8, "c", low * width, (high - low, width))


AnyGallery: TypeAlias = Gallery | StoredGallery


def class_slices(gallery_labels: Labels, query_labels: AnyLabels) -> Slices:
    """Return the bounds of each query's class among labels in order.

    >>> class_slices(torch.tensor([0, 0, 2]), torch.tensor([2, 0, 1])).tolist()
    [[2, 3], [0, 2], [2, 2]]
    """
    ordered, wanted = gallery_labels.contiguous(), query_labels.contiguous()
    low = torch.searchsorted(ordered, wanted)
    return torch.stack([low, torch.searchsorted(ordered, wanted, right=True)], dim=1)


def _books(budget: CodeBudget) -> tuple[int, int]:
    """Return M and K; without subspaces every byte of a code is a codeword index."""
    if budget.subspaces:
        return budget.subspaces, budget.codewords
    return budget.code_bytes, 256


def _indices(codes: PackedCodes, budget: CodeBudget) -> Integer[Tensor, "n m"]:
    """Return the codeword indices, a byte each where K ≤ 256."""
    if not budget.subspaces or budget.bits_per_subspace == 8:
        return codes
    kind = torch.uint8 if budget.codewords <= 256 else torch.int32
    parts = torch.split(codes, _UNPACKED)
    return torch.cat([unpack_indices(part, budget).to(kind) for part in parts])


def check_width(role: str, codes: PackedCodes, budget: CodeBudget) -> None:
    """Refuse codes that are not as long as their budget says.

    Raises:
        HashQuantError: naming whose codes they are.
    """
    if codes.shape[1] != budget.code_bytes:
        raise HashQuantError(
            f"{role} codes must have {budget.code_bytes} bytes ({budget.bits} bits), "
            f"got {codes.shape[1]}"
        )


def check_queries(count: int, labels: AnyLabels) -> None:
    """Refuse queries that do not have a label each.

    Raises:
        HashQuantError: with both numbers.
    """
    if count != len(labels):
        raise HashQuantError(
            f"queries must have a label each, got {count} and {len(labels)} labels"
        )
