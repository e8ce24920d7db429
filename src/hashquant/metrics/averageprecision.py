"""Average precision in expectation over the order of ties, and in their best and worst order.

It is in closed form (McSherry and Najork, ECIR 2008). Everything is float64 arithmetic of the four
operations, the same to the bit on every device, for every chunking and with or without kernels.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from hashquant.errors import HashQuantError
from hashquant.machine.compiled import compiled_too
from hashquant.metrics._harmonic import Flat, harmonic_difference
from hashquant.metrics.kernels import fold_gains, list_tied
from hashquant.metrics.ties import TieGroups
from hashquant.types import Counts, PerQuery

TIES = ("expected", "best", "worst")

#: Tied groups whose gain is taken at a time.
_PIECE = 1 << 16


def average_precision(groups: TieGroups, cutoff: int = 0, ties: str = "expected") -> PerQuery:
    """Return each query's average precision over the first `cutoff` ranks (0: all).

    A group of n items with r relevant, after N items and H relevant, adds
    (r/n) Σ_j (H + 1 + (j-1)(r-1)/(n-1)) / (N + j), j = 1 … n, cut at the cutoff; the sum is
    divided by min(cutoff, relevant). `ties` "best" and "worst" put the relevant items of each
    group first and last. A query without relevant items scores 0.

    Raises:
        HashQuantError: if `ties` is unknown or `cutoff` is negative.
    """
    return average_precisions(groups, {cutoff: (ties,)})[0]


def average_precisions(
    groups: TieGroups, wanted: Mapping[int, Sequence[str]] = MappingProxyType({0: TIES})
) -> list[PerQuery]:
    """Return `average_precision` for each cutoff and its orders of ties, in one pass for all.

    Raises:
        HashQuantError: if an order of ties is unknown or a cutoff is negative.
    """
    for order in itertools.chain.from_iterable(wanted.values()):
        if order not in TIES:
            raise HashQuantError(f"ties must be one of {', '.join(TIES)}, got '{order}'")
    cuts = [_cut(groups, cutoff) for cutoff in wanted]
    found = list[PerQuery]()
    for cut, gains in zip(cuts, _gains(cuts, list(wanted.values())), strict=True):
        # Without a tie all orders are one.
        told = gains if gains.shape[1] else gains[:1]
        ap = _sums(cut, told) / groups.total_relevant.clamp(1, cut.limit).double()
        found += list(ap.expand(len(gains), -1))
    return found


@dataclass(frozen=True, eq=False)
class _Cut:
    """The groups that begin within the first `limit` ranks.

    `places` has row and column of those that hold something relevant among several items.
    """

    limit: int
    ahead: Counts
    size: Counts
    hits: Counts
    relevant: Counts
    places: Int64[Tensor, "2 f"]


def _cut(groups: TieGroups, cutoff: int) -> _Cut:
    """Take the groups within a cutoff.

    Raises:
        HashQuantError: if it is negative.
    """
    if cutoff < 0:
        raise HashQuantError(f"cutoff must be 0 (the full ranking) or more, got {cutoff}")
    limit = min(cutoff, groups.gallery_size) if cutoff else groups.gallery_size
    width = _groups_before(groups.ahead, limit)
    ahead, size, hits, relevant = (
        x[:, :width].contiguous()
        for x in (groups.ahead, groups.size, groups.ahead_relevant, groups.relevant)
    )
    return _Cut(limit, ahead, size, hits, relevant, _tied(ahead, size, relevant, limit))


def _tied(ahead: Counts, size: Counts, relevant: Counts, limit: int) -> Int64[Tensor, "2 f"]:
    """Find the groups of several items, some relevant, that begin before a rank."""
    listed = None if ahead.is_cuda else compiled_too(list_tied)
    if listed is None:
        places: Tensor = ((ahead < limit) & (relevant > 0) & (size > 1)).nonzero().T
        return places
    found = torch.empty(2, ahead.numel(), dtype=torch.int64)
    count = torch.zeros(1, dtype=torch.int64)
    listed(ahead.numpy(), size.numpy(), relevant.numpy(), limit, found.numpy(), count.numpy())
    return torch.clone(found[:, : int(count)])


def _gains(cuts: list[_Cut], wanted: list[Sequence[str]]) -> list[Float64[Tensor, "o f"]]:
    """Return what each cut's tied groups add in each of its orders."""
    found = [
        torch.empty(len(orders), cut.places.shape[1], dtype=torch.float64, device=cut.ahead.device)
        for cut, orders in zip(cuts, wanted, strict=True)
    ]
    parts = (
        (gains, _terms(cut, places, orders))
        for whole, cut, orders in zip(found, cuts, wanted, strict=True)
        for gains, places in zip(
            torch.split(whole, _PIECE, dim=1), torch.split(cut.places, _PIECE, dim=1), strict=True
        )
    )
    for pack in _packs(parts):
        told = _group_gain(torch.cat([terms.flatten(1) for _, terms in pack], dim=1))
        sizes = [gains.numel() for gains, _ in pack]
        for (gains, _), own in zip(pack, torch.split(told, sizes), strict=True):
            gains.copy_(own.view(gains.shape))
    return found


