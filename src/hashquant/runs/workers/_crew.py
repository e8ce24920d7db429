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

from hashquant.errors import StoreError
from hashquant.machine.seeds import CPU
from hashquant.records.cellfolder import CellFolder
from hashquant.runs.cell import save_failure
from hashquant.runs.contest import Surroundings
from hashquant.runs.planning import Cell
from hashquant.runs.runner import (
    Watcher,
    contested,
    counting_failure,
    kept_in,
    settled,
    title,
    told,
)
from hashquant.runs.tally import Ending, Tally
from hashquant.runs.workers._process import work
from hashquant.runs.workers._room import side_by_side
from hashquant.settings.suite import base_spec, run_id, whole_spec

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
            ending = settled(cell, contest, apart, watcher)
        if ending:
            tally.add(ending)
            continue
        trained = run_id(base_spec(whole_spec(cell.spec)), contest.prepared.version)
        task = Task(cell, *kept_in(cell, contest, apart))
        chains.setdefault(trained, deque()).append(task)
    return list(chains.values())


class Worker:
    """A process, the cells that are its own, and how far it is in the first of them.

    `crowded`: whether another worker ran beside that first cell, if only for a while.
    """

    def __init__(self, chain: Chain, here: Surroundings) -> None:
        self.chain = chain
        self.seen, self.crowded = 0, False
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
        self.seen, self.crowded = 0, False
        with suppress(OSError):  # a worker that is no more is noticed when it is listened to
            self.link.send((self.chain[0].cell, jobs))

    def hear(self) -> Message | None:
        """Return the next message, or None when the process has ended."""
        try:
            message: Message = self.link.recv()
        except (EOFError, OSError):
            return None
        return message

    def dismiss(self) -> None:
        """Give it no further cell: one whose interrupt was lost ends after the cell it is in."""
        with suppress(OSError):
            self.link.send(None)

    def end(self) -> int:
        """Wait for the end, and return the exit code: negative for a signal."""
        self.dismiss()
        self.process.join()
        code = self.process.exitcode or 0
        self.link.close()
        self.process.close()
        return code


class Crew:
    """Workers on one device, the chains that wait for them, and the cells for a second try.

    A cell that ran out of memory beside others is tried again alone, after all others.
    """

    def __init__(
        self, chains: list[Chain], here: Surroundings, watcher: Watcher, tally: Tally
    ) -> None:
        self._chains = deque(chains)
        self._aside = Chain()
        self._here = here
        self._watcher = watcher
        self._tally = tally
        self._workers: dict[Connection, Worker] = {}
        self._jobs = 1
        self._auto = self._measuring = False

    def run(self, jobs: int | None) -> None:
        """Run all chains, `jobs` at once; None: the first cell alone shows how many fit.

        Raises:
            StoreError: if a worker cannot write its results; the others are stopped.
            KeyboardInterrupt: as it came; the workers have stored their last epochs.
        """
        self._jobs = min(jobs or 1, max(1, len(self._chains)))
        self._auto = self._measuring = jobs is None
        try:
            self._hire()
            while self._workers:
                for link in wait(list(self._workers)):
                    self._listen(self._workers[link])  # type: ignore[index]  # only links
                self._hire()
        finally:
            self._stop()

    def _hire(self) -> None:
        if self._aside and not (self._workers or self._chains):
            self._chains, self._aside, self._jobs = deque([self._aside]), Chain(), 1
        while self._chains and len(self._workers) < self._jobs:
            worker = Worker(self._chains.popleft(), self._here)
            self._workers[worker.link] = worker
            self._begin(worker)

    def _begin(self, worker: Worker) -> None:
        worker.begin(self._jobs)
        if len(self._workers) > 1:
            for each in self._workers.values():
                each.crowded = True

    def _listen(self, worker: Worker) -> None:
        match worker.hear():
            case None:
                self._bury(worker)
            case ("advance", count, text):
                worker.seen += count
                self._watcher.advance(count, text)
            case ("log", record):
                logging.getLogger(record.name).handle(record)
            case ("ended", ending, held, free):
                self._count(worker, ending, held, free)
            case ("unwritable", reason):
                self._tally.counts["failed"] += 1
                raise StoreError(reason)
            case ("show" | "say" as kind, text):
                getattr(self._watcher, kind)(text)

    def _count(self, worker: Worker, ending: Ending, held: int, free: int) -> None:
        self._conclude(worker, worker.chain.popleft(), ending, starved=ending.status == "oom")
        if self._measuring and ending.outcome == "done":
            self._measuring = False
            self._jobs = side_by_side(
                cells=len(self._chains) + bool(worker.chain), cores=os.cpu_count() or 1,
                free_bytes=free, cell_bytes=held,
            )  # fmt: skip
            self._watcher.say(f"cells at once: {self._jobs} (one holds {held / 2**30:.1f} GiB)")
        self._go_on(worker)

    def _go_on(self, worker: Worker) -> None:
        """Give a worker its next cell; let it go where there is none, or no room for it."""
        fits = len(self._workers) <= self._jobs
        if fits and not worker.chain and self._chains:
            worker.chain = self._chains.popleft()
        if fits and worker.chain:
            self._begin(worker)
        else:
            self._dismiss(worker)

    def _dismiss(self, worker: Worker) -> int:
        """Return a worker's exit code; another takes over what is left of its chain."""
        del self._workers[worker.link]
        if worker.chain:
            self._chains.appendleft(worker.chain)
        return worker.end()

    def _bury(self, worker: Worker) -> None:
        """Record the cell whose worker ended in it."""
        lost = worker.chain.popleft()
        code = self._dismiss(worker)
        reason = f"its worker process ended unasked with {_ending(code)}"
        with counting_failure(self._tally):
            save_failure(lost.folder, lost.cell.spec, lost.name, "failed", reason)
        ending = Ending("failed", reason, worker.seen)
        self._conclude(worker, lost, ending, starved=code == -signal.SIGKILL)

    def _conclude(self, worker: Worker, task: Task, ending: Ending, *, starved: bool) -> None:
        """Count a worker's cell; one that wanted for memory beside others is set aside."""
        if not (starved and worker.crowded):
            self._tally.add(told(task.cell, ending, self._watcher))
            return
        self._aside.append(task)
        self._watcher.advance(-worker.seen)
        self._watcher.say(
            f"{title(task.cell)}: to be tried once more, alone, after the others: {ending.reason}"
        )
        if self._auto and self._jobs > 1:  # or the next would starve as well
            self._jobs -= 1
            self._watcher.say(f"cells at once: {self._jobs} from now on")

    def _stop(self) -> None:
        """End the workers that still run; cells finished before they heard of it count."""
        workers = list(self._workers.values())
        try:
            for worker in workers:
                worker.process.terminate()
                worker.dismiss()
            for worker in workers:
                while (message := worker.hear()) is not None:
                    if message[0] == "ended":
                        self._tally.add(message[1])
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
