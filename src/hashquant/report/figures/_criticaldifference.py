"""The critical-difference diagram of Demšar (2006): mean ranks on an axis, bars join what ties."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import PARTS, part_style, parts_of, short_part
from hashquant.report.drawing.shortnames import called
from hashquant.report.drawing.style import GREY, Look, Preset, drawable, looks_of
from hashquant.report.figures.many.dots import dots_figure
from hashquant.report.numerals import number
from hashquant.report.tables.ranks import RankStudy
from hashquant.statistics.ranks import RankTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Letters of a row's name on one line.
NAME_WIDTH = 18
#: Height of a line of a name, in sizes of the font.
LINE = 1.2


@dataclass(frozen=True)
class _Plan:
    """Where things stand, in points from the upper left corner; `em` is the size of the font."""

    em: float
    rows: int
    left: float
    right: float
    axis: float

    def at(self, rank: float) -> float:
        return self.left + (rank - 1) / (self.rows - 1) * (self.right - self.left)

    def bar(self, place: int) -> float:
        """Return the height of a bar that joins rows."""
        return self.axis + (0.9 + 0.75 * place) * self.em


def rank_drawings(
    studies: Sequence[RankStudy], look: Mapping[str, Look], folder: Path, preset: Preset
) -> Iterator[Drawing]:
    """Yield `ranks_<kind>` for each study that could be made."""
    for study in studies:
        if study.test is not None:
            draw = partial(ranks_figure, study, looks_of(look, study.lines["row"]), preset)
            stem = folder / f"ranks_{study.kind.replace(' ', '-')}"
            yield Drawing(draw, study.lines, stem, preset)


def ranks_figure(study: RankStudy, look: Mapping[str, Look], preset: Preset) -> "Figure":
    """Draw a study that could be made; the better half of the rows is named on the left.

    Many rows have a line each, the best first, with half a critical difference on either side.

    Raises:
        ValueError: if the study has no test.
    """
    from matplotlib.figure import Figure

    if study.test is None:
        raise ValueError(f"study must hold a test, got none: {study.reason}")
    if parts_of(look, study.lines["row"]):
        return _lined(study, study.test, look, preset)
    names = [
        drawable(textwrap.fill(f"{called(label, look)} ({number(rank, 1)})", NAME_WIDTH))
        for label, rank in zip(study.lines["row"], study.lines["mean_rank"], strict=True)
    ]
    half = -(-len(names) // 2)
    title = _title(study, preset)
    plan = _plan(names[:half], names[half:], title, preset)
    below = plan.bar(len(study.test.groups)) + 0.3 * plan.em
    left, right = _levels(names[:half], below, plan.em), _levels(names[half:][::-1], below, plan.em)
    levels = [*left, *right[::-1]]
    deepest = max(
        level + name.count("\n") * LINE * plan.em / 2
        for level, name in zip(levels, names, strict=True)
    )
    height = deepest + 1.4 * plan.em
    figure = Figure(figsize=(preset.width, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, preset.width * 72), ylim=(height, 0))
    axes.axis("off")
    axes.text(preset.width * 36, 0.4 * plan.em, title, ha="center", va="top")
    _draw_axis(axes, plan, study.test, preset)
    _draw_bars(axes, plan, study.test, preset)
    for place, line in enumerate(study.lines.to_dict("records")):
        color = look[line["row"]].color
        _draw_row(axes, plan, (line["mean_rank"], levels[place]), place < half, color, preset)
        _draw_name(axes, plan, names[place], levels[place], left=place < half)
    return figure


def _lined(study: RankStudy, test: RankTest, look: Mapping[str, Look], preset: Preset) -> "Figure":
    rows = [*study.lines["row"]]
    half = test.critical_difference / 2 if test.p_value <= test.alpha else float("nan")
    parts = [look[label].part for label in rows]
    ranks = study.lines["mean_rank"]
    frame = pd.DataFrame(
        {"label": rows, "panel": "", "series": [short_part(part, parts) for part in parts],
         "value": ranks, "low": (ranks - half).clip(lower=1),
         "high": (ranks + half).clip(upper=len(rows))}
    )  # fmt: skip
    said = f"{study.kind}: mean ranks over {test.blocks} blocks"
    if test.p_value > test.alpha:
        said += ", no two told apart"
    else:
        said += f"; told apart where bars do not meet (critical difference {number(2 * half, 1)})"
    title = drawable(textwrap.fill(said, int(preset.width * 72 / preset.font * 1.6)))
    marks = {short_part(part, parts): part_style(part) for part in PARTS if part in parts}
    marks |= {short_part(part, parts): part_style(part) for part in parts}
    return dots_figure(frame, {"": rows}, look, "Mean rank", title, preset, marks)


def _title(study: RankStudy, preset: Preset) -> str:
    text = f"{study.kind}: {_said(study.test)}" if study.test else study.kind
    return drawable(textwrap.fill(text, int(preset.width * 72 / preset.font * 1.75)))


def _plan(left: Sequence[str], right: Sequence[str], title: str, preset: Preset) -> _Plan:
    """Give the names on both sides the room they need, and the axis what is left of the width."""
    em, width = preset.font, preset.width * 72
    rooms = [0.6 * em * max(map(_letters, names)) + 0.8 * em for names in (left, right)]
    top = (title.count("\n") + 1) * 1.3 * em
    return _Plan(em, len(left) + len(right), rooms[0], width - rooms[1], top + 4.2 * em)


def _said(test: RankTest) -> str:
    if test.p_value > test.alpha:
        return f"mean ranks over {test.blocks} blocks, no two told apart"
    return f"mean ranks over {test.blocks} blocks, bars join what cannot be told apart"


def _letters(name: str) -> int:
    return max(map(len, name.splitlines()))


def _levels(names: Sequence[str], start: float, em: float) -> list[float]:
    """Return the middle of each name, one below the other."""
    found, at = [], start
    for name in names:
        high = (name.count("\n") + 1) * LINE * em + 0.2 * em
        found.append(at + high / 2)
        at += high
    return found


def _draw_axis(axes: "Axes", plan: _Plan, test: RankTest, preset: Preset) -> None:
    """Draw the ranks from 1 to k, and above them how long a critical difference is."""
    em, thin = plan.em, preset.line * 0.7
    axes.plot([plan.left, plan.right], [plan.axis] * 2, color="black", linewidth=thin)
    step = 1 if plan.rows <= 10 else 2
    for rank in range(1, plan.rows + 1):
        x, long = plan.at(float(rank)), (rank - 1) % step == 0
        high = plan.axis - (0.5 if long else 0.3) * em
        axes.plot([x, x], [plan.axis, high], color="black", linewidth=thin)
        if long:
            axes.text(x, plan.axis - 0.6 * em, str(rank), ha="center", va="bottom",
                      fontsize=0.9 * em)  # fmt: skip
    if test.p_value > test.alpha:
        return
    stop, high = plan.at(1 + test.critical_difference), plan.axis - 2.1 * em
    axes.plot([plan.left, plan.left, stop, stop],
              [high + 0.25 * em, high - 0.25 * em, high - 0.25 * em, high + 0.25 * em],
              color=GREY, linewidth=thin)  # fmt: skip
    axes.text((plan.left + stop) / 2, high - 0.35 * em,
              f"critical difference {number(test.critical_difference, 2)}", ha="center",
              va="bottom", fontsize=0.9 * em)  # fmt: skip


def _draw_bars(axes: "Axes", plan: _Plan, test: RankTest, preset: Preset) -> None:
    for place, group in enumerate(test.groups):
        ranks = [test.mean_ranks[row] for row in group]
        ends = [plan.at(min(ranks)) - 0.25 * plan.em, plan.at(max(ranks)) + 0.25 * plan.em]
        axes.plot(ends, [plan.bar(place)] * 2, color="black", linewidth=preset.line * 1.9,
                  solid_capstyle="butt", zorder=3)  # fmt: skip


def _draw_row(
    axes: "Axes", plan: _Plan, end: tuple[float, float], left: bool, color: str, preset: Preset
) -> None:
    """Draw the line from a mean rank on the axis down and out to its name."""
    x, level = plan.at(end[0]), end[1]
    out = plan.left - 0.2 * plan.em if left else plan.right + 0.2 * plan.em
    axes.plot([x, x, out], [plan.axis, level, level], color=color, linewidth=preset.line * 0.8)


def _draw_name(axes: "Axes", plan: _Plan, name: str, level: float, *, left: bool) -> None:
    x = plan.left - 0.4 * plan.em if left else plan.right + 0.4 * plan.em
    axes.text(x, level, name, va="center", ha="right" if left else "left", linespacing=1.1,
              fontsize=0.9 * plan.em)  # fmt: skip
