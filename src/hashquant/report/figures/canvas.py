"""Where figures are drawn and saved: an empty panel, its file name, all formats from one call."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.files import write_atomic
from hashquant.report.blocks import Block
from hashquant.report.figures.pgf import missing_tex, pgf_files
from hashquant.report.figures.style import Preset, drawable
from hashquant.store import folder_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What a figure is saved as unless other formats are asked for, and all that can be.
FORMATS = ("pdf", "png", "svg")
KNOWN_FORMATS = (*FORMATS, "pgf")
_CHOSEN: ContextVar[tuple[str, ...]] = ContextVar("formats", default=FORMATS)
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


@contextmanager
def saved_as(formats: Sequence[str]) -> Iterator[None]:
    """Let `save` write these formats of `KNOWN_FORMATS`, as matplotlib's own settings are set."""
    token = _CHOSEN.set(tuple(formats))
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def usable_formats(formats: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return those of the formats that can be written here, and why others cannot."""
    why = missing_tex() if "pgf" in formats else ""
    kept = tuple(kind for kind in formats if kind != "pgf" or not why)
    return kept, (why,) if why else ()


def save(figure: "Figure", frame: pd.DataFrame, stem: Path, digest: str) -> list[Path]:
    """Write a figure in the formats chosen, and its numbers as CSV, without any date inside.

    Raises:
        StoreError: if a file cannot be written.
    """
    named = f"records: {digest}"
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {"CreationDate": None, "ModDate": None, "Subject": named},
        "svg": {"Date": None, "Description": named},
        "png": {"Software": None, "Description": named},
    }
    # One layout for all formats: laid out once, then left alone.
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    files: dict[str, bytes] = {}
    for kind in [kind for kind in KNOWN_FORMATS if kind in _CHOSEN.get()]:
        if kind == "pgf":
            files |= pgf_files(figure, stem.name)
            continue
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata[kind])
        files[f"{stem.name}.{kind}"] = buffer.getvalue()
    files[f"{stem.name}.csv"] = f"# {named}\n{frame.to_csv(index=False)}".encode()
    for name, data in files.items():
        write_atomic(stem.with_name(name), data)
    return [stem.with_name(name) for name in files]
