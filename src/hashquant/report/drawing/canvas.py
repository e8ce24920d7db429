"""An empty panel, its title, and its part of a file name."""

from typing import TYPE_CHECKING

from hashquant.records.store import folder_name
from hashquant.report.blocks import Block
from hashquant.report.drawing.style import Preset, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Longest data set name a figure's title shows; the caption and the CSV have it whole.
TITLE_LENGTH = 34


def file_stem(block: Block) -> str:
    """Return a block's part of a file name: `lfw`, or `lfw--olivetti` for another target."""
    names = [block.dataset] if block.dataset == block.target else [block.dataset, block.target]
    return "--".join(folder_name(name) for name in names)


def short_title(block: Block) -> str:
    """Return a block's name as it fits above a small panel."""
    if len(block.name) <= TITLE_LENGTH:
        return drawable(block.name)
    names = dict.fromkeys([block.dataset, block.target])
    room = TITLE_LENGTH // len(names)
    return drawable(" → ".join(n if len(n) <= room else "…" + n[1 - room :] for n in names))


def canvas(preset: Preset) -> "tuple[Figure, Axes]":
    """Return a figure of one panel in the preset's size, without the box around it."""
    import seaborn as sns
    from matplotlib.figure import Figure

    # No pyplot: a figure of its own needs no window system and leaves no global state.
    figure = Figure(figsize=(preset.width, preset.height), layout="constrained")
    axes = figure.subplots()
    sns.despine(ax=axes)
    return figure, axes
