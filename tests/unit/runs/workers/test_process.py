"""What a worker tells, and how it ends."""

import logging
import signal
from contextlib import suppress
from multiprocessing import Pipe

import pytest
import torch

from hashquant.errors import DataError, MemoryFullError, StoreError
from hashquant.records.store import Store
from hashquant.runs.contest import Surroundings
from hashquant.runs.planning import Cell, plan
from hashquant.runs.tally import Ending
from hashquant.runs.workers import _process as process
from hashquant.runs.workers._process import Line, work
from hashquant.settings.suite import Suite


@pytest.fixture
def wired(tmp_path):
    """Both ends of a line, and where a worker would be; signals and logs are put back."""
    ours, theirs = Pipe()
    kept, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    root, own = logging.getLogger(), logging.getLogger("hashquant")
    handlers, level = list(root.handlers), own.level
    yield ours, theirs, Surroundings(Store(tmp_path), tmp_path, torch.device("cpu"))
    signal.signal(signal.SIGTERM, kept)
    torch.set_num_threads(threads)
    root.handlers[:] = handlers
    own.setLevel(level)
    ours.close()
    theirs.close()


def heard(link):
    messages = []
    while link.poll():
        messages.append(link.recv())
    return messages


def cell() -> Cell:
    return plan("quick", Suite(methods=("dcdh",), bits=(16,)), device="cpu")[0]


def test_a_cell_is_run_and_its_end_told(wired, monkeypatch):
    ours, theirs, here = wired
    loads = []
    monkeypatch.setattr(process, "_loaded", lambda cell, *_: loads.append(cell) or "contest")
    monkeypatch.setattr(
        process, "attempt", lambda cell, contest, here, line: Ending(f"{contest} of {here.jobs}")
    )
    for jobs in (1, 3):
        ours.send((cell(), jobs))
    ours.send(None)
    work(theirs, here, 1, logging.WARNING)
    ends = [message[1].status for message in heard(ours) if message[0] == "ended"]
    assert ends == ["contest of 1", "contest of 3"]
    assert len(loads) == 1


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (DataError("the images are gone"), Ending("failed", "the images are gone")),
        (MemoryFullError("x: out of memory: CUDA"), Ending("oom", "x: out of memory: CUDA")),
    ],
)
def test_a_set_that_cannot_be_loaded_ends_its_cell(wired, monkeypatch, error, ending):
    ours, theirs, here = wired

    def missing(cell, here):
        raise error

    monkeypatch.setattr(process, "load", missing)
    ours.send((cell(), 1))
    ours.send(None)
    work(theirs, here, 1, logging.WARNING)
    messages = heard(ours)
    assert messages[-1][:2] == ("ended", ending)


def test_a_full_disk_is_told(wired, monkeypatch):
    ours, theirs, here = wired

    def full(*_):
        raise StoreError("cannot write x: the disk is full")

    monkeypatch.setattr(process, "_serve", full)
    work(theirs, here, 1, logging.WARNING)
    assert heard(ours) == [("unwritable", "cannot write x: the disk is full")]


@pytest.mark.parametrize("moment", ["while it starts", "while it tells of a full disk"])
def test_sigterm_ends_a_worker_without_a_word_at_any_moment(wired, monkeypatch, moment):
    _, theirs, here = wired

    def full(*_):
        raise StoreError("cannot write x: the disk is full")

    def stop(*_):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(process, "_serve", full)
    if moment == "while it starts":
        monkeypatch.setattr(torch, "set_num_threads", stop)
    else:
        monkeypatch.setattr(Line, "tell", stop)
    with pytest.raises(SystemExit) as ended:
        work(theirs, here, 1, logging.WARNING)
    assert ended.value.code == 130
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_an_interrupt_that_was_lost_ends_a_worker_at_its_next_epoch(wired):
    _, theirs, _ = wired
    line = Line(theirs)
    line.advance(1)
    with suppress(KeyboardInterrupt):  # as a finalizer does
        line.interrupt(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt):
        line.advance(1)


def test_sigterm_ends_a_worker_once(wired, monkeypatch):
    _, theirs, here = wired

    def serve(*_):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(process, "_serve", serve)
    with pytest.raises(SystemExit) as ended:
        work(theirs, here, 1, logging.WARNING)
    assert ended.value.code == 130
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_logs_are_sent_as_they_are_asked_for(wired, monkeypatch):
    ours, theirs, here = wired

    def serve(*_):
        logging.getLogger("hashquant.x").info("decoding %d images", 3)
        logging.getLogger("hashquant.x").debug("not asked for")

    monkeypatch.setattr(process, "_serve", serve)
    work(theirs, here, 1, logging.INFO)
    [(kind, record)] = heard(ours)
    assert (kind, record.name, record.getMessage()) == ("log", "hashquant.x", "decoding 3 images")


def test_a_worker_computes_with_as_many_threads_as_a_run_alone(wired, monkeypatch):
    ours, theirs, here = wired
    monkeypatch.setattr(process, "_serve", lambda *_: ours.send(torch.get_num_threads()))
    work(theirs, here, 2, logging.INFO)
    assert theirs.recv() == 2


def test_nobody_listening_ends_a_cell_as_ctrl_c_does(wired):
    ours, theirs, _ = wired
    ours.close()
    with pytest.raises(KeyboardInterrupt):
        Line(theirs).advance(1)
