"""The files of a figure: all formats from one drawing, its numbers beside them, none drawn twice.

The first line of a figure's CSV names what it was drawn from and the digest of every file beside
it. Where all of that still holds, the figure is left as it is; where it is drawn anew, files that
its line named and that are no longer asked for go, unless somebody has changed them.
"""

import io
import re
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hashquant.machine.files import guarded, write_atomic
from hashquant.report.drawing._pgf import missing_tex, pgf_files
from hashquant.report.drawing.identity import identity, short_digest
from hashquant.report.drawing.style import Preset, drawing
from hashquant.report.forms.spreadsheet import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What a figure is saved as unless other formats are asked for, and all that can be.
FORMATS = ("pdf", "png", "svg")
KNOWN_FORMATS = (*FORMATS, "pgf")
#: How hard a PNG is pressed, of 9: beyond it, time grows and the file hardly shrinks.
PNG_LEVEL = 4


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure that can be drawn: by what and from what, the numbers it shows, its files' stem.

    `draw` holds all that the figure depends on; a module's function, so that a process can be
    given it.
    """

    draw: "partial[Figure]"
    frame: pd.DataFrame
    stem: Path
    preset: Preset


def usable_formats(formats: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return those of the formats that can be written here, and why others cannot."""
    why = missing_tex() if "pgf" in formats else ""
    kept = tuple(kind for kind in formats if kind != "pgf" or not why)
    return kept, (why,) if why else ()


def present_files(task: Drawing, formats: Sequence[str] = FORMATS) -> list[Path] | None:
    """Return a figure's files where they are whole and what would be drawn now, else None."""
    sheet = beside(task.stem, ".csv")
    try:
        first, _, numbers = sheet.read_bytes().partition(b"\n")
        # The cheapest question first.
        if numbers != csv_text(task.frame).encode():
            return None
        ends = re.findall(r" ([-.][\w.-]+)=", first.decode(errors="replace"))
        sums = {end: short_digest(beside(task.stem, end).read_bytes()) for end in ends}
    except OSError:
        return None
    if first != _first_line(task, formats, numbers, sums).encode():
        return None
    return [*(beside(task.stem, end) for end in ends), sheet]


def write_files(task: Drawing, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Draw a figure into the given formats, and its numbers as CSV, without any date inside.

    Raises:
        StoreError: if a file cannot be written or removed.
    """
    numbers = csv_text(task.frame).encode()
    with drawing(task.preset):
        files = _rendered(task.draw(), task.stem.name, formats, short_digest(numbers))
    sums = {name.removeprefix(task.stem.name): short_digest(data) for name, data in files.items()}
    first = _first_line(task, formats, numbers, sums)
    # The CSV last: it speaks of the others.
    files[f"{task.stem.name}.csv"] = first.encode() + b"\n" + numbers
    unasked = list(former_files(task.stem, files))
    for name, data in files.items():
        write_atomic(task.stem.with_name(name), data)
    for path in unasked:
        with guarded(path):
            path.unlink()
    return [task.stem.with_name(name) for name in files]


def former_files(stem: Path, kept: Container[str]) -> Iterator[Path]:
    """Yield files of the figure as it was drawn before, still as they were, that are not `kept`."""
    try:
        first = beside(stem, ".csv").read_bytes().partition(b"\n")[0].decode(errors="replace")
    except OSError:
        return
    for end, digest in re.findall(r" ([-.][\w.-]+)=(\w+)", first):
        path = beside(stem, end)
        with suppress(OSError):  # what is gone, or cannot be read, is left
            if path.name not in kept and short_digest(path.read_bytes()) == digest:
                yield path


def beside(stem: Path, end: str) -> Path:
    """Return the file of a figure whose name ends so."""
    return stem.with_name(stem.name + end)


def _ordered(formats: Sequence[str]) -> list[str]:
    return [kind for kind in KNOWN_FORMATS if kind in formats]


def _first_line(task: Drawing, formats: Sequence[str], numbers: bytes, sums: dict[str, str]) -> str:
    """Return the comment that a CSV starts with: what was drawn, and each file's digest."""
    figure = identity(task.draw, task.preset, _ordered(formats))
    parts = {"numbers": short_digest(numbers), "figure": figure, **sums}
    return "# " + " ".join(f"{name}={told}" for name, told in parts.items())


def _rendered(
    figure: "Figure", name: str, formats: Sequence[str], numbers: str
) -> dict[str, bytes]:
    """Return the contents of a figure's files by name; each says which numbers it shows."""
    said = f"numbers={numbers}"
    options: dict[str, Any] = {  # Any: keywords of each format's own writer
        "pdf": {"metadata": {"CreationDate": None, "ModDate": None, "Subject": said}},
        "svg": {"metadata": {"Date": None, "Description": said}},
        "png": {
            "metadata": {"Software": None, "Description": said},
            "pil_kwargs": {"compress_level": PNG_LEVEL},
        },
    }
    # One layout for all formats: laid out once, then left alone.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)
    files: dict[str, bytes] = {}
    for kind in _ordered(formats):
        if kind == "pgf":
            files |= pgf_files(figure, name)
            continue
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, **options[kind])
        files[f"{name}.{kind}"] = buffer.getvalue()
    return files
