"""Rankings as tied groups: where they come from, and what stands before a rank in expectation."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from hashquant.errors import HashQuantError
from hashquant.types import Counts, PerQuery


@dataclass(frozen=True, eq=False)
class TieGroups:
    """Rankings of a chunk of queries: groups of items with equal score, the nearest first.

    Per query and group: items `ahead` of the group, its `size`, relevant items ahead of it, and
    `relevant` ones within. Rows are in order of `ahead`; groups without relevant items may be
    left out; padding has `relevant` 0 and `ahead` equal to `gallery_size`. `within_radius`
    holds the items, and relevant items, within Hamming radius 2 (binary codes only).
    """

    ahead: Counts
    size: Counts
    ahead_relevant: Counts
    relevant: Counts
    total_relevant: Int64[Tensor, " q"]
    gallery_size: int
    within_radius: Int64[Tensor, "q 2"] | None = None


def groups_of_scores(scores: Float64[Tensor, "q n"], slices: Int64[Tensor, "q 2"]) -> TieGroups:
    """Return the groups that hold relevant items, from all scores; smaller is nearer.

    Row i of `slices` bounds the items relevant to query i. Only their scores are sorted: all
    others are looked up among them and counted.
    """
    low, total = slices[:, :1], slices.diff(dim=1)  # (q, 1)
    place = torch.arange(max(1, int(total.max())), device=scores.device)
    columns = (low + place).clamp(max=scores.shape[1] - 1)
    held = in_order(scores.gather(1, columns), total)
    return groups_of_places(held, total, placed(scores, held, total), scores.shape[1])


def in_order(scores: Float64[Tensor, "q w"], total: Int64[Tensor, "q 1"]) -> Float64[Tensor, "q w"]:
    """Return the first `total` scores of each row in order, infinity after them."""
    place = torch.arange(scores.shape[1], device=scores.device)
    return scores.masked_fill(place >= total, torch.inf).sort(dim=1).values


def placed(
    scores: Float64[Tensor, "q n"], held: Float64[Tensor, "q w"], total: Int64[Tensor, "q 1"]
) -> Int64[Tensor, "q w 2"]:
    """Count the scores between each of `held` (`in_order`) and the one before, and equal to it.

    Of equal ones in `held` the first is counted for.
    """
    rows, width = held.shape
    at = torch.searchsorted(held, scores)  # how many are smaller
    equal = held.gather(1, at.clamp(max=width - 1)) == scores
    first = torch.arange(rows, device=scores.device).unsqueeze(1) * (2 * width + 2)
    keys = at.mul_(2).add_(equal).add_(first).flatten()
    counts = torch.bincount(keys, minlength=rows * (2 * width + 2)).view(rows, -1, 2)
    place = torch.arange(width, device=scores.device)
    return counts[:, :width] * (place < total).unsqueeze(2)


def groups_of_places(
    held: Float64[Tensor, "q w"],
    total: Int64[Tensor, "q 1"],
    counts: Int64[Tensor, "q w 2"],
    gallery_size: int,
) -> TieGroups:
    """Return the groups of each row's ordered scores `held`, given how many scores lie `placed`."""
    between, size = counts.unbind(dim=2)
    ahead = between.cumsum(1) + size.cumsum(1) - size
    hits = torch.searchsorted(held, held)
    relevant = torch.searchsorted(held, held, right=True) - hits
    place = torch.arange(held.shape[1], device=held.device)
    # One column a group: its first, in order; what pads the end has nothing relevant.
    spare = (hits != place) | (place >= total)
    order = spare.to(torch.uint8).sort(dim=1, stable=True).indices
    spare, ahead, size, hits, relevant = (
        x.gather(1, order) for x in (spare, ahead, size, hits, relevant)
    )
    return TieGroups(
        ahead=ahead.masked_fill(spare, gallery_size),
        size=size.masked_fill(spare, 0),
        ahead_relevant=torch.where(spare, total, hits),
        relevant=relevant.masked_fill(spare, 0),
        total_relevant=total.flatten(),
        gallery_size=gallery_size,
    )


def relevant_in_top(groups: TieGroups, ranks: tuple[int, ...]) -> Float64[Tensor, "q r"]:
    """Return the expected number of relevant items among the first k, for each k of `ranks`.

    Inside a group it grows by r/n a rank. Ranks must not exceed the gallery.

    Raises:
        HashQuantError: if a rank is outside 1 … gallery size.
    """
    if ranks and not 1 <= min(ranks) <= max(ranks) <= groups.gallery_size:
        raise HashQuantError(
            f"ranks must be within 1 … {groups.gallery_size} (the gallery), got {ranks}"
        )
    k = torch.tensor(ranks, dtype=torch.int64, device=groups.ahead.device)
    if groups.ahead.shape[1] == 0:
        return torch.zeros(len(groups.ahead), len(ranks), dtype=torch.float64, device=k.device)
    k = k.expand(len(groups.ahead), -1).contiguous()
    at = torch.searchsorted(groups.ahead.contiguous(), k) - 1  # last group that begins before k
    missing, at = at < 0, at.clamp(min=0)
    ahead, size, hits, relevant = (
        x.gather(1, at) for x in (groups.ahead, groups.size, groups.ahead_relevant, groups.relevant)
    )
    inside = torch.minimum(k - ahead, size).double()
    share = relevant.double() / size.clamp(min=1).double()
    return torch.where(missing, 0.0, hits.double() + inside * share)


def tied_pairs(groups: TieGroups) -> PerQuery:
    """Return the share of (relevant, irrelevant) pairs with equal score: what ties can decide."""
    tied = (groups.size - groups.relevant).mul_(groups.relevant).sum(dim=1)
    pairs = groups.total_relevant * (groups.gallery_size - groups.total_relevant)
    return tied.double() / pairs.clamp(min=1).double()
