"""The process that keeps workers busy: it hands cells out, listens, and counts."""

import logging
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from hashquant.cell import save_failure
from hashquant.config import base_spec, run_id
from hashquant.errors import StoreError
from hashquant.planning import Cell
from hashquant.runner import (
    Surroundings,
    Watcher,
    contested,
    counting_failure,
    kept_in,
    settled,
    title,
    units,
)
from hashquant.seeds import CPU
from hashquant.store import CellFolder
from hashquant.tally import Tally
from hashquant.workers.process import work
from hashquant.workers.room import side_by_side

Message = tuple[Any, ...]  # Any: a kind, and the values that go with it


@dataclass(frozen=True)
class Task:
    """A cell to run, where it is kept, and its run_id."""

    cell: Cell
    folder: CellFolder
    name: str


Chain = deque[Task]  # cells that share a training: they follow each other in one worker


def waiting(
    cells: Sequence[Cell], here: Surroundings, watcher: Watcher, tally: Tally
) -> list[Chain]:
    """Return the cells that are to be run, and tell and count the others.

    All images are found, downloaded and decoded here, once for all workers, and none is put on
    the device.
    """
    chains: dict[str, Chain] = {}
    apart = replace(here, device=CPU, resident=False)
    for cell, contest in contested(cells, apart, watcher, tally):
        with counting_failure(tally):
            outcome = settled(cell, contest, apart, watcher)
        if outcome:
            tally.counts[outcome] += 1
            continue
        trained = run_id(base_spec(cell.spec), contest.prepared.version)
        task = Task(cell, *kept_in(cell, contest, apart))
        chains.setdefault(trained, deque()).append(task)
    return list(chains.values())


class Worker:
    """A process, the cells that are its own, and how far it is in the first of them."""

    def __init__(self, chain: Chain, here: Surroundings) -> None:
        self.chain = chain
        self.seen = 0
        context = get_context("spawn")  # a forked process cannot use CUDA
        self.link, theirs = context.Pipe()
        level = logging.getLogger("hashquant").getEffectiveLevel()
        sent = replace(here, progress=None)
        self.process: SpawnProcess = context.Process(
            target=work, args=(theirs, sent, torch.get_num_threads(), level)
        )
        with _interrupts_held():
            self.process.start()
        theirs.close()

    def begin(self, jobs: int) -> None:
        """Hand over the first cell of the chain."""
        self.seen = 0
        with suppress(OSError):  # a worker that is no more is noticed when it is listened to
            self.link.send((self.chain[0].cell, jobs))

    def hear(self) -> Message | None:
        """Return the next message, or None when the process has ended."""
        try:
            message: Message = self.link.recv()
        except (EOFError, OSError):
            return None
        return message

    def end(self) -> int:
        """Wait for the end, and return the exit code: negative for a signal."""
        with suppress(OSError):
            self.link.send(None)
        self.process.join()
        code = self.process.exitcode or 0
        self.link.close()
        self.process.close()
        return code


class Crew:
    """Workers on one device, and the chains that wait for them."""

    def __init__(
        self, chains: list[Chain], here: Surroundings, watcher: Watcher, tally: Tally
    ) -> None:
        self._chains = deque(chains)
        self._here = here
        self._watcher = watcher
        self._tally = tally
        self._workers: dict[Connection, Worker] = {}
        self._jobs = 1
        self._measuring = False

    def run(self, jobs: int | None) -> None:
        """Run all chains, `jobs` at once; None: the first cell alone shows how many fit.

        Raises:
            StoreError: if a worker cannot write its results; the others are stopped.
            KeyboardInterrupt: as it came; the workers have stored their last epochs.
        """
        self._jobs, self._measuring = min(jobs or 1, max(1, len(self._chains))), jobs is None
        try:
            self._hire()
            while self._workers:
                for link in wait(list(self._workers)):
                    self._listen(self._workers[link])  # type: ignore[index]  # only links
                self._hire()
        finally:
            self._stop()

    def _hire(self) -> None:
        while self._chains and len(self._workers) < self._jobs:
            worker = Worker(self._chains.popleft(), self._here)
            self._workers[worker.link] = worker
            worker.begin(self._jobs)

    def _listen(self, worker: Worker) -> None:
        match worker.hear():
            case None:
                self._bury(worker)
            case ("advance", count, text):
                worker.seen += count
                self._watcher.advance(count, text)
            case ("log", record):
                logging.getLogger(record.name).handle(record)
            case ("ended", outcome, held, free):
                self._count(worker, outcome, held, free)
            case ("unwritable", reason):
                self._tally.counts["failed"] += 1
                raise StoreError(reason)
            case ("show" | "say" as kind, text):
                getattr(self._watcher, kind)(text)

    def _count(self, worker: Worker, outcome: str, held: int, free: int) -> None:
        self._tally.counts[outcome] += 1
        worker.chain.popleft()
        if self._measuring and outcome == "done":
            self._measuring = False
            self._jobs = side_by_side(
                cells=len(self._chains) + bool(worker.chain), cores=os.cpu_count() or 1,
                free_bytes=free, cell_bytes=held,
            )  # fmt: skip
            self._watcher.say(f"cells at once: {self._jobs} (one holds {held / 2**30:.1f} GiB)")
        if not worker.chain and self._chains:
            worker.chain = self._chains.popleft()
        if worker.chain:
            worker.begin(self._jobs)
        else:
            del self._workers[worker.link]
            worker.end()

    def _bury(self, worker: Worker) -> None:
        """Record the cell whose worker ended in it; another takes over the rest of its chain."""
        del self._workers[worker.link]
        code, lost = worker.end(), worker.chain.popleft()
        if worker.chain:
            self._chains.appendleft(worker.chain)
        self._tally.counts["failed"] += 1
        reason = f"its worker process ended unasked with {_ending(code)}"
        self._watcher.say(f"{title(lost.cell)}: failed: {reason}")
        self._watcher.advance(max(units(lost.cell) - worker.seen, 0))
        save_failure(lost.folder, lost.cell.spec, lost.name, "failed", reason)

    def _stop(self) -> None:
        """End the workers that still run; cells finished before they heard of it count."""
        workers = list(self._workers.values())
        try:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                while (message := worker.hear()) is not None:
                    if message[0] == "ended":
                        self._tally.counts[message[1]] += 1
        finally:  # also when the user will not wait
            for worker in workers:
                worker.process.kill()
                worker.end()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let processes start deaf to Ctrl-C, which reaches a whole group: we pass it on."""
    resource_tracker.ensure_running()  # its start would let signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int) -> str:
    """Return what ended a process, from its exit code.

    >>> _ending(-9), _ending(1)
    ('SIGKILL (as the system does where memory runs out)', 'exit code 1')
    """
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name} (as the system does where memory runs out)" if name == "SIGKILL" else name
