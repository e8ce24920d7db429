"""The lines of a figure with one for each row: names at the left, each part under its heading."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hashquant.report.drawing.kinds import short_part
from hashquant.report.drawing.style import Look, Preset, drawable
from hashquant.report.rows import REFERENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colour of headings, which carry no number, and of the rules above them.
QUIET, RULE = "#5A5A5A", "#BDBDBD"


@dataclass(frozen=True)
class Line:
    """A row's label, or the heading of the rows below it."""

    text: str
    head: bool = False


def lines_of(
    parts: Mapping[str, Sequence[str]], look: Mapping[str, Look], shown: Container[str]
) -> list[Line]:
    """Return the lines of all parts, and last the references among the rows `shown`.

    A part without a name has no heading.
    """
    whole = [label for label in look if look[label].family == REFERENCE and label in shown]
    groups = {short_part(part, parts): labels for part, labels in parts.items()}
    groups |= {REFERENCE: whole} if whole else {}
    heads = {part: [Line(part, head=True)] if part else [] for part in groups}
    return [line for part, labels in groups.items() for line in (*heads[part], *map(Line, labels))]


def mark_lines(
    axes: "Axes", lines: Sequence[Line], names: Mapping[str, str], preset: Preset
) -> None:
    """Write each row's name beside its line, and headings inside, below a rule."""
    axes.set_yticks(
        range(len(lines)), ["" if line.head else drawable(names[line.text]) for line in lines]
    )
    axes.tick_params(axis="y", length=0, labelsize=preset.font * 0.86)
    for at, line in enumerate(lines):
        if line.head:
            axes.text(
                0.0, at, drawable(line.text), transform=axes.get_yaxis_transform(), ha="left",
                va="center_baseline", fontsize=preset.font * 0.86, color=QUIET,
            )  # fmt: skip
            if at:
                axes.axhline(at - 0.5, color=RULE, linewidth=preset.line * 0.5)
