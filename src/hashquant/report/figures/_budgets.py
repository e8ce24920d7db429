"""The budgets side by side: mAP against bits, stored bytes, search and training time."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.drawing.canvas import file_stem
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import part_style, parts_of, short_part
from hashquant.report.drawing.shortnames import row_names
from hashquant.report.drawing.style import (
    MARKER_SCALES,
    PRESETS,
    Look,
    Preset,
    drawable,
    legend_below,
    line_options,
    looks_of,
)
from hashquant.report.tables.budgets import (
    Budget,
    budgets_of,
    competing,
    front_points,
    searched,
    trained_on,
)
from hashquant.report.tables.searchtimes import CLOCKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRONT = "#BDBDBD"
FRONT_NAME = "Pareto front"
#: Times are drawn on a logarithmic scale where the longest is this many times the shortest.
LOG_FROM = 4
#: Ends of a logarithmic scale of many rows beyond whose ratio powers of ten alone are written.
WIDE = 50
#: Share of a panel's width within which names on one line would meet.
BESIDE = 0.85


def budget_drawings(
    frame: pd.DataFrame,
    blocks: Sequence[Block],
    look: Mapping[str, Look],
    folder: Path,
    preset: Preset = PRESETS["double"],
) -> Iterator[Drawing]:
    """Yield `budgets_<block>` for each block of a `budgets_frame`."""
    for block in blocks:
        mine = frame[(frame["dataset"] == block.dataset) & (frame["target"] == block.target)]
        if mine["competes"].any():
            shown = looks_of(look, mine["label"])
            draw = partial(budgets_figure, mine, shown, block.name, preset)
            yield Drawing(draw, mine, folder / f"budgets_{file_stem(block)}", preset)


def budgets_figure(
    mine: pd.DataFrame, look: Mapping[str, Look], title: str, preset: Preset
) -> "Figure":
    """Draw a block's mAP against each budget it has, with the Pareto fronts behind.

    Means stand with a bar of one sd; what has no code is a level line, since its cost is far
    beyond the scale. Of many rows each part has a hue, and those on the front are named.
    """
    import seaborn as sns
    from matplotlib.figure import Figure

    budgets = budgets_of(mine)
    figure = Figure(figsize=(preset.width, preset.height), layout="constrained")
    row = figure.subplots(1, len(budgets), sharey=True, squeeze=False)[0]
    for axes, budget in zip(row, budgets, strict=True):
        sns.despine(ax=axes)
        _panel(axes, mine, budget, look, preset)
    row[0].set_ylabel("mAP")
    letters = int(preset.width * 72 / preset.font * 1.55)
    figure.suptitle(drawable(textwrap.fill(title, letters)), fontsize=preset.font)
    legend_below(row[0], preset)
    return figure


def _panel(
    axes: "Axes", mine: pd.DataFrame, budget: Budget, look: Mapping[str, Look], preset: Preset
) -> None:
    longest = competing(mine, budget)[budget.column].max()
    names = row_names(mine["label"], look)
    parts = parts_of(look, mine["label"])
    for group, labels in parts.items():
        cloud = mine[mine["label"].isin(labels)]
        _cloud(axes, cloud, budget, part_style(group), short_part(group, parts), preset)
    apart = mine["label"].isin([label for labels in parts.values() for label in labels])
    for label, part in mine[~apart].groupby("label", sort=False):
        name = drawable(names[str(label)])
        style = line_options(look[str(label)], preset)
        points = part.sort_values(budget.column, kind="stable")
        if (points["bits"] > mine.loc[mine["competes"], "bits"].max()).all():
            axes.axhline(points["mean"].iloc[0], color=style["color"], linewidth=preset.line * 0.8,
                         linestyle=style["linestyle"], label=name)  # fmt: skip
            continue
        points = points[points[budget.column] <= longest]
        axes.plot(points[budget.column], points["mean"], label=name, **style)
        spread = points[points["sd"].notna()]
        axes.errorbar(
            spread[budget.column], spread["mean"], yerr=spread["sd"], fmt="none",
            ecolor=style["color"], elinewidth=preset.line * 0.7, zorder=1.9,
        )  # fmt: skip
    front = front_points(mine, budget)
    axes.step(
        [cost for cost, _ in front], [score for _, score in front], where="post", color=FRONT,
        linewidth=preset.line * 2.4, zorder=1.2, label=FRONT_NAME, solid_joinstyle="round",
    )  # fmt: skip
    _scale(axes, mine, budget, preset)
    if parts:
        _front_names(axes, mine, budget, names, preset)


def _cloud(
    axes: "Axes",
    mine: pd.DataFrame,
    budget: Budget,
    style: tuple[str, str],
    name: str,
    preset: Preset,
) -> None:
    """Draw the rows of one part as points: of many rows a panel shows where each part lies."""
    color, marker = style
    axes.plot(
        mine[budget.column], mine["mean"], label=drawable(name), marker=marker,
        linestyle="", color=color, markeredgecolor="white", markeredgewidth=0.3,
        markersize=preset.marker * MARKER_SCALES.get(marker, 1.0),
    )  # fmt: skip


def _front_names(
    axes: "Axes", mine: pd.DataFrame, budget: Budget, names: Mapping[str, str], preset: Preset
) -> None:
    """Name the rows on the front beside their points, the best first, as far as there is room."""
    from matplotlib.ticker import LogLocator

    locator = axes.xaxis.get_major_locator()
    if isinstance(locator, LogLocator) and max(axes.get_xlim()) > WIDE * min(axes.get_xlim()):
        locator.set_params(subs=(1,))
    em, taken = preset.font * 0.8, list[tuple[float, float]]()
    front = mine[mine[f"front_{budget.name}"]].sort_values("mean", ascending=False)
    for label, cost, score in zip(front["label"], front[budget.column], front["mean"], strict=True):
        x, y = axes.transLimits.transform(axes.transScale.transform((cost, score)))
        line = 1.3 * em / (preset.height * 72 * 0.8)
        if any(abs(x - a) < BESIDE and abs(y - b) < line for a, b in taken):
            continue
        taken.append((x, y))
        right = x > 0.5
        axes.annotate(
            drawable(names[str(label)]), (cost, score), (preset.marker * (-1 if right else 1), 2.0),
            textcoords="offset points", ha="right" if right else "left", va="bottom", fontsize=em,
            zorder=4,
        )  # fmt: skip


def _scale(axes: "Axes", mine: pd.DataFrame, budget: Budget, preset: Preset) -> None:
    """Name the scale of costs and put its ticks where they can be read."""
    rivals = competing(mine, budget)
    if budget.measured:
        letters = int(preset.width / len(budgets_of(mine)) * 72 / preset.font * 1.4)
        axes.set_xlabel(drawable("\n".join(_measured_name(rivals, budget, letters))))
        _time_scale(axes, rivals[budget.column])
        return
    levels = sorted(int(cost) for cost in set(rivals[budget.column]))
    axes.set_xlabel({"bits": "Code length (bits)", "bytes": "Stored code (bytes)"}[budget.name])
    axes.set_xticks(levels, [str(level) for level in levels])
    if len(levels) == 1:
        axes.set_xlim(levels[0] - 1, levels[0] + 1)


def _measured_name(rivals: pd.DataFrame, budget: Budget, letters: int) -> list[str]:
    """Return the lines that say what was measured, and how."""
    if budget.name == "minutes":
        name, how = "Training (minutes)", trained_on(rivals)
    else:
        name, how = f"Search ({CLOCKS[budget.column]}, ms)", searched(rivals)
    # A number stays beside its noun.
    whole = re.sub(r"(\d) (items?|threads?)\b", "\\1\xa0\\2", how)
    return [name, *(line.replace("\xa0", " ") for line in textwrap.wrap(whole, letters))]


def _time_scale(axes: "Axes", times: "pd.Series[float]") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if times.nunique() == 1:
        axes.set_xticks([times.iloc[0]], [f"{times.iloc[0]:.3g}"])
        return
    if times.max() < LOG_FROM * times.min():
        axes.xaxis.set_major_locator(MaxNLocator(4))
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
