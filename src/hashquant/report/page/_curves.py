"""The stored curves of every block, code length and comparison, as the page's script reads them."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hashquant.records.record import Curve, EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.drawing.style import Look
from hashquant.report.frame import SECONDARY
from hashquant.report.numerals import spread
from hashquant.report.page._grid import Cell, Column, Grid, cells
from hashquant.report.page._panel import Axis, Panel, Series, rank_axis, share_axis

#: Parts of one in which precision and recall are embedded.
PARTS = 10_000
#: Ranks that the table of numbers shows.
SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
KINDS = {"pr": "precision against recall", "precision": "precision@k", "recall": "recall@k"}


@dataclass(frozen=True)
class Mean:
    """One row's curve: precision and recall after each rank, the means over `n` seeds.

    The standard deviations are NaN at ranks that fewer than two seeds have.
    """

    label: str
    comparison: str
    ranks: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    precision_sd: tuple[float, ...]
    recall_sd: tuple[float, ...]
    n: int


@dataclass(frozen=True)
class Group:
    """The curves of one block, code length and kind of comparison."""

    block: int
    bits: int
    secondary: bool
    means: Sequence[Mean]


def curve_groups(blocks: Sequence[Block]) -> list[Group]:
    """Return the groups that hold a curve, in the blocks' order; references stand in each one."""
    found = []
    for at, block in enumerate(blocks):
        for bits in block.bits:
            for secondary in (False, True):
                means = _means(block, bits, secondary)
                if means:
                    found.append(Group(at, bits, secondary, means))
    return found


def _means(block: Block, bits: int, secondary: bool) -> list[Mean]:
    kept: dict[str, list[Curve]] = defaultdict(list)
    for record in block.evals:
        if record.spec.bits == bits and (curve := _curve(record, secondary)) is not None:
            kept[record.spec.label].append(curve)
    order = sorted(kept, key=block.order)
    return [_mean(label, kept[label]) for label in order]


def _curve(record: EvalRecord, secondary: bool) -> Curve | None:
    found = (c for c in record.curves if c.ranks and (c.comparison in SECONDARY) == secondary)
    return next(found, None)


def _mean(label: str, curves: Sequence[Curve]) -> Mean:
    """Average curves at each rank over the seeds whose grid of ranks has it."""
    kept: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for curve in curves:
        for rank, *pair in zip(curve.ranks, curve.precision, curve.recall, strict=True):
            kept[rank].append((pair[0], pair[1]))
    ranks = tuple(sorted(kept))
    precision, precision_sd, recall, recall_sd = zip(
        *(_moments(p) + _moments(r) for p, r in (zip(*kept[k], strict=True) for k in ranks)),
        strict=True,
    )
    return Mean(
        label, curves[0].comparison, ranks, precision, recall, precision_sd, recall_sd, len(curves)
    )


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation, NaN of one value."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, math.nan
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def axes(group: Group, kind: str) -> tuple[Axis, Axis]:
    """Return the scales of one kind of plot."""
    up = share_axis("precision", _tops(group), "precision")
    if kind == "pr":
        return share_axis("recall", [1.0], "recall"), up
    across = rank_axis(max(mean.ranks[-1] for mean in group.means))
    return across, up if kind == "precision" else share_axis("recall", [1.0], "recall")


def _tops(group: Group) -> list[float]:
    """Return how far each point of precision reaches up, its standard deviation included."""
    return [
        value + (0.0 if math.isnan(sd) else sd)
        for mean in group.means
        for value, sd in zip(mean.precision, mean.precision_sd, strict=True)
    ]


def panel(group: Group, block: Block) -> Panel:
    """Return the precision-recall plot of a group."""
    across, up = axes(group, "pr")
    series = [
        Series(mean.label, mean.recall, mean.precision, tuple(f"rank {k}" for k in mean.ranks),
               _known(mean.precision_sd))
        for mean in group.means
    ]  # fmt: skip
    return Panel(f"{block.name}, {group.bits} bits", across, up, series, every=False)


def embedded(
    groups: Sequence[Group], look: Mapping[str, Look]
) -> list[dict[str, Any]]:  # Any: JSON
    """Return the groups as the script reads them: shares are whole numbers, parts of `PARTS`.

    A series that has the ranks of its group does not repeat them; one of several seeds has its
    standard deviations (`ps`, `rs`).
    """
    places = {label: at for at, label in enumerate(look)}
    found = []
    for group in groups:
        ranks = group.means[0].ranks
        series = [
            {"m": places[mean.label], "n": mean.n, "p": _parts(mean.precision),
             "r": _parts(mean.recall)}
            | _spreads(mean)
            | ({} if mean.ranks == ranks else {"k": mean.ranks})
            for mean in group.means
        ]  # fmt: skip
        marks = {kind: [value for value, _ in axes(group, kind)[1].ticks] for kind in KINDS}
        found.append(
            {"b": group.block, "bits": group.bits, "set": int(group.secondary), "k": ranks,
             "marks": marks, "s": series}
        )  # fmt: skip
    return found


def _spreads(mean: Mean) -> dict[str, list[int | None]]:
    if mean.n == 1:
        return {}
    return {"ps": _parts(mean.precision_sd), "rs": _parts(mean.recall_sd)}


def _parts(values: Sequence[float]) -> list[int | None]:
    return [None if value is None else round(value * PARTS) for value in _known(values)]


def _known(values: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values)


def curve_grid(group: Group, block: Block) -> Grid:
    """Return the numbers of a group at some ranks, as the alternative to its plot."""
    rows = []
    for mean in group.means:
        kept = _shown(mean.ranks)
        precision, recall = (
            map(spread, *pair)
            for pair in ((mean.precision, mean.precision_sd), (mean.recall, mean.recall_sd))
        )
        for rank, *texts in zip(mean.ranks, precision, recall, strict=True):
            if rank in kept:
                rows.append(
                    [Cell(block.names.row(mean.label), "row"), *cells((f"{rank:,}", *texts))]
                )
    columns = [
        Column("method", rows=True),
        *(Column(h, True) for h in ("rank", "precision", "recall")),
    ]
    caption = f"Precision and recall after some ranks: {block.name}, {group.bits} bits."
    return Grid("curve-numbers", caption, columns, rows)


def _shown(ranks: Sequence[int]) -> set[int]:
    """Return the last rank, and of a grid those that come nearest below `SHOWN`."""
    return {max(rank for rank in ranks if rank <= goal) for goal in SHOWN if goal >= ranks[0]} | {
        ranks[-1]
    }
