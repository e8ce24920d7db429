"""Small multiples: one panel a method, as many beside each other as stay readable."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hashquant.report.drawing.kinds import MANY
from hashquant.report.drawing.style import Preset, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Least width of a panel and average width of a letter, in em.
NARROWEST, LETTER = 14.4, 0.6
#: The same width where panels are many, and their height as a share of that of few.
CROWDED, LOWER = 9.8, 0.62
#: Size of the panels' titles in that of the text.
SMALLER = 0.9


def panel_grid(
    titles: Sequence[str], preset: Preset, em_high: float, heading: str
) -> "tuple[Figure, list[Axes]]":
    """Return a figure with a titled panel for each of `titles`, `em_high` em each, row by row.

    The figure's height follows from the number of panels; `heading` stands above them all. Many
    panels are smaller, so that they fit a page.
    """
    import seaborn as sns
    from matplotlib.figure import Figure

    em = preset.font / 72
    many = len(titles) > 2 * MANY
    narrowest = CROWDED if many else NARROWEST
    em_high *= LOWER if many else 1
    columns = min(len(titles), max(1, int(preset.width / (narrowest * em))))
    rows = -(-len(titles) // columns)
    smaller = SMALLER**2 if many else SMALLER
    letters = int(preset.width / em / columns / LETTER / smaller) - (0 if many else 2)
    wrapped = [
        "\n".join(textwrap.fill(line, letters) for line in title.split("\n")) for title in titles
    ]
    lines = max(title.count("\n") + 1 for title in wrapped)
    above = textwrap.fill(heading, int(preset.width / em / LETTER))
    height = rows * (em_high + 1.3 * lines) + 1.5 * (above.count("\n") + 1) + 1
    figure = Figure(figsize=(preset.width, height * em), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in every[len(titles) :]:
        axes.remove()
    for axes, title in zip(every, wrapped, strict=False):
        sns.despine(ax=axes)
        axes.set_title(drawable(title), fontsize=preset.font * smaller)
        axes.tick_params(labelsize=preset.font * 0.8)
    figure.suptitle(drawable(above), fontsize=preset.font)
    return figure, every[: len(titles)]


def heading(name: str, bits: int, what: str, missing: Sequence[str]) -> str:
    """Say what a figure shows, and which rows it leaves out.

    >>> heading("lfw", 24, "distances", ["pq", "lsh"])
    'lfw, 24 bits: distances (no counts are stored of pq, lsh)'
    """
    left_out = f" (no counts are stored of {', '.join(missing)})" if missing else ""
    return f"{name}, {bits} bits: {what}{left_out}"
