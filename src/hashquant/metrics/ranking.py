"""Precision and recall of rankings: after fixed ranks, and within a Hamming radius."""

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from hashquant.errors import HashQuantError
from hashquant.metrics.ties import TieGroups
from hashquant.types import PerQuery

#: The radius of `TieGroups.within_radius`.
RADIUS = 2

AtRanks = Float64[Tensor, "q r"]


def rank_grid(gallery_size: int, points: int = 100) -> tuple[int, ...]:
    """Return the ranks of a precision-recall curve: 1 … 10, then evenly in log rank up to N.

    >>> rank_grid(12)
    (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)

    Raises:
        HashQuantError: if the gallery is empty.
    """
    if gallery_size < 1:
        raise HashQuantError(f"gallery_size must be 1 or more, got {gallery_size}")
    ranks = set(range(1, min(10, gallery_size) + 1))
    ratio = max(gallery_size / 10, 1.0)
    ranks.update(min(gallery_size, round(10 * ratio ** (i / points))) for i in range(1, points))
    return tuple(sorted(ranks | {gallery_size}))


def precision_at(found: AtRanks, ranks: tuple[int, ...]) -> AtRanks:
    """Return each query's expected precision after each rank k: `relevant_in_top` / k."""
    return found / torch.tensor(ranks, dtype=torch.float64, device=found.device)


def recall_at(found: AtRanks, total: Int64[Tensor, " q"]) -> AtRanks:
    """Return each query's expected recall after each rank: `relevant_in_top` / all relevant.

    It is 0 for a query without relevant items.
    """
    return found / total.clamp(min=1).double().unsqueeze(1)


def within_radius(groups: TieGroups) -> tuple[PerQuery, PerQuery, Bool[Tensor, " q"]]:
    """Return precision, recall and emptiness of each query's ball of Hamming radius 2.

    An empty ball has precision 0 (as in DCDH and DDH); its rate is to be reported beside.

    Raises:
        HashQuantError: if the groups carry no Hamming distances.
    """
    if groups.within_radius is None:
        raise HashQuantError("a Hamming radius needs binary codes: these groups have no distances")
    items, relevant = groups.within_radius.double().T
    precision = relevant / items.clamp(min=1)
    recall = relevant / groups.total_relevant.clamp(min=1).double()
    return precision, recall, items == 0
