"""Independent figures drawn one after another, or by several processes at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from hashquant.report.figures.canvas import FORMATS, saved_as

#: Writes some figures and returns their files; a `partial` of a module's function.
Drawing = Callable[[], Sequence[Path]]

#: A process takes seconds to start: none is started for fewer drawings than this.
FEWEST = 4


def draw_all(
    drawings: Sequence[Drawing], formats: Sequence[str] = FORMATS, workers: int = 1
) -> tuple[Path, ...]:
    """Draw all figures in the given formats; return their files in the order of the drawings.

    Raises:
        StoreError: if a file cannot be written.
    """
    draw = partial(_draw, formats=tuple(formats))
    workers = min(workers, len(drawings) // FEWEST)
    if workers < 2:
        found = [draw(drawing) for drawing in drawings]
    else:
        # Fresh processes: a fork of one that computes with threads may hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(draw, drawings))
    return tuple(path for paths in found for path in paths)


def _draw(drawing: Drawing, formats: tuple[str, ...]) -> list[Path]:
    with saved_as(formats):
        return list(drawing())
