"""Curves along a ranking and mAP against code length, each with the CSV of its plotted numbers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hashquant.machine.filenames import safe_name
from hashquant.records.record import Curve, EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.drawing.canvas import canvas, file_stem, short_title
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import parts_of
from hashquant.report.drawing.shortnames import row_names
from hashquant.report.drawing.style import (
    Look,
    Preset,
    drawable,
    legend_below,
    line_options,
    looks_of,
)
from hashquant.report.figures.many.dots import dots_figure
from hashquant.report.figures.many.multiples import multiples_figure
from hashquant.report.frame import SECONDARY, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Markers along one curve.
CURVE_MARKERS = 5
#: Tenths from which on the vertical axis goes up to 1.
LOW_TENTHS = 7
#: What the names of figures against code length have in common.
BY_BITS = "_vs_bits_"
#: Axis labels of the columns of `pr_frame`.
NAMES = {"recall": "Recall", "precision": "Precision", "rank": "Rank k"}


@dataclass(frozen=True)
class CurveKind:
    """What a curve shows: the start of its file's name, and the columns of its two axes."""

    stem: str
    x: str
    y: str

    @property
    def along_ranks(self) -> bool:
        """Whether x is the rank, on a logarithmic scale."""
        return self.x == "rank"

    @property
    def y_name(self) -> str:
        """What the vertical axis is called."""
        return f"{NAMES[self.y]}@k" if self.along_ranks else NAMES[self.y]


PR = CurveKind("pr", "recall", "precision")
KINDS = (
    PR,
    CurveKind("precision_at_k", "rank", "precision"),
    CurveKind("recall_at_k", "rank", "recall"),
)


def pr_frame(block: Block, bits: int) -> pd.DataFrame:
    """Return precision and recall at each rank of one code length, averaged over seeds.

    Columns: family, label, comparison, rank, recall, precision, precision_sd and recall_sd
    (missing for one seed), n (seeds). A seed counts where its rank grid has the rank.
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
        recall_sd=("recall", "std"),
        n=("precision", "size"),
    ).reset_index()
    mean.insert(0, "family", mean["label"].map(dict(block.families)))
    order = {label: at for at, label in enumerate(sorted(block.families, key=block.order))}
    keys = pd.DataFrame({"row": mean["label"].map(order), "rank": mean["rank"]})
    return mean.loc[keys.sort_values(["row", "rank"], kind="stable").index].reset_index(drop=True)


def _headline_curve(record: EvalRecord) -> Curve | None:
    found = [curve for curve in record.curves if curve.comparison not in SECONDARY]
    return found[0] if found else None


def curve_figure(
    curves: pd.DataFrame, kind: CurveKind, look: Mapping[str, Look], title: str, preset: Preset
) -> "Figure":
    """Draw the curves of a `pr_frame`, with a band of one sd where there are seeds.

    Many rows stand in parts, a panel each.
    """
    parts = parts_of(look, curves["label"])
    if parts:
        return _parted_curves(curves, kind, parts, look, title, preset)
    figure, axes = canvas(preset)
    draw_curves(axes, curves, kind, look, preset)
    axes.set(xlabel=NAMES[kind.x], ylabel=kind.y_name, title=title)
    legend_below(axes, preset)
    return figure


def _parted_curves(
    curves: pd.DataFrame,
    kind: CurveKind,
    parts: Mapping[str, Sequence[str]],
    look: Mapping[str, Look],
    title: str,
    preset: Preset,
) -> "Figure":
    rows = {str(label): part for label, part in curves.groupby("label", sort=False)}

    def draw(axes: "Axes", labels: Sequence[str]) -> None:
        draw_curves(axes, curves[curves["label"].isin(labels)], kind, look, preset)
        axes.set(xlabel=NAMES[kind.x], ylabel=kind.y_name, ylim=(0, top(curves, kind)))

    def trace(axes: "Axes", label: str, options: Mapping[str, Any]) -> None:
        axes.plot(rows[label][kind.x], rows[label][kind.y], **options)

    def score(label: str) -> float:
        return float(rows[label][kind.y].mean())

    return multiples_figure(parts, look, draw, trace, score, title, preset)


def draw_curves(
    axes: "Axes", curves: pd.DataFrame, kind: CurveKind, look: Mapping[str, Look], preset: Preset
) -> None:
    """Draw one line a row into a panel, and set the scales of both axes."""
    names = row_names(curves["label"], look)
    for place, (label, part) in enumerate(curves.groupby("label", sort=False)):
        x, y = (part[column].to_numpy(dtype=float) for column in (kind.x, kind.y))
        axes.plot(
            x, y, label=drawable(names[str(label)]),
            markevery=_spread(np.log(x) if kind.along_ranks else x, place),
            **line_options(look[str(label)], preset),
        )  # fmt: skip
        sd = part[f"{kind.y}_sd"].to_numpy(dtype=float)
        if not np.isnan(sd).all():
            low, high = (y - sd).clip(0, 1), (y + sd).clip(0, 1)
            axes.fill_between(
                x, low, high, color=look[str(label)].color, alpha=0.16, linewidth=0
            )  # fmt: skip
    axes.set_ylim(0, top(curves, kind))
    if kind.along_ranks:
        _rank_scale(axes, float(curves["rank"].max()))
    else:
        axes.set_xlim(0, 1.02)


def top(curves: pd.DataFrame, kind: CurveKind) -> float:
    """Return where the vertical axis ends: just above 1, or where low curves need no more.

    A panel without a curve, as of a code length that one data set lacks, goes up to 1.

    >>> top(pd.DataFrame({"recall": [0.2, 0.31], "recall_sd": [0.1, 0.0]}), KINDS[2])
    0.4
    """
    highest = float((curves[kind.y] + curves[f"{kind.y}_sd"].fillna(0)).max())
    tenths = max(1, math.ceil(highest * 10 + 0.2)) if math.isfinite(highest) else LOW_TENTHS
    return tenths / 10 if tenths < LOW_TENTHS else 1.02


def _rank_scale(axes: "Axes", longest: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(0.9, max(longest, 2) * 1.12)
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _spread(x: np.ndarray, place: int) -> list[int]:
    """Return where a curve's markers stand: evenly along x, shifted from curve to curve."""
    if not len(x):
        return []
    # Golden-ratio shifts keep the markers of neighbouring curves apart, however many there are.
    shift = (place * (math.sqrt(5) - 1) / 2) % 1
    goals = (np.arange(CURVE_MARKERS) + shift) / CURVE_MARKERS
    goals = x.min() + goals * (x.max() - x.min())
    return sorted({int(np.abs(x - goal).argmin()) for goal in goals})


