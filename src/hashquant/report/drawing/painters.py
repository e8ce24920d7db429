"""Processes that draw: started before there is a figure, they import what they need meanwhile."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType

from hashquant.report.drawing.files import Drawing, write_files
from hashquant.report.parts import Broken, tried

#: A process takes seconds to start: none is started for fewer drawings than this.
FEWEST = 16


class Painters:
    """Draws figures, in processes of their own where there are many; a context that ends them.

    Processes for as many figures as are `expected` start at once, others with the figures.
    """

    def __init__(self, workers: int, expected: int = 0) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._start(expected)

    def __enter__(self) -> "Painters":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def draw(
        self, tasks: Sequence[Drawing], formats: Sequence[str]
    ) -> Iterator[list[Path] | Broken]:
        """Hand out the tasks; yield in their order the files of each, or why it has none."""
        self._start(len(tasks))
        write = partial(tried, write_files, formats=tuple(formats))
        if self._pool is None:
            return map(write, tasks)
        waiting = [self._pool.submit(write, task) for task in tasks]
        # A process that was killed, or a task that cannot be sent, is no more than a lost figure.
        return (tried(future.result) for future in waiting)

    def _start(self, figures: int) -> None:
        workers = min(self.workers, figures // FEWEST)
        if self._pool is not None or workers < 2:
            return
        # Fresh processes: a fork of one that computes with threads may hang.
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare)
        for _ in range(workers):
            self._pool.submit(os.getpid)  # each task that finds no idle process starts one


def _prepare() -> None:
    """Import what draws; leave an interrupt to the process that waits for this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_pdf
    import matplotlib.backends.backend_svg  # noqa: F401
    import seaborn  # noqa: F401
