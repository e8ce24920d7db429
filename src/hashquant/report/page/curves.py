"""The stored curves of every block, code length and comparison, as the page's script reads them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hashquant.record import Curve, EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.figures.style import Look, row_order
from hashquant.report.frame import SECONDARY
from hashquant.report.page.grid import Cell, Column, Grid, cells
from hashquant.report.page.panel import Axis, Panel, Series, rank_axis, share_axis

#: Parts of one in which precision and recall are embedded.
PARTS = 10_000
#: Ranks that the table of numbers shows.
SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
KINDS = {"pr": "precision against recall", "precision": "precision@k", "recall": "recall@k"}


@dataclass(frozen=True)
class Mean:
    """One row's curve: precision and recall after each rank, the means over `n` seeds."""

    label: str
    comparison: str
    ranks: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
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
    order = sorted(kept, key=lambda label: row_order(label, block.families[label]))
    return [_mean(label, kept[label]) for label in order]


def _curve(record: EvalRecord, secondary: bool) -> Curve | None:
    return next((c for c in record.curves if (c.comparison in SECONDARY) == secondary), None)


def _mean(label: str, curves: Sequence[Curve]) -> Mean:
    """Average curves at each rank over the seeds whose grid of ranks has it."""
    sums: dict[int, tuple[int, float, float]] = {}
    for curve in curves:
        for rank, precision, recall in zip(curve.ranks, curve.precision, curve.recall, strict=True):
            n, p, r = sums.get(rank, (0, 0.0, 0.0))
            sums[rank] = n + 1, p + precision, r + recall
    ranks = tuple(sorted(sums))
    means = [(p / n, r / n) for n, p, r in (sums[rank] for rank in ranks)]
    return Mean(
        label, curves[0].comparison, ranks, tuple(p for p, _ in means),
        tuple(r for _, r in means), len(curves),
    )  # fmt: skip


def axes(group: Group, kind: str) -> tuple[Axis, Axis]:
    """Return the scales of one kind of plot."""
    precision = [value for mean in group.means for value in mean.precision]
    up = share_axis("precision", precision, "precision")
    if kind == "pr":
        return share_axis("recall", [1.0], "recall"), up
    across = rank_axis(max(mean.ranks[-1] for mean in group.means))
    return across, up if kind == "precision" else share_axis("recall", [1.0], "recall")


def panel(group: Group, block: Block) -> Panel:
    """Return the precision-recall plot of a group."""
    across, up = axes(group, "pr")
    series = [
        Series(mean.label, mean.recall, mean.precision, tuple(f"rank {k}" for k in mean.ranks))
        for mean in group.means
    ]
    return Panel(f"{block.name}, {group.bits} bits", across, up, series, every=False)


def embedded(
    groups: Sequence[Group], look: Mapping[str, Look]
) -> list[dict[str, Any]]:  # Any: JSON
    """Return the groups as the script reads them: shares are whole numbers, parts of `PARTS`.

    A series that has the ranks of its group does not repeat them.
    """
    places = {label: at for at, label in enumerate(look)}
    found = []
    for group in groups:
        ranks = group.means[0].ranks
        series = [
            {"m": places[mean.label], "n": mean.n, "p": _parts(mean.precision),
             "r": _parts(mean.recall)}
            | ({} if mean.ranks == ranks else {"k": mean.ranks})
            for mean in group.means
        ]  # fmt: skip
        marks = {kind: [value for value, _ in axes(group, kind)[1].ticks] for kind in KINDS}
        found.append(
            {"b": group.block, "bits": group.bits, "set": int(group.secondary), "k": ranks,
             "marks": marks, "s": series}
        )  # fmt: skip
    return found


def _parts(values: Sequence[float]) -> list[int]:
    return [round(value * PARTS) for value in values]


def curve_grid(group: Group, block: Block) -> Grid:
    """Return the numbers of a group at some ranks, as the alternative to its plot."""
    rows = []
    for mean in group.means:
        kept = _shown(mean.ranks)
        for rank, precision, recall in zip(mean.ranks, mean.precision, mean.recall, strict=True):
            if rank in kept:
                numbers = (f"{rank:,}", f"{precision:.4f}", f"{recall:.4f}")
                rows.append([Cell(mean.label, "row"), *cells(numbers)])
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
