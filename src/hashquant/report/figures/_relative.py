"""r from target to target: a line a row, a panel a code length; chance is 0, uncompressed is 1."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.machine.filenames import safe_name
from hashquant.report.drawing.files import Drawing
from hashquant.report.drawing.kinds import parts_of
from hashquant.report.drawing.shortnames import row_names, short_names
from hashquant.report.drawing.style import (
    BLACK,
    PRESETS,
    Look,
    Preset,
    drawable,
    legend_below,
    line_options,
    looks_of,
)
from hashquant.report.figures.many.dots import dots_figure
from hashquant.settings.names import Names
from hashquant.settings.words import split_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Protocols in the order a figure goes through them.
ORDER = ("seen", "unseen", "cross")
SCALE = "r (0: chance, 1: uncompressed)"


def relative_drawings(
    frame: pd.DataFrame,
    look: Mapping[str, Look],
    folder: Path,
    preset: Preset = PRESETS["double"],
    names: Names | None = None,
) -> Iterator[Drawing]:
    """Yield `relative_<training set>` for each one of a `matrix_frame` that has r on two targets.

    References are the ends of the scale and are left out; so are targets with an option.
    """
    known = frame[frame["r"].notna() & (frame["family"] != "reference")]
    known = known[known["target"].map(lambda target: not split_target(target)[1]).astype(bool)]
    for train, part in known.groupby("train", sort=False):
        if part["target"].nunique() > 1:
            shown = looks_of(look, part["label"])
            title = f"Trained on {(names or Names()).dataset(str(train))}"
            targets = short_names(_targets(part), names)
            draw = partial(relative_figure, part, shown, targets, title, preset)
            yield Drawing(draw, part, folder / f"relative_{safe_name(str(train))}", preset)


def _targets(part: pd.DataFrame) -> list[str]:
    """Return the targets, the training set's own split first."""
    pairs = dict.fromkeys(zip(part["protocol"], part["target"], strict=True))
    place = {name: at for at, name in enumerate(ORDER)}
    ordered = sorted(pairs, key=lambda pair: (place.get(pair[0], len(ORDER)), pair[1]))
    return [target for _, target in ordered]


def relative_figure(
    part: pd.DataFrame,
    look: Mapping[str, Look],
    targets: Mapping[str, str],
    title: str,
    preset: Preset,
) -> "Figure":
    """Draw r of every row on `targets` (identifier → name), with its interval.

    Many rows have a line each.
    """
    parts = parts_of(look, part["label"])
    if parts:
        return dots_figure(_dots(part, targets), parts, look, SCALE, drawable(title), preset)
    import seaborn as sns
    from matplotlib.figure import Figure

    lengths = sorted(int(bits) for bits in set(part["bits"]))
    figure = Figure(figsize=(preset.width, preset.height), layout="constrained")
    panels = figure.subplots(1, len(lengths), sharey=True, squeeze=False)[0]
    for axes, bits in zip(panels, lengths, strict=True):
        sns.despine(ax=axes)
        _panel(axes, part[part["bits"] == bits], look, list(targets), preset)
        axes.set_xticks(range(len(targets)), [drawable(name) for name in targets.values()],
                        rotation=25, ha="right", rotation_mode="anchor")  # fmt: skip
        axes.set_title(f"{bits} bits", fontsize=preset.font)
    panels[0].set_ylabel(SCALE)
    panels[0].set_ylim(bottom=0)
    figure.suptitle(drawable(title), fontsize=preset.font)
    legend_below(panels[0], preset)
    return figure


def _dots(part: pd.DataFrame, targets: Mapping[str, str]) -> pd.DataFrame:
    lines = part.assign(panel=[f"{bits} bits" for bits in part["bits"]])
    lines = lines.assign(
        series=lines["target"].map(targets), place=lines["target"].map([*targets].index)
    )
    lines = lines.sort_values(["bits", "place"], kind="stable")
    return lines.rename(columns={"r": "value", "r_low": "low", "r_high": "high"})


def _panel(
    axes: "Axes",
    part: pd.DataFrame,
    look: Mapping[str, Look],
    targets: list[str],
    preset: Preset,
) -> None:
    names = row_names(part["label"], look)
    axes.axhline(1, color=BLACK, linewidth=preset.line * 0.6, linestyle=(0, (1, 2)))
    rows = list(dict.fromkeys(part["label"]))
    for number, label in enumerate(rows):
        mine = part[part["label"] == label].set_index("target").reindex(targets)
        style = line_options(look[label], preset)
        # Rows stand a little apart, so that their intervals do not hide each other.
        shift = (number - (len(rows) - 1) / 2) * 0.4 / len(rows)
        at = [place + shift for place in range(len(targets))]
        axes.plot(at, mine["r"], label=drawable(names[label]), **style)
        axes.vlines(at, mine["r_low"], mine["r_high"], color=style["color"],
                    linewidth=preset.line * 0.6)  # fmt: skip
