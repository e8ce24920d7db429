"""What each variant changes: a dot and its interval a row, beside the default's zero line."""

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.drawing.canvas import file_stem
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.shortnames import called, row_names
from hashquant.report.drawing.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MARKER_SCALES,
    PURPLE,
    VERMILLION,
    Look,
    Preset,
    drawable,
    legend_below,
    looks_of,
)
from hashquant.report.evidence.queries import ALPHA
from hashquant.report.numerals import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How the code lengths of one figure differ, in ascending order.
LENGTHS = ((BLACK, "o"), (BLUE, "s"), (VERMILLION, "^"), (GREEN, "D"), (PURPLE, "v"), (GREY, "P"))
#: Letters of a row's name on one line.
NAME_WIDTH = 24


def ablation_drawings(
    frame: pd.DataFrame,
    blocks: Sequence[Block],
    folder: Path,
    preset: Preset,
    look: Mapping[str, Look] | None = None,
) -> Iterator[Drawing]:
    """Yield `ablation_<block>` for each block with variants."""
    for block in blocks:
        mine = frame[(frame["train"] == block.dataset) & (frame["target"] == block.target)]
        if mine["difference"].notna().any():
            shown = looks_of(look, mine["label"]) if look else None
            draw = partial(ablation_figure, mine, block.name, preset, shown)
            yield Drawing(draw, mine, folder / f"ablation_{file_stem(block)}", preset)


def ablation_figure(
    mine: pd.DataFrame, title: str, preset: Preset, look: Mapping[str, Look] | None = None
) -> "Figure":
    """Draw the differences of a block's variants: one row a variant, a marker a code length.

    A filled marker is a significant difference, a marker without a bar has no known interval.
    """
    import seaborn as sns
    from matplotlib.figure import Figure

    drawn = mine[mine["difference"].notna()]
    lengths = sorted(int(bits) for bits in set(drawn["bits"]))
    names = _names(mine[mine["method"].isin(drawn["method"])], drawn["label"], look)
    lines = len(names) * max(name.count("\n") + 1 for name in names.values())
    said = _title(mine, title, preset, look)
    rows = len(lengths) * len(names) * 0.75 + lines * 0.7
    high = (rows + 7.5 + 1.3 * said.count("\n")) * preset.font / 72
    preset = dataclasses.replace(preset, height=high)
    figure = Figure(figsize=(preset.width, high), layout="constrained")
    axes = figure.subplots()
    sns.despine(ax=axes)
    axes.axvline(0, color=BLACK, linewidth=preset.line * 0.8, zorder=1)
    for place, bits in enumerate(lengths):
        shift = (place - (len(lengths) - 1) / 2) * 0.62 / len(lengths)
        _length(axes, drawn[drawn["bits"] == bits], [*names], shift, LENGTHS[place % 6], preset)
    axes.set_yticks(range(len(names)), [drawable(name) for name in names.values()])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"Difference of mAP to the default\n(filled: Holm-corrected p ≤ {ALPHA})")
    figure.suptitle(said, fontsize=preset.font)
    axes.margins(x=0.06)
    legend_below(axes, preset)
    return figure


def _names(
    rivals: pd.DataFrame, drawn: "pd.Series[str]", look: Mapping[str, Look] | None
) -> dict[str, str]:
    """Return the rows drawn with what the figure calls them beside their methods' own rows."""
    names = row_names(rivals["label"], look)
    return {
        label: textwrap.fill(names[label], NAME_WIDTH, break_on_hyphens=False)
        for label in dict.fromkeys(drawn)
    }


def _title(mine: pd.DataFrame, title: str, preset: Preset, look: Mapping[str, Look] | None) -> str:
    """Name the block, and the default of each method with its scores."""
    own = mine[(mine["label"] == mine["default"]) & (mine["n"] > 0)]
    parts = [
        f"default {called(str(default), look)}: "
        + ", ".join(
            f"{number(mean, 3)} at {bits} bits"
            for mean, bits in zip(part["mean"], part["bits"], strict=True)
        )
        for default, part in own.groupby("default", sort=False)
    ]
    letters = int(preset.width * 72 / preset.font * 1.55)
    return drawable("\n".join(textwrap.fill(text, letters) for text in (title, *parts)))


def _length(
    axes: "Axes",
    part: pd.DataFrame,
    rows: Sequence[str],
    shift: float,
    style: tuple[str, str],
    preset: Preset,
) -> None:
    color, marker = style
    size = preset.marker * MARKER_SCALES.get(marker, 1.0)
    for line in part.to_dict("records"):
        at = rows.index(line["label"]) + shift
        if pd.notna(line["low"]):
            axes.plot([line["low"], line["high"]], [at, at], color=color, linewidth=preset.line,
                      solid_capstyle="butt")  # fmt: skip
        axes.plot(
            line["difference"], at, marker=marker, color=color, markersize=size, zorder=3,
            markerfacecolor=color if line["p_holm"] <= ALPHA else "white",
            markeredgewidth=preset.line * 0.8,
        )  # fmt: skip
    axes.plot([], [], marker=marker, color=color, markersize=size, linewidth=preset.line,
              label=f"{part['bits'].iloc[0]} bits")  # fmt: skip
