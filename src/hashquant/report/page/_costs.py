"""What a score costs: four plots a block, and the table of their numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.numerals import NOTHING, number, spread
from hashquant.report.page._grid import Cell, Column, Grid, cells
from hashquant.report.page._panel import Panel, Series, cost_axis, share_axis
from hashquant.report.rows import REFERENCE, UNTRAINED
from hashquant.report.tables.budgets import (
    Budget,
    budgets_of,
    competing,
    front_points,
    searched,
    trained_on,
)
from hashquant.report.tables.searchtimes import CLOCKS

Line = Mapping[Any, Any]  # Any: one line of the frame, by column
SAID = {
    "bits": "code length (bits)", "bytes": "stored code (bytes)",
    "time": "search time (ms a query)", "minutes": "training (minutes)",
}  # fmt: skip
SHORT = {"bits": "bits", "bytes": "bytes", "time": "ms", "minutes": "min"}


def panels(mine: pd.DataFrame, name: str) -> list[Panel]:
    """Return the plots of one block's lines: mAP against each budget that it has."""
    found = (_panel(mine, budget, name) for budget in budgets_of(mine))
    return [panel for panel in found if panel is not None]


def _panel(mine: pd.DataFrame, budget: Budget, name: str) -> Panel | None:
    rivals = competing(mine, budget)
    if rivals.empty:
        return None
    longest = float(rivals[budget.column].max())
    # A reference that is cheaper than every rival widens the scale, a dearer one is a level line.
    costs = [float(x) for x in mine[budget.column] if x <= longest]
    label = SAID[budget.name]
    note = ", ".join(filter(None, _conditions(rivals, budget)))
    lines: dict[str, list[Line]] = {}
    for line in mine.sort_values(budget.column, kind="stable").to_dict("records"):
        lines.setdefault(line["label"], []).append(line)
    order = dict.fromkeys(mine["label"])
    series = [_series(row, lines[row], budget, longest) for row in order]
    highest = mine["mean"] + mine["sd"].fillna(0)
    front = tuple((float(x), float(y)) for x, y in front_points(mine, budget))
    return Panel(
        f"{name}: mAP against {label}", cost_axis(label, costs, SHORT[budget.name]),
        share_axis("mAP", highest, "mAP"), [line for line in series if line.y], front, note=note,
    )  # fmt: skip


def _conditions(rivals: pd.DataFrame, budget: Budget) -> list[str]:
    """Say what a measured cost depends on."""
    if budget.name == "time":
        return [CLOCKS[budget.column], searched(rivals)]
    return [trained_on(rivals)] if budget.name == "minutes" else []


def _series(label: str, lines: Sequence[Line], budget: Budget, longest: float) -> Series:
    """Return a row's points; what is dearer than every rival's is a level line."""
    priced = [line for line in lines if math.isfinite(line[budget.column])]
    inside = [line for line in priced if line[budget.column] <= longest]
    level = bool(priced) and not inside
    shown = priced[:1] if level else inside
    tips = tuple(f"{line['bits']:,} bits" for line in shown)
    sd = tuple(None if math.isnan(line["sd"]) else float(line["sd"]) for line in shown)
    x, y = (tuple(float(line[name]) for line in shown) for name in (budget.column, "mean"))
    return Series(label, x, y, tips, sd, level)


def cost_grid(frame: pd.DataFrame, blocks: Sequence[Block]) -> Grid:
    """Return every line of the budgets: what a cell scores, what it costs, where it wins."""
    places = {(b.dataset, b.target): (b.trained, b.examined, b.names) for b in blocks}
    timed = bool(frame["code_images_per_second"].notna().any())
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("method", filtered=True, rows=True), Column("bits", True, filtered=True),
        Column("mAP", True), Column("stored bytes", True), Column("codebook bytes", True),
        Column("ms (faiss)", True), Column("ms (own kernel)", True),
        *([Column("codes/s", True)] if timed else []), Column("training min", True),
        Column("Pareto front of"),
    ]  # fmt: skip
    rows = []
    for line in frame.to_dict("records"):
        texts = (
            f"{line['bits']:,}", spread(line["mean"], line["sd"]), f"{line['code_bytes']:,}",
            f"{line['codebook_bytes']:,}", *(number(line[clock], 3) for clock in CLOCKS),
            *([number(line["code_images_per_second"], 0, grouped=True)] if timed else []),
            number(line["train_minutes"], 2),
            Cell(_fronts(line), "wide"),
        )  # fmt: skip
        *place, names = places[line["dataset"], line["target"]]
        rows.append([*cells(place), Cell(names.row(line["label"]), "row"), *cells(texts)])
    first = {"trained on": blocks[0].trained, "examined on": blocks[0].examined}
    made = ", to make (codes a second, of the trunk's features)" if timed else ""
    caption = f"mAP beside what a code costs to keep{made}, to search and to learn."
    return Grid("costs", caption, heads, rows, first, search=True)


def _fronts(line: Line) -> str:
    """Say which Pareto fronts a line stands on."""
    if not line["competes"]:
        return REFERENCE if line["family"] == REFERENCE else UNTRAINED
    return ", ".join(name for name in SHORT if line[f"front_{name}"]) or NOTHING