def bits_figure(
    cells: pd.DataFrame, look: Mapping[str, Look], metric: Metric, title: str, preset: Preset
) -> "Figure":
    """Draw a metric against code length, with a bar of one sd where there are seeds.

    Where there is one code length only, the rows stand side by side. Many rows have a line each.
    """
    parts = parts_of(look, cells.loc[cells["n"] > 0, "label"])
    if parts:
        return _parted_bits(cells[cells["n"] > 0], parts, look, metric, title, preset)
    figure, axes = canvas(preset)
    drawn = cells[cells["n"] > 0]
    # A row keeps its missing cells, so that its line breaks there instead of bridging the gap.
    rows = cells[cells["label"].isin(drawn["label"])]
    names = row_names(rows["label"], look)
    lengths = sorted(int(bits) for bits in drawn["bits"].unique())
    apart = 1.6 / len(names) if len(lengths) == 1 else 0.0
    for place, (label, found) in enumerate(rows.groupby("label", sort=False)):
        style = line_options(look[str(label)], preset)
        part = found.assign(bits=found["bits"] + (place - (len(names) - 1) / 2) * apart)
        axes.plot(part["bits"], part["mean"], label=drawable(names[str(label)]), **style)
        spread = part[part["sd"].notna()]
        axes.errorbar(
            spread["bits"], spread["mean"], yerr=spread["sd"], fmt="none",
            ecolor=style["color"], elinewidth=preset.line * 0.9, zorder=1.9,
        )  # fmt: skip
    axes.set(xlabel="Code length (bits)", ylabel=drawable(str(metric)), title=title)
    axes.set_xticks(lengths, [str(bits) for bits in lengths])
    if len(lengths) == 1:
        axes.set_xlim(lengths[0] - 1, lengths[0] + 1)
    axes.margins(y=0.08)
    legend_below(axes, preset)
    return figure


def _parted_bits(
    drawn: pd.DataFrame,
    parts: Mapping[str, Sequence[str]],
    look: Mapping[str, Look],
    metric: Metric,
    title: str,
    preset: Preset,
) -> "Figure":
    sd = drawn["sd"].fillna(0)
    frame = pd.DataFrame(
        {"label": drawn["label"], "panel": "", "series": [f"{bits} bits" for bits in drawn["bits"]],
         "value": drawn["mean"], "low": drawn["mean"] - sd, "high": drawn["mean"] + sd}
    )  # fmt: skip
    return dots_figure(frame, parts, look, str(metric), title, preset)


def block_drawings(
    block: Block,
    cells: pd.DataFrame,
    metric: Metric,
    look: Mapping[str, Look],
    folder: Path,
    preset: Preset,
) -> Iterator[Drawing]:
    """Yield a block's figures in `folder`: the curves of each code length, the metric by bits."""
    stem, title = file_stem(block), short_title(block)
    for bits in block.bits:
        curves = pr_frame(block, bits)
        mine = looks_of(look, curves["label"])
        for kind in KINDS if len(curves) else ():
            draw = partial(curve_figure, curves, kind, mine, f"{title}, {bits} bits", preset)
            yield Drawing(draw, curves, folder / f"{kind.stem}_{stem}_{bits}bit", preset)
    if cells["n"].any():
        draw = partial(bits_figure, cells, looks_of(look, cells["label"]), metric, title, preset)
        yield Drawing(draw, cells, folder / f"{bits_stem(metric)}{stem}", preset)


def bits_stem(metric: Metric) -> str:
    """Return the start of the name of a metric's figures against code length.

    >>> bits_stem(Metric("mAP", 1000))
    'map-at-1000_vs_bits_'
    """
    return safe_name(str(metric).lower().replace("@", "-at-")) + BY_BITS
