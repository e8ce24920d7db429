"""Precision-recall curves and mAP against code length, each with the CSV of its plotted numbers."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hashquant.record import Curve, EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.figures.canvas import canvas, file_stem, save, short_title
from hashquant.report.figures.style import (
    Look,
    Preset,
    drawable,
    drawing,
    legend_below,
    line_options,
    row_order,
)
from hashquant.report.frame import SECONDARY, Metric
from hashquant.store import folder_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Markers along one precision-recall curve.
CURVE_MARKERS = 5


def pr_frame(block: Block, bits: int) -> pd.DataFrame:
    """Return the curves of one code length, averaged over seeds at each rank.

    Columns: family, label, comparison, rank, recall, precision, precision_sd (missing for one
    seed), n (seeds). A seed counts where its rank grid has the rank.
    """
    rows = [
        {"label": record.spec.label, "comparison": curve.comparison, "rank": rank,
         "recall": recall, "precision": precision}
        for record in block.evals
        if record.spec.bits == bits and (curve := _headline_curve(record)) is not None
        for rank, precision, recall in zip(
            curve.ranks, curve.precision, curve.recall, strict=True
        )
    ]  # fmt: skip
    columns = ["label", "comparison", "rank", "recall", "precision"]
    frame = pd.DataFrame(rows, columns=columns)
    grouped = frame.groupby(["label", "comparison", "rank"], sort=False)
    mean = grouped.agg(
        recall=("recall", "mean"),
        precision=("precision", "mean"),
        precision_sd=("precision", "std"),
        n=("precision", "size"),
    ).reset_index()
    mean.insert(0, "family", mean["label"].map(dict(block.families)))
    place = {name: row_order(name, family) for name, family in block.families.items()}
    order = sorted(mean.index, key=lambda at: (place[mean["label"][at]], mean["rank"][at]))
    return mean.loc[order].reset_index(drop=True)


def _headline_curve(record: EvalRecord) -> Curve | None:
    found = [curve for curve in record.curves if curve.comparison not in SECONDARY]
    return found[0] if found else None


def pr_figure(
    curves: pd.DataFrame, look: Mapping[str, Look], title: str, preset: Preset
) -> "Figure":
    """Draw recall on x and precision on y, with a band of one sd where there are seeds."""
    figure, axes = canvas(preset)
    for place, (label, part) in enumerate(curves.groupby("label", sort=False)):
        axes.plot(
            part["recall"], part["precision"], label=drawable(str(label)),
            markevery=_spread(part["recall"].to_numpy(), place),
            **line_options(look[str(label)], preset),
        )  # fmt: skip
        sd = part["precision_sd"].fillna(0.0)
        if sd.any():
            axes.fill_between(
                part["recall"], (part["precision"] - sd).clip(0, 1),
                (part["precision"] + sd).clip(0, 1),
                color=look[str(label)].color, alpha=0.16, linewidth=0,
            )  # fmt: skip
    axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1.02), ylim=(0, 1.02), title=title)
    legend_below(axes, preset)
    return figure


def _spread(recall: np.ndarray, place: int) -> list[int]:
    """Return where a curve's markers stand: evenly in recall, shifted from curve to curve."""
    if not len(recall):
        return []
    # Golden-ratio shifts keep the markers of neighbouring curves apart, however many there are.
    shift = (place * (math.sqrt(5) - 1) / 2) % 1
    goals = (np.arange(CURVE_MARKERS) + shift) / CURVE_MARKERS
    goals = recall.min() + goals * (recall.max() - recall.min())
    return sorted({int(np.abs(recall - goal).argmin()) for goal in goals})


def bits_figure(
    cells: pd.DataFrame, look: Mapping[str, Look], metric: Metric, title: str, preset: Preset
) -> "Figure":
    """Draw a metric against code length, with a bar of one sd where there are seeds."""
    figure, axes = canvas(preset)
    drawn = cells[cells["n"] > 0]
    # A row keeps its missing cells, so that its line breaks there instead of bridging the gap.
    rows = cells[cells["label"].isin(drawn["label"])]
    for label, part in rows.groupby("label", sort=False):
        style = line_options(look[str(label)], preset)
        axes.plot(part["bits"], part["mean"], label=drawable(str(label)), **style)
        spread = part[part["sd"].notna()]
        axes.errorbar(
            spread["bits"], spread["mean"], yerr=spread["sd"], fmt="none",
            ecolor=style["color"], elinewidth=preset.line * 0.9, zorder=1.9,
        )  # fmt: skip
    lengths = sorted(int(bits) for bits in drawn["bits"].unique())
    axes.set(xlabel="Code length (bits)", ylabel=drawable(str(metric)), title=title)
    axes.set_xticks(lengths, [str(bits) for bits in lengths])
    if len(lengths) == 1:
        axes.set_xlim(lengths[0] - 1, lengths[0] + 1)
    axes.margins(y=0.08)
    legend_below(axes, preset)
    return figure


def write_block(
    block: Block,
    cells: pd.DataFrame,
    metric: Metric,
    look: Mapping[str, Look],
    folder: Path,
    digest: str,
    preset: Preset,
) -> list[Path]:
    """Write a block's figures into `folder`: one PR panel a code length, and the metric by bits.

    Raises:
        StoreError: if a file cannot be written.
    """
    paths: list[Path] = []
    stem, title = file_stem(block), short_title(block)
    with drawing(preset):
        for bits in block.bits:
            curves = pr_frame(block, bits)
            if len(curves):
                figure = pr_figure(curves, look, f"{title}, {bits} bits", preset)
                paths += save(figure, curves, folder / f"pr_{stem}_{bits}bit", digest)
        if cells["n"].any():
            name = folder_name(str(metric).lower().replace("@", "-at-"))
            figure = bits_figure(cells, look, metric, title, preset)
            paths += save(figure, cells, folder / f"{name}_vs_bits_{stem}", digest)
    return paths
