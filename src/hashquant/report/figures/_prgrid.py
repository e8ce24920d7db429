"""All precision-recall curves of a suite at a glance: a row a block, a column a code length."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import best_looks, parts_of
from hashquant.report.drawing.shortnames import row_names, short_names
from hashquant.report.drawing.style import (
    PRESETS,
    Look,
    Preset,
    drawable,
    legend_below,
    line_options,
    looks_of,
    row_order,
)
from hashquant.report.figures._curves import PR, draw_curves, pr_frame, top
from hashquant.settings.names import Names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A panel's height as a share of its width, and at most in lines of text.
PANEL, PANEL_LINES = 0.72, 13.0
#: What a grid of many rows shows.
BEST = "The best of each kind, by mean precision over all panels"
#: Panels of the smallest grid.
FEWEST = 2


def pages(blocks: Sequence[Block], preset: Preset = PRESETS["double"]) -> list[list[Block]]:
    """Return the blocks with curves, as many on a page as stay readable, pages of about a size.

    There is none where a single panel would be all.
    """
    shown = [block for block in blocks if any(record.curves for record in block.evals)]
    if len(shown) * len(_lengths(shown)) < FEWEST:
        return []
    most = max(1, int(preset.page / _panel_height(preset, len(_lengths(shown)))))
    count = -(-len(shown) // most)
    size = -(-len(shown) // count)
    return [shown[start : start + size] for start in range(0, len(shown), size)]


def named_pages(blocks: Sequence[Block], preset: Preset) -> list[tuple[str, list[Block]]]:
    """Return the pages with the names of their files, numbered where there are several."""
    found = pages(blocks, preset)
    if len(found) == 1:
        return [("pr_grid", found[0])]
    return [(f"pr_grid_{place}", page) for place, page in enumerate(found, start=1)]


def _lengths(blocks: Sequence[Block]) -> list[int]:
    return sorted({bits for block in blocks for bits in block.bits})


def _panel_height(preset: Preset, columns: int) -> float:
    """Return the height of one row of panels in inches."""
    return min(preset.width / columns * PANEL, PANEL_LINES * preset.font / 72)


def page_drawing(
    blocks: Sequence[Block],
    look: Mapping[str, Look],
    stem: Path,
    preset: Preset = PRESETS["double"],
) -> Drawing:
    """Return the drawing of one page of the grid.

    Of many rows it shows the best of each part: the highest mean precision over all panels.
    """
    curves = grid_frame(blocks)
    shown = looks_of(look, curves["label"])
    parts = parts_of(shown, curves["label"])
    if parts:
        means = curves.groupby(["label", "dataset", "target", "bits"])["precision"].mean()
        over_all = {str(label): float(x) for label, x in means.groupby("label").mean().items()}
        shown = best_looks(parts, shown, over_all)
        curves = curves[curves["label"].isin(shown)].reset_index(drop=True)
    names = blocks[0].names
    return Drawing(partial(grid_figure, curves, shown, preset, names), curves, stem, preset)


def grid_frame(blocks: Sequence[Block]) -> pd.DataFrame:
    """Return the `pr_frame` of all blocks and code lengths, with dataset, target and bits."""
    parts = []
    for block in blocks:
        for bits in block.bits:
            part = pr_frame(block, bits)
            for column, value in (("bits", bits), ("target", block.target),
                                  ("dataset", block.dataset)):  # fmt: skip
                part.insert(0, column, value)
            parts.append(part)
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)


def grid_figure(
    curves: pd.DataFrame, look: Mapping[str, Look], preset: Preset, names: Names | None = None
) -> "Figure":
    """Draw the panels of a `grid_frame`, the scales of a row alike, and one legend below."""
    import seaborn as sns
    from matplotlib.figure import Figure

    places = list(dict.fromkeys(zip(curves["dataset"], curves["target"], strict=True)))
    lengths = sorted(set(curves["bits"]))
    preset = dataclasses.replace(
        preset, height=_panel_height(preset, len(lengths)) * len(places) + 3.5 * preset.font / 72
    )
    figure = Figure(figsize=(preset.width, preset.height), layout="constrained")
    panels = figure.subplots(len(places), len(lengths), sharex=True, sharey="row", squeeze=False)
    short = short_names([name for place in places for name in place], names)
    for row, (dataset, target) in zip(panels, places, strict=True):
        mine = curves[(curves["dataset"] == dataset) & (curves["target"] == target)]
        for axes, bits in zip(row, lengths, strict=True):
            sns.despine(ax=axes)
            draw_curves(axes, mine[mine["bits"] == bits], PR, look, preset)
        row[0].set_ylim(0, top(mine, PR))
        name = short[dataset] if dataset == target else f"{short[dataset]} →\n{short[target]}"
        row[0].set_ylabel(drawable(name))
    for axes, bits in zip(panels[0], lengths, strict=True):
        axes.set_title(f"{bits} bits")
    for axes in panels[-1]:
        axes.set_xlabel("Recall")
    figure.supylabel("Precision", fontsize=preset.font)
    if any(row.part for row in look.values()):
        figure.suptitle(BEST, fontsize=preset.font)
    _legend(panels[0][0], curves, look, preset)
    return figure


def _legend(axes: "Axes", curves: pd.DataFrame, look: Mapping[str, Look], preset: Preset) -> None:
    """Name every row of the page once, in reading order, whatever the first panel holds."""
    for line in axes.get_lines():
        line.set_label("_drawn")
    families = dict(zip(curves["label"], curves["family"], strict=True))
    parted = any(row.part for row in look.values())
    ordered = sorted(families, key=lambda label: row_order(label, families[label]))
    ordered = [label for label in look if label in families] if parted else ordered
    names = row_names(ordered, look)
    for label in ordered:
        axes.plot([], [], label=drawable(names[label]), **line_options(look[label], preset))
    legend_below(axes, preset)
