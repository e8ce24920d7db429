"""How evenly codes are used: a map of codewords per product code, the ones of each bit."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.distances import codewords_frame, counted_blocks, ones_frame
from hashquant.report.drawing.canvas import file_stem
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import MANY
from hashquant.report.drawing.shortnames import called
from hashquant.report.drawing.style import PRESETS, Look, Preset, looks_of
from hashquant.report.figures._panels import heading, panel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

#: Height of a panel in em, with its scale below.
MAP_HIGH, BITS_HIGH = 9.5, 10.0
#: Ends of the colour scale, in even shares, and the colour of codewords that no item uses.
SCALE, DEAD = (1 / 4, 4), "#FFFFFF"
SCALE_NAME = "items of a codeword, in even shares (gallery ÷ K); white: dead"
CODEWORDS = "codewords of each book (rows), the most used first"
ONES = "share of gallery items whose bit is 1, in the order of the code"


def code_use_drawings(
    records: SuiteRecords,
    blocks: Sequence[Block],
    look: Mapping[str, Look],
    folder: Path,
    preset: Preset = PRESETS["double"],
) -> Iterator[Drawing]:
    """Yield `codewords_…` and `bits_<block>_<bits>bit` where a block has such codes."""
    for block, bits, cells, missing in counted_blocks(records, blocks):
        stem = f"{file_stem(block)}_{bits}bit"
        words, ones = codewords_frame(cells), ones_frame(cells)
        if len(words):
            said = heading(block.name, bits, CODEWORDS, _gone(block, missing, "quantization"))
            draw = partial(codewords_figure, words, said, preset, looks_of(look, words["label"]))
            yield Drawing(draw, words, folder / f"codewords_{stem}", preset)
        if len(ones):
            said = heading(block.name, bits, ONES, _gone(block, missing, "hashing"))
            draw = partial(ones_figure, ones, looks_of(look, ones["label"]), said, preset)
            yield Drawing(draw, ones, folder / f"bits_{stem}", preset)


def _gone(block: Block, missing: Sequence[str], family: str) -> list[str]:
    """Return the names of a family's rows without counts."""
    return [block.names.short(label) for label in missing if block.families[label] == family]


def codewords_figure(
    frame: pd.DataFrame, title: str, preset: Preset, look: Mapping[str, Look] | None = None
) -> "Figure":
    """Draw a map (books down, codewords across) for each label of a `codewords_frame`."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    parts = {str(label): part for label, part in frame.groupby("label", sort=False)}
    titles = [_map_title(called(label, look), part) for label, part in parts.items()]
    figure, panels = panel_grid(titles, preset, MAP_HIGH, title)
    norm = LogNorm(*SCALE, clip=True)
    for axes, part in zip(panels, parts.values(), strict=True):
        _map(axes, part, norm, preset)
    em = preset.font / 72
    figure.set_figheight(figure.get_figheight() + 4.5 * em)
    bar = figure.colorbar(ScalarMappable(norm, mpl.colormaps["cividis"]), ax=panels,
                          location="bottom", aspect=60, shrink=0.7, pad=0.02)  # fmt: skip
    bar.set_ticks([1 / 4, 1 / 2, 1, 2, 4], labels=["≤ ¼", "½", "1", "2", "≥ 4"])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.ax.grid(visible=False)
    bar.ax.tick_params(labelsize=preset.font * 0.8)
    bar.set_label(SCALE_NAME, fontsize=preset.font * 0.8)
    return figure


def _map_title(label: str, part: pd.DataFrame) -> str:
    words, dead = part["rank"].max() + 1, int(part["dead"].iloc[0])
    perplexity = f"perplexity {part['perplexity'].iloc[0]:.1f} of {words}"
    return f"{label}{f': {dead} dead' if dead else ''}\n{perplexity}"


def _map(axes: "Axes", part: pd.DataFrame, norm: "LogNorm", preset: Preset) -> None:
    import matplotlib as mpl
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    shares = part.pivot_table(index="book", columns="rank", values="even_shares").to_numpy()
    books, words = shares.shape
    colors = mpl.colormaps["cividis"].with_extremes(bad=DEAD)
    axes.imshow(
        np.ma.masked_equal(shares, 0), cmap=colors, norm=norm, aspect="auto",
        interpolation="nearest", extent=(0.5, words + 0.5, books + 0.5, 0.5),
    )  # fmt: skip
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlabel("codeword, by use", fontsize=preset.font * 0.8)


def ones_figure(
    frame: pd.DataFrame, look: Mapping[str, Look], title: str, preset: Preset
) -> "Figure":
    """Draw the share of ones of every bit for each label of a `ones_frame`, on one scale."""
    reach = math.ceil(10 * (frame["share"] - 0.5).abs().max()) / 10 or 0.1
    parts = {str(label): part for label, part in frame.groupby("label", sort=False)}
    crowded = len(parts) > 2 * MANY
    titles = [
        f"{called(label, look)}\n{'' if crowded else 'mean '}|p − ½| {part['balance'].iloc[0]:.3f}"
        for label, part in parts.items()
    ]
    figure, panels = panel_grid(titles, preset, BITS_HIGH, title)
    for axes, (label, part) in zip(panels, parts.items(), strict=True):
        bars = axes.bar(part["bit"] + 1, part["share"] - 0.5, bottom=0.5, width=0.8,
                        color=look[label].color)  # fmt: skip
        if crowded:  # their white edges would be wider than they are
            for bar in bars:
                bar.set_linewidth(0)
        axes.axhline(0.5, color="black", linewidth=preset.line * 0.6)
        axes.set_xlim(0.2, len(part) + 0.8)
        axes.set_ylim(0.5 - reach, 0.5 + reach)
        axes.set_yticks([0.5 - reach, 0.5, 0.5 + reach])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("bit", fontsize=preset.font * 0.8)
    return figure
