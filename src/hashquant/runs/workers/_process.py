"""A worker process: it runs whole cells, one after another, and tells what a run tells."""

import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from logging.handlers import QueueHandler
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NoReturn

import torch

from hashquant.errors import HashQuantError, StoreError
from hashquant.machine.environment import free_bytes, reserved_bytes
from hashquant.records.provenance import provenance
from hashquant.runs.contest import Contest, Surroundings, load
from hashquant.runs.diagnosis import diagnosed
from hashquant.runs.planning import Cell
from hashquant.runs.runner import attempt, title
from hashquant.runs.tally import Ending

INTERRUPTED = 130


class Line:
    """The watcher of a worker: all that it is told goes to the process that started it."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._lock = threading.Lock()  # a thread that reads images may log
        self._interrupted = False

    def show(self, text: str) -> None:
        """Name what is running now."""
        self.tell("show", text)

    def advance(self, units: int, text: str = "") -> None:
        """Count finished epochs and examinations; less than zero takes some back."""
        if self._interrupted:  # an interrupt that fell into a finalizer was lost there
            raise KeyboardInterrupt
        self.tell("advance", units, text)

    def say(self, text: str) -> None:
        """Tell a finished cell's outcome."""
        self.tell("say", text)

    def interrupt(self, number: int, frame: FrameType | None) -> NoReturn:
        """End as Ctrl-C does, once: what comes later must not cut the storing short.

        Raises:
            KeyboardInterrupt: always.
        """
        signal.signal(number, signal.SIG_IGN)
        self._interrupted = True
        raise KeyboardInterrupt

    def tell(self, kind: str, *values: object) -> None:
        """Send one message.

        Raises:
            KeyboardInterrupt: if nobody listens any more.
        """
        try:
            with self._lock:
                self._link.send((kind, *values))
        except OSError:
            raise KeyboardInterrupt from None


class _Forwarding(QueueHandler):
    """Sends log records, formatted, where the messages go."""

    def __init__(self, line: Line) -> None:
        unused: Any = None  # the queue that others put records into
        super().__init__(unused)
        self._line = line

    def enqueue(self, record: logging.LogRecord) -> None:
        self._line.tell("log", record)


def work(link: Connection, here: Surroundings, threads: int, level: int) -> None:
    """Run the cells that come over `link`, until None comes or nobody is there.

    `threads` are those of a run alone: with another number a sum in fp32 has other bits. `level`
    is that of the log. SIGTERM, or the end of the process that started this one, ends it as Ctrl-C
    ends a run.
    """
    line = Line(link)
    try:
        signal.signal(signal.SIGTERM, line.interrupt)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        torch.set_num_threads(threads)
        logging.getLogger().addHandler(_Forwarding(line))
        logging.getLogger("hashquant").setLevel(level)
        _tell_of_store(link, line, here)
    except KeyboardInterrupt:  # at any moment, also while a full disk is being told of
        sys.exit(INTERRUPTED)
    except EOFError:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _tell_of_store(link: Connection, line: Line, here: Surroundings) -> None:
    try:
        _serve(link, line, here)
    except StoreError as error:
        line.tell("unwritable", str(error))


def _serve(link: Connection, line: Line, here: Surroundings) -> None:
    provenance(here.device)  # reads the commit now, as a run alone does
    contest: Contest | Ending | None = None
    reference = ""
    while (task := link.recv()) is not None:
        cell, jobs = task
        if contest is None or isinstance(contest, Ending) or reference != cell.spec.dataset:
            contest, reference = None, cell.spec.dataset  # frees one before the next is loaded
            line.show(f"{reference}: loading")
            contest = _loaded(cell, here)
        line.show(title(cell))
        if isinstance(contest, Ending):
            ending = contest
        else:
            ending = attempt(cell, contest, replace(here, jobs=jobs), line)
        line.tell("ended", ending, reserved_bytes(here.device), free_bytes(here.device))


def _loaded(cell: Cell, here: Surroundings) -> Contest | Ending:
    """Return a cell's data set, or how the cell ends without it."""
    try:
        return load(cell, here)
    except HashQuantError as error:
        return Ending(*diagnosed(error))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
