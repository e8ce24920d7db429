"""Rankings as tied groups, and what they are worth in expectation over the order of ties.

Average precision is in closed form (McSherry and Najork, ECIR 2008). Everything is float64
arithmetic of the four operations, the same to the bit on every device and for every chunking.
"""

import functools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from hashquant.errors import HashQuantError
from hashquant.types import Counts, PerQuery

TIES = ("expected", "best", "worst")

#: Harmonic numbers up to this one come from a table, later ones from the asymptotic series.
_TABLED = 64
_LN2 = math.log(2.0)

Flat = Float64[Tensor, " f"]


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


def average_precision(groups: TieGroups, cutoff: int = 0, ties: str = "expected") -> PerQuery:
    """Return each query's average precision over the first `cutoff` ranks (0: all).

    A group of n items with r relevant, after N items and H relevant, adds
    (r/n) Σ_j (H + 1 + (j-1)(r-1)/(n-1)) / (N + j), j = 1 … n, cut at the cutoff; the sum is
    divided by min(cutoff, relevant). `ties` "best" and "worst" put the relevant items of each
    group first and last. A query without relevant items scores 0.

    Raises:
        HashQuantError: if `ties` is unknown or `cutoff` is negative.
    """
    return average_precisions(groups, cutoff, (ties,))[0]


def average_precisions(
    groups: TieGroups, cutoff: int = 0, ties: tuple[str, ...] = TIES
) -> list[PerQuery]:
    """Return `average_precision` for each order of ties; they share what no order changes.

    Raises:
        HashQuantError: if one of `ties` is unknown or `cutoff` is negative.
    """
    if unknown := [order for order in ties if order not in TIES]:
        raise HashQuantError(f"ties must be one of {', '.join(TIES)}, got '{unknown[0]}'")
    limit = _limit(cutoff, groups.gallery_size)
    width = _groups_before(groups.ahead, limit)
    ahead, size, hits, relevant = (
        x[:, :width] for x in (groups.ahead, groups.size, groups.ahead_relevant, groups.relevant)
    )
    open_groups = (ahead < limit) & (relevant > 0)
    gain = (hits + 1).double().div_(ahead + 1)  # right where a single item is relevant
    gain.masked_fill_(~open_groups | (size != 1), 0.0)
    many = (open_groups & (size > 1)).nonzero(as_tuple=True)
    parts = [x[many].double() for x in (ahead, size, hits, relevant)]
    total = groups.total_relevant.clamp(1, limit).double()
    if len(parts[0]) == 0:
        return [_row_sum(gain) / total] * len(ties)
    found = []
    for order in ties:
        gain[many] = _group_gain(parts, limit, order)
        found.append(_row_sum(gain) / total)
    return found


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
    tied = (groups.relevant * (groups.size - groups.relevant)).sum(dim=1)
    pairs = groups.total_relevant * (groups.gallery_size - groups.total_relevant)
    return tied.double() / pairs.clamp(min=1).double()


def harmonic_difference(start: Flat, count: Flat) -> Flat:
    """Return 1/(N+1) + … + 1/(N+n) of whole numbers N ≥ 0, n ≥ 0, to a few units in the last place.

    The relative error stays small even for n ≪ N, where a difference of harmonic numbers would
    lose what the group formula needs; no table grows with the gallery.

    >>> harmonic_difference(torch.tensor([1.0]).double(), torch.tensor([2.0]).double())
    tensor([0.8333], dtype=torch.float64)
    """
    table, end = _tails(start.device), start + count
    small = table[start.clamp(max=_TABLED).long()] - table[end.clamp(max=_TABLED).long()]
    a, b = start.clamp(min=_TABLED), end.clamp(min=_TABLED)
    u, v = 1.0 / a, 1.0 / b
    w = (b - a) * u * v  # 1/a - 1/b
    u2, v2 = u * u, v * v
    # H_n = ln n + γ + 1/(2n) - 1/(12n²) + 1/(120n⁴) - 1/(252n⁶) + …, as differences
    series = 1 / 12 - (u2 + v2) / 120 + (u2 * u2 + u2 * v2 + v2 * v2) / 252
    return small + (_log_ratio(a, b) - w / 2 + w * (u + v) * series)


@functools.cache
def _tails(device: torch.device) -> Flat:
    """Return Σ 1/j over i < j ≤ 64 for each i = 0 … 64."""
    inverse = [1.0 / j for j in range(1, _TABLED + 1)]
    tails = [math.fsum(inverse[i:]) for i in range(_TABLED + 1)]
    return torch.tensor(tails, dtype=torch.float64, device=device)


@functools.cache
def _powers(device: torch.device) -> Flat:
    """Return 2^i for i = 0 … 63."""
    return torch.tensor([2.0**i for i in range(64)], dtype=torch.float64, device=device)


def _log_ratio(a: Flat, b: Flat) -> Flat:
    """Return ln(b/a) for b ≥ a > 0 by ln 2 and the series of artanh, |z| < 0.172."""
    mantissa, exponent = torch.frexp(b / a)
    halvings = exponent.long() - (mantissa < math.sqrt(0.5)).long()
    c = b / _powers(a.device)[halvings]  # exact, within [a/√2, a√2]
    z = (c - a) / (c + a)
    square = z * z
    series = torch.full_like(z, 1 / 23)
    for odd in range(21, 0, -2):
        series = series * square + 1 / odd
    return halvings.double() * _LN2 + 2 * z * series


def _group_gain(parts: list[Flat], limit: int, ties: str) -> Flat:
    """Return (share) Σ_{j=1…m} (H + 1 + (j-1)·slope) / (start + j) for groups of n > 1 items."""
    ahead, size, hits, relevant = parts
    if ties == "expected":
        start, steps = ahead, size
        share, slope = relevant / size, (relevant - 1) / (size - 1)
    else:
        start = ahead if ties == "best" else ahead + (size - relevant)
        steps = relevant
        share = slope = torch.ones_like(ahead)
    steps = torch.minimum((limit - start).clamp(min=0), steps)
    constant = (hits + 1) - slope * (start + 1)
    return share * (slope * steps + constant * harmonic_difference(start, steps))


def _row_sum(values: Float64[Tensor, "q g"]) -> PerQuery:
    """Sum each row by folding halves: zeros at the end of a row never change a bit of it."""
    width = values.shape[1]
    if width == 0:
        return values.sum(dim=1)
    while width > 1:
        half = 1 << (width - 1).bit_length() - 1
        folded = values[:, :half].clone()
        folded[:, : width - half] += values[:, half:width]
        values, width = folded, half
    return values[:, 0]


def _groups_before(ahead: Counts, limit: int) -> int:
    """Return how many groups of the fullest row begin before a rank; rows are in order."""
    if not ahead.numel():
        return 0
    rank = ahead.new_full((len(ahead), 1), limit)
    return int(torch.searchsorted(ahead.contiguous(), rank).max())


def _limit(cutoff: int, gallery_size: int) -> int:
    if cutoff < 0:
        raise HashQuantError(f"cutoff must be 0 (the full ranking) or more, got {cutoff}")
    return min(cutoff, gallery_size) if cutoff else gallery_size