def _packs(parts: Iterable[tuple[Tensor, Tensor]]) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Put small parts together: a call costs as much for one as for many."""
    pack, held = list[tuple[Tensor, Tensor]](), 0
    for gains, terms in parts:
        pack.append((gains, terms))
        held += gains.numel()
        if held >= _PIECE:
            yield pack
            pack, held = [], 0
    if pack:
        yield pack


def _terms(
    cut: _Cut, places: Int64[Tensor, "2 p"], orders: Sequence[str]
) -> Float64[Tensor, "5 o p"]:
    """Return what `_group_gain` takes for some tied groups in each order of ties."""
    ahead, size, hits, relevant = (
        x[*places].double() for x in (cut.ahead, cut.size, cut.hits, cut.relevant)
    )
    found = []
    for ties in orders:
        if ties == "expected":
            start, steps = ahead, size
            share, slope = relevant / size, (relevant - 1) / (size - 1)
        else:
            start = ahead if ties == "best" else ahead + (size - relevant)
            steps = relevant
            share = slope = torch.ones_like(ahead)
        steps = torch.minimum((cut.limit - start).clamp(min=0), steps)
        found.append(torch.stack([share, slope, hits + 1, start, steps]))
    return torch.stack(found, dim=1)


def _group_gain(terms: Float64[Tensor, "5 f"]) -> Flat:
    """Return (share) Σ_{j=1…steps} (first + (j-1)·slope) / (start + j) of each column."""
    share, slope, first, start, steps = terms
    constant = first - slope * (start + 1)
    gain: Flat = share * (slope * steps + constant * harmonic_difference(start, steps))
    return gain


def _sums(cut: _Cut, gains: Float64[Tensor, "o f"]) -> Float64[Tensor, "o q"]:
    """Sum what each query's groups add, single items and, by each row of `gains`, tied groups."""
    folded = None if gains.is_cuda else compiled_too(fold_gains)
    if folded is None:
        single = (cut.hits + 1).double().div_(cut.ahead + 1)
        begun = (cut.ahead < cut.limit) & (cut.relevant > 0)
        single.masked_fill_(~begun | (cut.size != 1), 0.0)
        sums = []
        for row in gains:
            single[*cut.places] = row
            sums.append(_row_sum(single).clone())  # one group: a view
        return torch.stack(sums)
    found = torch.empty(len(gains), len(cut.ahead), dtype=torch.float64)
    folded(
        cut.ahead.numpy(), cut.size.numpy(), cut.hits.numpy(), cut.relevant.numpy(), cut.limit,
        cut.places.numpy(), gains.numpy(), found.numpy(),
    )  # fmt: skip
    return found


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
