"""What a figure depends on, in a few letters: its numbers, who draws it, and with what."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache, partial, singledispatch
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hashquant.report.drawing.style import Preset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Whose versions change what is drawn.
LIBRARIES = ("matplotlib", "seaborn", "pandas", "numpy", "pillow", "fonttools")


def short_digest(data: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of some bytes.

    >>> short_digest(b"")
    'e3b0c44298fc1c14'
    """
    return hashlib.sha256(data).hexdigest()[:16]


def identity(draw: "partial[Figure]", preset: Preset, formats: Sequence[str]) -> str:
    """Name what `draw` would write in these formats: the same only if the files would be.

    Raises:
        TypeError: if an argument of `draw` has no content that could be named.
    """
    named = [drawing_code(), *formats, content(preset), content(draw)]
    return short_digest("\n".join(named).encode())


@cache
def drawing_code() -> str:
    """Name the code that draws: all of the report's modules, and the libraries' versions."""
    folder = Path(__file__).parents[1]
    parts = [path.read_bytes() for path in sorted(folder.rglob("*.py"))]
    parts += [f"{name} {version(name)}".encode() for name in LIBRARIES]
    return short_digest(b"\0".join(parts))


@singledispatch
def content(value: Any) -> str:  # Any: whatever a figure is drawn from
    """Write a value out whole: arrays and frames by their numbers, functions by their names.

    Raises:
        TypeError: for a value of a kind that has no such text.

    >>> content({"b": (1, 0.5), "a": None})
    "{'b':[1,0.5,],'a':None,}"
    """
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return f"{type(value).__qualname__}{content(fields)}"
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    raise TypeError(f"a figure's arguments must have a content to name, got {type(value)}")


@content.register(type(None))
@content.register(str)
@content.register(int)
@content.register(float)
@content.register(np.generic)
def _scalar(value: object) -> str:
    return repr(value)


@content.register
def _partial(value: partial) -> str:  # type: ignore[type-arg]  # singledispatch wants the class
    return f"{content(value.func)}{content(value.args)}{content(value.keywords)}"


@content.register
def _frame(value: pd.DataFrame) -> str:
    return f"frame{content({str(name): part.to_numpy() for name, part in value.items()})}"


@content.register
def _array(value: np.ndarray) -> str:
    data = repr(value.tolist()).encode() if value.dtype == object else value.tobytes()
    return f"array {value.dtype}{value.shape} {short_digest(data)}"


@content.register
def _mapping(value: Mapping) -> str:  # type: ignore[type-arg]
    return "{" + "".join(f"{key!r}:{content(held)}," for key, held in value.items()) + "}"


@content.register
def _sequence(value: Sequence) -> str:  # type: ignore[type-arg]
    return "[" + "".join(f"{content(held)}," for held in value) + "]"
