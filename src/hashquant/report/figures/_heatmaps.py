"""The domain matrix as heat maps: one per row of the tables, and the families' difference."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.heat import EMPTY, ink, scales, short_number
from hashquant.report.drawing.kinds import parts_of
from hashquant.report.drawing.shortnames import short_names
from hashquant.report.drawing.style import PRESETS, Look, Preset, drawable, looks_of
from hashquant.report.evidence.queries import ALPHA
from hashquant.report.figures.many.grid import grid_figure
from hashquant.report.figures.many.lines import lines_of
from hashquant.report.rows import UNTRAINED
from hashquant.report.tables.families import BEST, with_best
from hashquant.settings.names import Names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hashquant.report.drawing.heat import Scale

#: Average width of a letter in em, and widths of what stands in cells.
LETTER, DIGIT, SIGN, POINT, STAR = 0.62, 0.636, 0.838, 0.318, 0.5
#: Inches.
WIDEST_CELL, CELL_HEIGHT, GAP, EDGE, BAR = 0.62, 0.235, 0.16, 0.06, 0.085

Cell = Mapping[Any, Any]  # Any: one line of `domains.matrix_frame`, by column


@dataclass(frozen=True)
class _Layout:
    """Where the panels stand, in inches; `small` is the size of all text but titles, in points."""

    width: float
    columns: int
    cell: float
    left: float
    title: float
    foot: float
    rows: int
    trains: int
    targets: int
    small: float

    @property
    def panel(self) -> tuple[float, float]:
        return self.cell * self.targets, CELL_HEIGHT * self.trains

    @property
    def bars(self) -> float:
        """Height of the colour scales and their labels."""
        return BAR + 4.2 * self.small / 72

    @property
    def height(self) -> float:
        return self.rows * (self.title + self.panel[1]) + self.foot + self.bars + EDGE

    def place(self, number: int) -> tuple[float, float, float, float]:
        """Return a panel's left, bottom, width and height as shares of the figure."""
        row, column = divmod(number, self.columns)
        width, height = self.panel
        x = self.left + column * (width + GAP)
        y = self.height - EDGE - (row + 1) * (self.title + height)
        return x / self.width, y / self.height, width / self.width, height / self.height


def matrix_drawings(
    frame: pd.DataFrame,
    families: pd.DataFrame,
    folder: Path,
    preset: Preset = PRESETS["double"],
    names: Names | None = None,
    look: Mapping[str, Look] | None = None,
) -> Iterator[Drawing]:
    """Yield `domain_matrix_<bits>bit` for each code length of a `matrix_frame`.

    `families` is a `families_frame`: its best-against-best lines fill the last panel. The colour
    scales are those of all code lengths together. In each CSV `train_short` and `target_short` are
    the names that the figure shows. Many rows stand in one heat map, given their looks.
    """
    frame = with_best(frame, families)
    scored = frame[frame["mean"].notna() | frame["difference"].notna()]
    if scored.empty:
        return
    short = short_names([*sorted(set(frame["train"])), *sorted(set(frame["target"]))], names)
    limits = (_round_up(scored["mean"].max()), _round_up(scored["difference"].abs().max()))
    for bits, part in scored.groupby("bits"):
        named = part.copy()
        named.insert(2, "train_short", named["train"].map(short))
        named.insert(3, "target_short", named["target"].map(short))
        draw = partial(matrix_figure, named, int(str(bits)), limits, preset, names)
        parts = parts_of(look or {}, named["label"])
        if parts and look:
            shown = looks_of(look, [x for x in look if named["label"].eq(x).any()])
            lines = lines_of(parts, shown, shown)
            draw = partial(grid_figure, named, int(str(bits)), limits, lines, shown, preset)
        yield Drawing(draw, named, folder / f"domain_matrix_{bits}bit", preset)


def _round_up(value: float) -> float:
    """Return the end of a colour scale: the next twentieth."""
    return max(1, math.ceil(value * 20 - 1e-9)) / 20 if math.isfinite(value) else 1.0


def matrix_figure(
    part: pd.DataFrame,
    bits: int,
    limits: tuple[float, float],
    preset: Preset,
    called: Names | None = None,
) -> "Figure":
    """Draw one heat map per label of `part` (training sets down, targets across), framed at home.

    `limits` are the ends of the scales of mAP and of the signed difference.
    """
    from matplotlib.figure import Figure

    trains, targets = _order(part)
    labels = list(dict.fromkeys(part["label"]))
    names = dict(zip(part["train"], part["train_short"], strict=True))
    names |= dict(zip(part["target"], part["target_short"], strict=True))
    titles = [_called(label, part, called or Names()) for label in labels]
    layout = _layout([titles, trains, targets], names, preset)
    figure = Figure(figsize=(layout.width, layout.height))
    colors = scales(limits)
    for number, label in enumerate(labels):
        axes = figure.add_axes(layout.place(number))
        lines = part[part["label"] == label].to_dict("records")
        _panel(axes, lines, trains, targets, _scale(lines[0], colors), layout)
        axes.set_title(_title(titles[number], layout), fontsize=preset.font, pad=preset.font * 0.35)
        left, bottom = number % layout.columns == 0, number + layout.columns >= len(labels)
        axes.set_yticks(range(len(trains)), _texts(trains, names) if left else [])
        axes.set_xticks(range(len(targets)), _texts(targets, names) if bottom else [], rotation=90)
        axes.tick_params(length=0, labelsize=layout.small, pad=2)
    _bars(figure, colors[:2] if BEST in labels else colors[:1], bits, layout)
    return figure


