"""An empty panel, its title, and its part of a file name."""

from typing import TYPE_CHECKING

from hashquant.machine.filenames import safe_name
from hashquant.report.blocks import Block
from hashquant.report.drawing.style import Preset, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Letters of a line of a figure's title; the caption and the CSV have the names whole.
TITLE_LENGTH = 34


def file_stem(block: Block) -> str:
    """Return a block's part of a file name: `lfw`, or `lfw--olivetti` for another target."""
    names = [block.dataset] if block.of_itself else [block.dataset, block.target]
    return "--".join(safe_name(name) for name in names)


def short_title(block: Block) -> str:
    """Return a block's name as it fits above a small panel, its target on a second line."""
    if len(block.name) <= TITLE_LENGTH:
        return drawable(block.name)
    trained, arrow, examined = block.name.partition(" → ")
    lines = (f"{trained}{arrow}".rstrip(), examined)
    return drawable("\n".join(filter(None, map(_cut, lines))))


def _cut(line: str) -> str:
    return line if len(line) <= TITLE_LENGTH else "…" + line[1 - TITLE_LENGTH :]


def canvas(preset: Preset) -> "tuple[Figure, Axes]":
    """Return a figure of one panel in the preset's size, without the box around it."""
    import seaborn as sns
    from matplotlib.figure import Figure

    # No pyplot: a figure of its own needs no window system and leaves no global state.
    figure = Figure(figsize=(preset.width, preset.height), layout="constrained")
    axes = figure.subplots()
    sns.despine(ax=axes)
    return figure, axes
