"""Histograms of distances within one class and between classes, one panel a method."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.distances import counted_blocks, distances_frame
from hashquant.report.drawing.canvas import file_stem
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import MANY
from hashquant.report.drawing.shortnames import called
from hashquant.report.drawing.style import PRESETS, Look, Preset, legend_below, looks_of
from hashquant.report.figures._panels import heading, panel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Height of a panel in em, with its scale below.
HIGH = 11.0
BETWEEN, SHARED = "#8C8C8C", "#3A3A3A"
#: The name of a panel's scale: comparison and whether larger is closer.
SCALES = {
    ("hamming", False): "Hamming distance",
    ("cosine", True): "cosine (falling)",
    ("adc", False): "ADC distance",
    ("adc", True): "ADC similarity (falling)",
}
WHAT = "distances of query and gallery item, near ones on the left"


def distance_drawings(
    records: SuiteRecords,
    blocks: Sequence[Block],
    look: Mapping[str, Look],
    folder: Path,
    preset: Preset = PRESETS["double"],
) -> Iterator[Drawing]:
    """Yield `distances_<block>_<bits>bit` for each block and code length that has counts."""
    for block, bits, cells, missing in counted_blocks(records, blocks):
        frame = distances_frame(cells)
        said = heading(block.name, bits, WHAT, [*map(block.names.short, missing)])
        draw = partial(distances_figure, frame, looks_of(look, frame["label"]), said, preset)
        yield Drawing(draw, frame, folder / f"distances_{file_stem(block)}_{bits}bit", preset)


def distances_figure(
    frame: pd.DataFrame, look: Mapping[str, Look], title: str, preset: Preset
) -> "Figure":
    """Draw a panel for each label of a `distances_frame`; Hamming distances share their scale."""
    labels = list(dict.fromkeys(frame["label"]))
    parts = [frame[frame["label"] == label] for label in labels]
    overlaps = [f"{called(label, look)}\noverlap {part['overlap'].iloc[0] * 100:.0f} %"
                for label, part in zip(labels, parts, strict=True)]  # fmt: skip
    figure, panels = panel_grid(overlaps, preset, HIGH, title)
    used = frame[(frame["comparison"] == "hamming") & (frame["same"] + frame["different"] > 0)]
    for axes, label, part in zip(panels, labels, parts, strict=True):
        _panel(axes, part, look[label].color, preset, ticks=4 if len(labels) <= 2 * MANY else 2)
        if part["comparison"].iloc[0] == "hamming":
            axes.set_xlim(used["low"].min(), used["high"].max())
    legend_below(panels[0], replace(preset, height=figure.get_figheight()))
    _grey_method(figure)
    return figure


def _panel(axes: "Axes", part: pd.DataFrame, color: str, preset: Preset, *, ticks: int) -> None:
    """Draw both distributions of one cell, what they share, and their medians."""
    from matplotlib.ticker import MaxNLocator

    edges = np.append(part["low"], part["high"].iloc[-1])
    same, different = part["same_share"].to_numpy(), part["different_share"].to_numpy()
    line = preset.line * 0.8
    axes.stairs(different, edges, fill=True, color=BETWEEN, alpha=0.3)
    axes.stairs(same, edges, fill=True, color=color, alpha=0.35)
    axes.stairs(np.minimum(same, different), edges, fill=True, color=SHARED, alpha=0.75,
                label="in both")  # fmt: skip
    axes.stairs(different, edges, color=BETWEEN, linewidth=line, label="different classes")
    axes.stairs(same, edges, color=color, linewidth=line, label="same class")
    medians = part["same_median"].iloc[0], part["different_median"].iloc[0]
    axes.axvline(medians[0], color=color, linewidth=line, dashes=(4, 1.5), label="median, same")
    axes.axvline(medians[1], color="black", linewidth=line, dashes=(1, 1.2),
                 label="median, different")  # fmt: skip
    larger = bool(part["larger_is_closer"].iloc[0])
    held = np.flatnonzero(same + different)
    left, right = edges[held[0]], edges[held[-1] + 1]
    margin = (right - left) * 0.02 or max(abs(left), 1) * 0.02
    limits = left - margin, right + margin
    axes.set_xlim(*(limits[::-1] if larger else limits))
    axes.set_ylim(0, max(same.max(), different.max()) * 1.06)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(
        MaxNLocator(ticks, integer=part["comparison"].iloc[0] == "hamming")
    )
    axes.set_xlabel(SCALES.get((part["comparison"].iloc[0], larger), "score"),
                    fontsize=preset.font * 0.8)  # fmt: skip


def _grey_method(figure: "Figure") -> None:
    """Show what is drawn in a method's colour in black in the legend: it stands for all."""
    for handle, text in zip(
        figure.legends[0].legend_handles, figure.legends[0].get_texts(), strict=True
    ):
        if handle is not None and text.get_text() in ("same class", "median, same"):
            for name in ("set_edgecolor", "set_color"):
                if hasattr(handle, name):
                    getattr(handle, name)("black")
