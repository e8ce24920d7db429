"""A retrieval sheet: queries with their first results, the right ones framed, method by method."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.style import GREEN, PRESETS, Preset, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Average width of a letter in em; letters of a line beside the images; inches between images.
LETTER, BESIDE, GAP = 0.6, 13, 0.05
#: What the names of all sheets begin with.
STEM = "retrieval_"
COLUMNS = ["query", "label", "ap", "rank", "item", "score", "right", "tied"]


@dataclass(frozen=True, eq=False)
class Results:
    """What one row of the tables finds: (q, r) arrays, and images (q, r, h, w, 3) as uint8."""

    label: str
    ap: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    tied: np.ndarray
    images: np.ndarray
    name: str = ""  #: what the sheet calls the row; its label where there is none

    @property
    def called(self) -> str:
        """What readers call the row."""
        return self.name or self.label


@dataclass(frozen=True, eq=False)
class Sheet:
    """Some queries, their places (q,) and images (q, h, w, 3), and what each method finds.

    `terms` are those of the images; the queries were chosen by the first of `results`.
    """

    title: str
    queries: np.ndarray
    images: np.ndarray
    results: Sequence[Results]
    terms: str


def sheet_drawing(sheet: Sheet, stem: Path, preset: Preset = PRESETS["double"]) -> Drawing:
    """Return the drawing of a sheet; its numbers are the ranks that it shows."""
    return Drawing(partial(sheet_figure, sheet, preset), sheet_frame(sheet), stem, preset)


def sheet_frame(sheet: Sheet) -> pd.DataFrame:
    """Return a line per query, row and rank; `query` and `item` count within the split."""
    lines = [
        [query, found.label, found.ap[i], rank + 1, found.items[i, rank], found.scores[i, rank],
         bool(found.right[i, rank]), bool(found.tied[i, rank])]
        for i, query in enumerate(sheet.queries)
        for found in sheet.results
        for rank in range(found.items.shape[1])
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=COLUMNS)


def sheet_figure(sheet: Sheet, preset: Preset) -> "Figure":
    """Draw a group of rows a query: its image, and a line of results for each method."""
    from matplotlib.figure import Figure

    em, ranks = preset.font / 72, sheet.results[0].items.shape[1]
    longest = max(len(found.called) for found in sheet.results)
    left = LETTER * min(BESIDE, max(longest, len("AP 0.00"))) * em * 0.9 + 3 * GAP
    side = (preset.width - left - 2 * GAP) / (ranks + 1.5) - GAP
    high = side * sheet.images.shape[1] / sheet.images.shape[2]
    step, group = high + GAP, len(sheet.results) * (high + GAP) + 3 * GAP
    foot = textwrap.wrap(_said(sheet), int(preset.width / em / LETTER / 0.8) - 2)
    top, below = 3.6 * em, (len(foot) + 0.8) * 1.3 * em * 0.8
    height = top + len(sheet.queries) * group + below
    figure = Figure(figsize=(preset.width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    columns = [left + (rank + 1.5) * (side + GAP) for rank in range(ranks)]
    for i, image in enumerate(sheet.images):
        y = top + i * group
        _image(axes, image, left, y + (group - 3 * GAP - step) / 2, (side, high), framed=False)
        for found in sheet.results:
            text = f"{textwrap.fill(found.called, BESIDE)}\nAP {found.ap[i]:.2f}"
            axes.text(left - 2 * GAP, y + high / 2, drawable(text), ha="right", va="center",
                      fontsize=preset.font * 0.9)  # fmt: skip
            for x, result, right in zip(columns, found.images[i], found.right[i], strict=True):
                _image(axes, result, x, y, (side, high), framed=bool(right))
            y += step
    heads = {left: "query"} | {x: str(rank + 1) for rank, x in enumerate(columns)}
    for x, text in heads.items():
        axes.text(x + side / 2, top - 0.5 * em, text, ha="center", va="bottom",
                  fontsize=preset.font * 0.8)  # fmt: skip
    axes.text(preset.width / 2, 0.6 * em, drawable(sheet.title), ha="center", va="top")
    axes.text(GAP, height - below + 0.5 * em, drawable("\n".join(foot)), va="top",
              fontsize=preset.font * 0.8, linespacing=1.2)  # fmt: skip
    axes.set(xlim=(0, preset.width), ylim=(height, 0), aspect="auto")
    axes.set_axis_off()
    return figure


def _said(sheet: Sheet) -> str:
    return (
        f"Framed: of the query's class. Queries at even steps of the average precision (AP) of "
        f"{sheet.results[0].called}, the lowest first; items of equal score in one seeded random "
        f"order. Images: {sheet.terms.rstrip('.')}."
    )


def _image(
    axes: "Axes", image: np.ndarray, x: float, y: float, size: tuple[float, float], *, framed: bool
) -> None:
    from matplotlib.patches import Rectangle

    extent = (x, x + size[0], y + size[1], y)
    axes.imshow(image, extent=extent, interpolation="none", aspect="auto")
    if framed:
        axes.add_patch(
            Rectangle((x, y), *size, fill=False, edgecolor=GREEN, linewidth=2.2, clip_on=False)
        )
