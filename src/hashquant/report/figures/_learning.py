"""Learning curves: mAP on held-out training images after each epoch, where a run was judged so."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hashquant.records.record import TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.drawing.canvas import canvas, file_stem, short_title
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import parts_of
from hashquant.report.drawing.shortnames import row_names
from hashquant.report.drawing.style import (
    PRESETS,
    Look,
    Preset,
    drawable,
    legend_below,
    line_options,
    looks_of,
)
from hashquant.report.figures.many.multiples import multiples_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_drawings(
    records: SuiteRecords,
    blocks: Sequence[Block],
    look: Mapping[str, Look],
    folder: Path,
    preset: Preset = PRESETS["column"],
) -> Iterator[Drawing]:
    """Yield `learning_<dataset>_<bits>bit` where runs of a training set were judged by epoch."""
    trained = {record.run_id: record for record in records.trains if record.validation}
    for block in blocks:
        if not block.single_domain:
            continue
        for bits in block.bits:
            frame = learning_frame(block, bits, trained)
            if len(frame):
                shown = looks_of(look, frame["label"])
                title = f"{short_title(block)}, {bits} bits"
                draw = partial(learning_figure, frame, shown, title, preset)
                yield Drawing(
                    draw, frame, folder / f"learning_{file_stem(block)}_{bits}bit", preset
                )


def learning_frame(block: Block, bits: int, trained: Mapping[str, TrainRecord]) -> pd.DataFrame:
    """Return mean and sd over seeds of each row's held-out mAP after each epoch, from 1."""
    points = [
        (label, epoch, value)
        for record in block.evals
        if record.spec.bits == bits and (run := trained.get(record.run_id)) is not None
        for label in (record.spec.label,)
        for epoch, value in enumerate(run.validation, start=1)
    ]
    frame = pd.DataFrame(points, columns=["label", "epoch", "value"])
    rows = frame.groupby(["label", "epoch"], sort=False)["value"]
    return rows.agg(mean="mean", sd="std", n="count").reset_index()


def learning_figure(
    frame: pd.DataFrame, look: Mapping[str, Look], title: str, preset: Preset
) -> "Figure":
    """Draw each row's curve, with a band of one sd where several seeds were run.

    Many rows stand in parts, a panel each.
    """
    parts = parts_of(look, frame["label"])
    if parts:
        rows = {str(label): part for label, part in frame.groupby("label", sort=False)}

        def draw(axes: "Axes", labels: Sequence[str]) -> None:
            _draw(axes, frame, labels, look, preset)

        def trace(axes: "Axes", label: str, options: Mapping[str, Any]) -> None:
            axes.plot(rows[label]["epoch"], rows[label]["mean"], **options)

        def score(label: str) -> float:
            return float(rows[label]["mean"].iloc[-1])

        shown = {label: row for label, row in look.items() if label in rows}
        return multiples_figure(parts, shown, draw, trace, score, drawable(title), preset)
    figure, axes = canvas(preset)
    _draw(axes, frame, [*look], look, preset)
    axes.set_title(drawable(title), fontsize=preset.font)
    legend_below(axes, preset)
    return figure


def _draw(
    axes: "Axes",
    frame: pd.DataFrame,
    labels: Sequence[str],
    look: Mapping[str, Look],
    preset: Preset,
) -> None:
    from matplotlib.ticker import MaxNLocator

    names = row_names(frame["label"], look)
    for label in labels:
        part = frame[frame["label"] == label]
        style = line_options(look[label], preset)
        axes.plot(part["epoch"], part["mean"], label=drawable(names[label]), **style)
        low, high = part["mean"] - part["sd"], part["mean"] + part["sd"]
        axes.fill_between(part["epoch"], low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Epoch")
    axes.set_ylabel("mAP, held-out training images")
    axes.set_ylim(bottom=0)
