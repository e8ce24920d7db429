"""Small multiples: a panel and a legend for each part, the best of the other parts in grey."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from hashquant.report.drawing.kinds import MANY, short_part
from hashquant.report.drawing.shortnames import row_names
from hashquant.report.drawing.style import (
    MARKER_SCALES,
    Look,
    Preset,
    drawable,
    line_options,
)
from hashquant.report.rows import REFERENCE, UNTRAINED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: Narrowest panel, height of a panel's axes, of what stands around them, of a line of a legend,
#: and of what stands above and below all panels, in em.
NARROWEST, HIGH, AROUND, LINE, EDGES = 16.5, 10.5, 3.6, 1.35, 6.0
#: What a legend entry takes beside its letters, and the average width of a letter, in em.
HANDLE, LETTER = 2.5, 0.56
#: Sizes of the legends' letters in that of the text.
SMALLER = 0.82
#: Letters of a line of a legend, at least.
FEWEST = 9
LIGHT = "#B4B4B4"
#: Stands behind the names of rows that did not train.
MARK = "‡"

Draw = Callable[["Axes", Sequence[str]], None]
#: What draws one row into a panel with these keywords of `Axes.plot`.
Trace = Callable[["Axes", str, Mapping[str, object]], None]


def multiples_figure(
    parts: Mapping[str, Sequence[str]],
    look: Mapping[str, Look],
    draw: Draw,
    trace: Trace,
    score: Callable[[str], float],
    title: str,
    preset: Preset,
) -> "Figure":
    """Draw each part's rows into a panel of its own by `draw`, beside what they are measured by.

    `trace` draws a single row: references, and in grey the row of every other part that `score`
    puts first. Panels share both scales.
    """
    from matplotlib.figure import Figure

    parts = _cut(parts)
    em = preset.font / 72
    columns = min(len(parts), max(1, int(preset.width / (NARROWEST * em))))
    legends = [_legend(labels, look, preset.width / columns / em) for labels in parts.values()]
    lines = [max(high for _, _, high in row) for row in _rows(legends, columns)]
    heights = [part for high in lines for part in (HIGH + AROUND, high * LINE * SMALLER)]
    figure = Figure(figsize=(preset.width, (sum(heights) + EDGES) * em), layout="constrained")
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    best = {part: max(labels, key=score) for part, labels in parts.items()}
    whole = [label for label, row in look.items() if row.family == REFERENCE]
    first: Axes | None = None
    for place, (part, labels) in enumerate(parts.items()):
        row, column = divmod(place, columns)
        axes = figure.add_subplot(grid[2 * row, column], sharex=first, sharey=first)
        first = first or axes
        axes.spines[["top", "right"]].set_visible(False)
        for other in [label for name, label in best.items() if name != part]:
            trace(axes, other, _behind(LIGHT, preset, ()))
        for label in whole:
            trace(axes, label, _behind(look[label].color, preset, look[label].dash))
        draw(axes, labels)
        axes.set_title(drawable(part), fontsize=preset.font, pad=3)
        below = figure.add_subplot(grid[2 * row + 1, column])
        below.axis("off")
        names, count, _ = legends[place]
        below.legend(
            [_handle(look[label], preset) for label in labels], names, loc="upper center",
            ncols=count, frameon=False, handlelength=2.1, handletextpad=0.4, columnspacing=0.8,
            labelspacing=0.2, borderpad=0.0, borderaxespad=0.0, fontsize=preset.font * SMALLER,
        )  # fmt: skip
    _inner(figure, len(parts), columns)
    figure.suptitle(title, fontsize=preset.font)
    _key(figure, [*whole], look, preset)
    return figure


def _cut(parts: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return parts that one panel can hold: long ones, as of unknown kinds, in pieces."""
    found: dict[str, Sequence[str]] = {}
    for part, labels in parts.items():
        pieces = _rows(labels, MANY)
        for place, piece in enumerate(pieces, start=1):
            name = short_part(part, parts)
            found[f"{name}, {place} of {len(pieces)}" if len(pieces) > 1 else name] = piece
    return found


def _rows(items: Sequence, columns: int) -> list[Sequence]:  # type: ignore[type-arg]
    cuts = [*range(0, len(items), columns), len(items)]
    return [items[a:b] for a, b in pairwise(cuts)]


def _legend(
    labels: Sequence[str], look: Mapping[str, Look], width: float
) -> tuple[list[str], int, int]:
    """Return names, columns and lines of a part's legend that is `width` em wide."""
    said = row_names(labels, look).values()
    names = [drawable(name.replace(f" ({UNTRAINED})", f" {MARK}")) for name in said]
    room = (width - 1.0) / SMALLER
    found: list[tuple[list[str], int, int]] = []
    for columns in range(1, len(names) + 1):
        letters = int((room / columns - HANDLE - 0.8) / LETTER)
        if letters < FEWEST:
            break
        wrapped = [textwrap.fill(name, letters, break_on_hyphens=False) for name in names]
        heights = [name.count("\n") + 1 for name in wrapped]
        rows = -(-len(names) // columns)
        found.append((wrapped, columns, max(map(sum, _rows(heights, rows)))))
    return min(found, key=lambda legend: legend[2])


def _behind(color: str, preset: Preset, dash: Sequence[float]) -> dict[str, object]:
    """Return the keywords of a line that others stand before."""
    return {"color": color, "linewidth": preset.line * 0.7, "marker": "", "zorder": 1.4,
            "linestyle": (0, tuple(dash)) if dash else "-"}  # fmt: skip


def _handle(look: Look, preset: Preset) -> "Line2D":
    from matplotlib.lines import Line2D

    options = line_options(look, preset)
    options["markersize"] = preset.marker * MARKER_SCALES.get(look.marker, 1.0)
    return Line2D([], [], linewidth=preset.line, **options)


def _inner(figure: "Figure", count: int, columns: int) -> None:
    """Name the scales at the left and below the lowest panels alone."""
    for place, axes in enumerate(figure.axes[::2]):
        if place % columns:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
        if place + columns < count:
            axes.set_xlabel("")


def _key(figure: "Figure", whole: Sequence[str], look: Mapping[str, Look], preset: Preset) -> None:
    """Say what stands in every panel."""
    from matplotlib.lines import Line2D

    shown = {look[label].name or label: _behind(look[label].color, preset, look[label].dash)
             for label in whole}  # fmt: skip
    shown["best of each other part"] = _behind(LIGHT, preset, ())
    if any(UNTRAINED in row.name for row in look.values()):
        shown[f"{MARK} {UNTRAINED}"] = {"linestyle": ""}
    handles = [Line2D([], [], **options) for options in shown.values()]  # type: ignore[arg-type]
    widths = [HANDLE + LETTER * len(name) + 1.2 for name in shown]
    one = sum(widths) * SMALLER * preset.font / 72 < preset.width
    figure.legend(
        handles, [drawable(name) for name in shown], loc="outside lower center", frameon=False,
        ncols=len(shown) if one else 2, handlelength=2.4, handletextpad=0.4, columnspacing=1.2,
        borderpad=0.1, fontsize=preset.font * SMALLER,
    )  # fmt: skip