def _called(label: str, part: pd.DataFrame, names: Names) -> str:
    """Return what a panel is called: a row's name, which says where the row did not train."""
    if label == BEST:
        return label
    trained = part.loc[part["label"] == label, "trained"].astype(bool).any()
    return names.short(label) + ("" if trained else f" ({UNTRAINED})")


def _scale(line: Cell, scales: "Sequence[Scale]") -> "Scale":
    """Return the colours of a panel: signed, of mAP, or grey for what did not train."""
    return scales[1] if line["label"] == BEST else scales[0 if line["trained"] else 2]


def _order(part: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return training sets, and targets with the training sets first: home is the diagonal."""
    trains = sorted(set(part["train"]))
    rest = sorted(set(part["target"]), key=lambda name: (name not in trains, name))
    return trains, rest


def _texts(keys: Sequence[str], names: Mapping[str, str]) -> list[str]:
    return [drawable(names[key]) for key in keys]


def _layout(shown: Sequence[Sequence[str]], names: Mapping[str, str], preset: Preset) -> _Layout:
    """Fit as many panels into a line as keep cells and titles readable."""
    labels, trains, targets = shown
    small, em = preset.font * 0.8, preset.font / 72
    letter = LETTER * small / 72
    left = EDGE + 0.04 + letter * max(len(names[train]) for train in trains)
    foot = 0.04 + letter * max(len(names[target]) for target in targets)
    room = preset.width - left - EDGE
    words = max(len(word) for label in labels for word in label.split())
    least = max(len(targets) * _needed(small), words * LETTER * em)
    columns = min(len(labels), max(1, int((room + GAP) / (least + GAP))))
    cell = ((room + GAP) / columns - GAP) / len(targets)
    cell = min(cell, max(WIDEST_CELL, least / len(targets)))
    letters = int(cell * len(targets) / (LETTER * em))
    lines = max(len(textwrap.wrap(label, max(1, letters))) for label in labels)
    return _Layout(
        preset.width, columns, cell, left, lines * 1.3 * em + 0.09, foot,
        -(-len(labels) // columns), len(trains), len(targets), small,
    )  # fmt: skip


def _needed(size: float) -> float:
    """Return the width in inches that the longest text of a cell (`+.12*`) takes."""
    return (2 * DIGIT + POINT + SIGN + STAR) * size / 72 + 0.03


def _title(label: str, layout: _Layout) -> str:
    letters = int(layout.panel[0] / (LETTER * layout.small / 0.8 / 72))
    return drawable(textwrap.fill(label, max(1, letters)))


def _panel(
    axes: "Axes",
    lines: Sequence[Cell],
    trains: Sequence[str],
    targets: Sequence[str],
    scale: "Scale",
    layout: _Layout,
) -> None:
    """Colour the cells of one heat map, write their numbers and frame those at home."""
    axes.set(xlim=(-0.5, len(targets) - 0.5), ylim=(len(trains) - 0.5, -0.5))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_facecolor(EMPTY)
    size = min(layout.small, layout.small * layout.cell / _needed(layout.small))
    values = np.full((len(trains), len(targets)), np.nan)
    for line in lines:
        signed = line["label"] == BEST
        value = line["difference"] if signed else line["mean"]
        row, column = trains.index(line["train"]), targets.index(line["target"])
        values[row, column] = value
        star = "*" if signed and line["p_adjusted"] <= ALPHA else ""
        axes.text(
            column, row, short_number(value, signed=signed) + star, ha="center",
            va="center_baseline", fontsize=size, color=ink(scale[0](scale[1](value))),
        )  # fmt: skip
        if line["single_domain"]:
            _frame(axes, row, column, layout)
    axes.pcolormesh(
        np.arange(len(targets) + 1) - 0.5, np.arange(len(trains) + 1) - 0.5,
        np.ma.masked_invalid(values), cmap=scale[0], norm=scale[1], edgecolors="white",
        linewidth=0.6, zorder=1,
    )  # fmt: skip


def _frame(axes: "Axes", row: int, column: int, layout: _Layout) -> None:
    """Frame a cell in black on white, so that the frame shows on dark colours too."""
    from matplotlib.patches import Rectangle

    x, y = (1.4 / 72 / side for side in (layout.cell, CELL_HEIGHT))
    for color, width in (("white", 2.4), ("black", 1.1)):
        axes.add_patch(
            Rectangle((column - 0.5 + x, row - 0.5 + y), 1 - 2 * x, 1 - 2 * y, fill=False,
                      edgecolor=color, linewidth=width, zorder=3)
        )  # fmt: skip


def _bars(figure: "Figure", scales: "Sequence[Scale]", bits: int, layout: _Layout) -> None:
    """Draw the colour scales below the panels, each with what its marks mean."""
    from matplotlib.cm import ScalarMappable

    texts = [
        f"mAP at {bits} bits (framed: the identities trained on)",
        f"mAP, {BEST} (*: adjusted p ≤ {ALPHA})",
    ]
    room = (layout.width - 2 * EDGE) / 2
    for number, (colors, norm) in enumerate(scales):
        x = EDGE + room * number + 0.12 * room
        at = (x / layout.width, (layout.bars - BAR) / layout.height,
              0.76 * room / layout.width, BAR / layout.height)  # fmt: skip
        axes = figure.add_axes(at)
        bar = figure.colorbar(ScalarMappable(norm, colors), cax=axes, orientation="horizontal")
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=layout.small, length=2, pad=1.5)
        axes.set_xlabel(texts[number], fontsize=layout.small, labelpad=1.5)
        axes.grid(visible=False)
