"""One heat map of many rows: rows by parts, a column for each training set and target."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hashquant.report.drawing.heat import EMPTY, ink, scales, short_number
from hashquant.report.drawing.shortnames import called
from hashquant.report.drawing.style import Look, Preset, drawable
from hashquant.report.evidence.queries import ALPHA
from hashquant.report.figures.many.lines import Line, mark_lines
from hashquant.report.rows import UNTRAINED
from hashquant.report.tables.families import BEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Height of a line of cells and of what stands below them, and average width of a letter, in em.
HIGH, BELOW, LETTER = 1.4, 6.0, 0.6
#: Widest cell in inches.
WIDEST = 1.3

Cell = Mapping[Any, Any]  # Any: one line of `domains.matrix_frame`, by column


@dataclass(frozen=True)
class Plan:
    """Where cells stand: the lines, and the columns as (training set, target)."""

    lines: Sequence[Line]
    columns: Sequence[tuple[str, str]]


def grid_figure(
    part: pd.DataFrame,
    bits: int,
    limits: tuple[float, float],
    lines: Sequence[Line],
    look: Mapping[str, Look],
    preset: Preset,
) -> "Figure":
    """Draw the scores of all rows of a `matrix_frame`, and the best of families.

    `limits` are the ends of the scales of mAP and of the signed difference.
    """
    from matplotlib.figure import Figure

    signed = part["label"].eq(BEST).any()
    lines = [*lines, *([Line("", head=True), Line(BEST)] if signed else [])]
    columns = list(dict.fromkeys(zip(part["train"], part["target"], strict=True)))
    em = preset.font / 72
    names = {line.text: called(line.text, look) for line in lines}
    left = (max(map(len, names.values())) * LETTER * 0.86 + 1.5) * em
    wide = min(WIDEST, (preset.width - left) / len(columns))
    heads, turned = _heads(part, columns, wide / em * 0.95)
    above = 0.9 * LETTER * max(map(len, heads)) + 1 if turned else 1.2 * _most_lines(heads)
    height = (len(lines) * HIGH + above + BELOW + 1) * em
    figure = Figure(figsize=(preset.width, height))
    axes = figure.add_axes(
        (left / preset.width, BELOW * em / height, wide * len(columns) / preset.width,
         len(lines) * HIGH * em / height)
    )  # fmt: skip
    plan = Plan(lines, columns)
    colors = scales(limits)
    _cells(axes, part, plan, colors, preset)
    mark_lines(axes, lines, names, preset)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), heads, rotation=90 if turned else 0)
    axes.tick_params(length=0, labelsize=preset.font * 0.86, pad=2)
    _bars(figure, colors, (bits, bool(signed)), left / preset.width, preset)
    return figure


def _heads(
    part: pd.DataFrame, columns: Sequence[tuple[str, str]], room: float
) -> tuple[list[str], bool]:
    """Return the heads of the columns, and whether they must be turned to fit `room` em each."""
    short = dict(zip(part["train"], part["train_short"], strict=True))
    short |= dict(zip(part["target"], part["target_short"], strict=True))
    whole = [
        short[target] if train == target else f"{short[train]} → {short[target]}"
        for train, target in columns
    ]
    letters = int(room / LETTER)
    if max(len(word) for name in whole for word in name.split()) > letters:
        return [drawable(name) for name in whole], True
    return [drawable(textwrap.fill(name, letters)) for name in whole], False


def _most_lines(heads: Sequence[str]) -> int:
    return max(head.count("\n") for head in heads) + 1


def _cells(
    axes: "Axes", part: pd.DataFrame, plan: Plan, colors: Sequence[Any], preset: Preset
) -> None:  # Any: pairs of a colour map and its scale
    places = {line.text: at for at, line in enumerate(plan.lines) if not line.head}
    shown = part[part["label"].isin(places)]
    axes.set(xlim=(-0.5, len(plan.columns) - 0.5), ylim=(len(plan.lines) - 0.5, -0.5))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    for number, (map_, norm) in enumerate(colors):
        values = np.full((len(plan.lines), len(plan.columns)), np.nan)
        for cell in (line for line in shown.to_dict("records") if _scale(line) == number):
            signed = cell["label"] == BEST
            row, column = places[cell["label"]], plan.columns.index((cell["train"], cell["target"]))
            value = values[row, column] = cell["difference"] if signed else cell["mean"]
            if np.isnan(value):
                axes.add_patch(_empty(row, column))
                continue
            star = "*" if signed and cell["p_adjusted"] <= ALPHA else ""
            axes.text(
                column, row, short_number(value, signed=signed) + star, ha="center",
                va="center_baseline", fontsize=preset.font * 0.8, color=ink(map_(norm(value))),
            )  # fmt: skip
        axes.pcolormesh(
            np.arange(len(plan.columns) + 1) - 0.5, np.arange(len(plan.lines) + 1) - 0.5,
            np.ma.masked_invalid(values), cmap=map_, norm=norm, edgecolors="white", linewidth=0.6,
            zorder=1,
        )  # fmt: skip


def _scale(cell: Cell) -> int:
    """Return which colours a cell takes: those of mAP, the signed ones, or grey."""
    return 1 if cell["label"] == BEST else 0 if cell["trained"] else 2


def _empty(row: int, column: int) -> Any:  # Any: a patch, whose type needs matplotlib
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=EMPTY, edgecolor="white")


def _bars(
    figure: "Figure", colors: Sequence[Any], said: tuple[int, bool], left: float, preset: Preset
) -> None:  # Any: pairs of a colour map and its scale
    from matplotlib.cm import ScalarMappable

    bits, signed = said
    em = preset.font / 72
    texts = [f"mAP at {bits} bits (grey: {UNTRAINED})",
             f"mAP, {BEST} (*: adjusted p ≤ {ALPHA})"]  # fmt: skip
    for at, text in enumerate(texts[: 1 + signed]):
        room = (1 - 0.04) / 2
        place = (0.02 + at * room + 0.06 * room, 3.9 * em / figure.get_figheight(),
                 0.85 * room, 0.8 * em / figure.get_figheight())  # fmt: skip
        axes = figure.add_axes(place)
        bar = figure.colorbar(ScalarMappable(colors[at][1], colors[at][0]), cax=axes,
                              orientation="horizontal")  # fmt: skip
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=preset.font * 0.8, length=2, pad=1.5)
        axes.set_xlabel(text, fontsize=preset.font * 0.8, labelpad=1.5)
        axes.grid(visible=False)
