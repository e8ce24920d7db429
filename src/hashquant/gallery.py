"""The items that are searched: packed codes and labels in order of class."""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from hashquant.codes.family import CodeBudget
from hashquant.codes.product import unpack_indices
from hashquant.errors import HashQuantError
from hashquant.types import Labels, PackedCodes

AnyLabels: TypeAlias = Int64[Tensor, " labels"]  # as many as items, which is checked


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
        if self.budget.subspaces:
            return self.budget.subspaces, self.budget.codewords
        return self.budget.code_bytes, 256

    def indices(self) -> Integer[Tensor, "n m"]:
        """Return the codeword indices, a byte each where K ≤ 256."""
        if not self.budget.subspaces or self.budget.bits_per_subspace == 8:
            return self.codes
        kind = torch.uint8 if self.budget.codewords <= 256 else torch.int32
        parts = torch.split(self.codes, 1 << 20)
        return torch.cat([unpack_indices(part, self.budget).to(kind) for part in parts])


def class_slices(gallery_labels: Labels, query_labels: AnyLabels) -> Int64[Tensor, "q 2"]:
    """Return the bounds of each query's class among labels in order.

    >>> class_slices(torch.tensor([0, 0, 2]), torch.tensor([2, 0, 1])).tolist()
    [[2, 3], [0, 2], [2, 2]]
    """
    ordered, wanted = gallery_labels.contiguous(), query_labels.contiguous()
    low = torch.searchsorted(ordered, wanted)
    return torch.stack([low, torch.searchsorted(ordered, wanted, right=True)], dim=1)


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
