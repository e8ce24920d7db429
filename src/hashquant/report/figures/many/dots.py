"""A line a row, by parts: dots along one scale, a mark for each of a few series."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.report.drawing.shortnames import called
from hashquant.report.drawing.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MARKER_SCALES,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Look,
    Preset,
    drawable,
    legend_below,
)
from hashquant.report.figures.many.lines import Line, lines_of, mark_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How the series of one figure differ, in order.
MARKS = ((BLUE, "o"), (VERMILLION, "D"), (GREEN, "^"), (PURPLE, "s"), (ORANGE, "v"), (BLACK, "P"),
         (SKY, "X"), (GREY, "<"))  # fmt: skip
#: Height of a line with one series, of another series in it, and of what stands around all lines,
#: in em.
LINE, MORE, AROUND = 1.3, 0.14, 5.5


def dots_figure(
    frame: pd.DataFrame,
    parts: Mapping[str, Sequence[str]],
    look: Mapping[str, Look],
    scale: str,
    title: str,
    preset: Preset,
    marks: Mapping[str, tuple[str, str]] | None = None,
) -> "Figure":
    """Draw a line for each row under the name of its part, a panel for each `panel` of `frame`.

    `frame` has columns label, panel, series, value, low and high (the ends of a bar; missing
    where nothing is known). `marks` are the colour and marker of each series, in order. The
    height follows from the number of rows.
    """
    from matplotlib.figure import Figure

    lines = lines_of(parts, look, set(frame["label"]))
    names = {line.text: called(line.text, look) for line in lines}
    panels = list(dict.fromkeys(frame["panel"]))
    marks = marks or dict(zip(dict.fromkeys(frame["series"]), itertools.cycle(MARKS)))
    most = int(frame.groupby(["panel", "label"])["series"].nunique().max())
    em = preset.font / 72
    high = len(lines) * (LINE + MORE * (most - 1)) + AROUND + 1.2 * title.count("\n")
    sized = replace(preset, height=high * em)
    figure = Figure(figsize=(preset.width, sized.height), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0]
    for axes, panel in zip(row, panels, strict=True):
        axes.spines[["top", "right", "left"]].set_visible(False)
        _panel(axes, frame[frame["panel"] == panel], lines, marks, preset)
        axes.set_xlabel(drawable(scale))
        if len(panels) > 1:
            axes.set_title(drawable(str(panel)), fontsize=preset.font)
        mark_lines(axes, lines, names, preset)
    row[0].set_ylim(len(lines) - 0.4, -0.6)
    figure.suptitle(title, fontsize=preset.font)
    legend_below(row[0], sized)
    return figure


def _panel(
    axes: "Axes",
    part: pd.DataFrame,
    lines: Sequence[Line],
    marks: Mapping[str, tuple[str, str]],
    preset: Preset,
) -> None:
    places = {line.text: at for at, line in enumerate(lines) if not line.head}
    # Dots of one row stand a little apart, so that none hides another.
    spread = min(0.66, 0.22 * (part.groupby("label")["series"].nunique().max() - 1))
    axes.grid(visible=False, axis="y")
    axes.hlines([*places.values()], 0, 1, transform=axes.get_yaxis_transform(), color="#E4E4E4",
                linewidth=preset.line * 0.45, zorder=0.5)  # fmt: skip
    for number, (name, (color, marker)) in enumerate(marks.items()):
        mine = part[(part["series"] == name) & part["value"].notna()]
        shift = (number / (len(marks) - 1) - 0.5) * spread if spread else 0.0
        at = mine["label"].map(places) + shift
        axes.hlines(at, mine["low"], mine["high"], color=color, linewidth=preset.line * 0.7)
        axes.plot(
            mine["value"], at, label=drawable(name), color=color, linestyle="", marker=marker,
            markersize=preset.marker * MARKER_SCALES.get(marker, 1.0) * 0.9, zorder=3,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
    axes.margins(x=0.04)
