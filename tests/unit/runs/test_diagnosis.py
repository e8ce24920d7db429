"""Whatever a data set fails with: one sentence, its own cells only, and nothing of it kept."""

import errno
import gc
import weakref

import numpy as np
import pytest
import torch

from hashquant.data.items import Dataset
from hashquant.errors import DataError, HashQuantError, MemoryFullError
from hashquant.plugins import registry
from hashquant.records.store import Store
from hashquant.runs import contest as contests
from hashquant.runs import runner
from hashquant.runs.contest import Surroundings
from hashquant.runs.diagnosis import diagnosed, given
from hashquant.runs.planning import plan
from hashquant.runs.tally import Ending, Tally
from hashquant.runs.workers import _process as process
from hashquant.settings.suite import Suite

MEMORY = [
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("u1")),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't "
                 "allocate memory: you tried to allocate 1 bytes.\nmore lines"),
    RuntimeError("could not create a primitive"),
]  # fmt: skip
OTHERS = [
    OSError(errno.EIO, "Input/output error", "/x/y"),
    OSError(errno.EMFILE, "Too many open files"),
    ValueError("cannot reshape array\nof size 3"),
    RecursionError("maximum recursion depth exceeded"),
    AssertionError(),
]


def raises(error):
    def make(*_, **__):
        raise error

    return make


@pytest.mark.parametrize("error", [*MEMORY, *OTHERS], ids=repr)
def test_a_failure_is_one_sentence_with_the_set_and_its_status(error):
    with pytest.raises(HashQuantError, match=r"^faces: \S.*$") as told:
        given("faces", raises(error))
    assert "\n" not in str(told.value)
    assert diagnosed(told.value)[0] == ("oom" if error in MEMORY else "failed")
    assert isinstance(told.value, MemoryFullError) == (error in MEMORY)


def test_what_is_a_sentence_already_stays_as_it_is():
    error = DataError("the images are gone")
    with pytest.raises(DataError) as told:
        given("faces", raises(error))
    assert told.value is error
    with pytest.raises(KeyboardInterrupt):
        given("faces", raises(KeyboardInterrupt()))


def test_the_memory_of_what_failed_is_free_again():
    class Large:
        pass

    seen = []

    def make():
        large = Large()
        seen.append(weakref.ref(large))
        raise MemoryError

    with pytest.raises(MemoryFullError) as told:
        given("faces", make)
    gc.collect()
    assert seen[0]() is None
    assert told.value.__cause__ is told.value.__context__ is None


@pytest.fixture
def two(tmp_path):
    """Cells of two data sets, and where they run."""
    suite = Suite(
        methods=("lsh",), bits=(16,), epochs=1, targets=("seen",),
        datasets=("synthfaces-studio", "synthfaces-street"),
        settings={"synthfaces": {"identities": 4, "images": 8}},
    )  # fmt: skip
    return plan("quick", suite, device="cpu"), Surroundings(
        Store(tmp_path), tmp_path, torch.device("cpu")
    )


class Watch:
    def __init__(self):
        self.said, self.units = [], 0

    def show(self, text):
        pass

    def say(self, text):
        self.said.append(text)

    def advance(self, units, text=""):
        self.units += units


def break_studio(monkeypatch, step, error):
    """Let a step of the data set synthfaces-studio fail."""
    cls = registry.dataset_class("synthfaces")
    whole = getattr(cls, step)

    def broken(self, *words, **options):
        if self.name == "synthfaces-studio":
            raise error
        return whole(self, *words, **options)

    monkeypatch.setattr(cls, step, broken)
    assert issubclass(cls, Dataset)


@pytest.mark.parametrize("step", ["prepare", "load", "split"])
@pytest.mark.parametrize("error", [MEMORY[1], MEMORY[3], OTHERS[0]], ids=repr)
def test_the_cells_of_other_sets_go_on(two, monkeypatch, step, error):
    cells, here = two
    break_studio(monkeypatch, step, error)
    monkeypatch.setattr(runner, "attempt", lambda *_: Ending("done"))
    tally, watch = Tally(), Watch()
    runner.run(cells, here, watch, tally)
    assert (tally.counts["done"], tally.counts["failed"], tally.exit_code) == (1, 1, 1)
    [line] = [line for line in watch.said if line.startswith("error: ")]
    assert line.startswith("error: synthfaces-studio: ")
    assert ("out of memory" in line) == (error in MEMORY)
    assert watch.units == sum(map(runner.units, cells))


def test_a_worker_ends_such_a_cell_as_lack_of_memory(two, monkeypatch):
    [cell, _], here = two
    break_studio(monkeypatch, "load", MEMORY[0])
    assert process._loaded(cell, here) == Ending("oom", "synthfaces-studio: out of memory")


def test_a_target_that_does_not_fit_leaves_the_others(two, monkeypatch):
    [cell, _], here = two
    calls = []

    def full(*words):
        calls.append(words)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(contests, "prepare_target", full)
    with pytest.raises(MemoryFullError, match="synthfaces-studio: out of memory"):
        contests.load(cell, here)
    assert len(calls) == 1


def test_a_store_that_the_system_will_not_show_fails_its_cell(two, monkeypatch):
    [cell, _], here = two
    contest = contests.load(cell, here)

    def unreadable(*_):
        raise OSError(errno.EIO, "Input/output error", "train.json")

    monkeypatch.setattr(runner, "is_cached", unreadable)
    watch = Watch()
    ending = runner.settled(cell, contest, here, watch)
    assert (ending.status, ending.reason) == ("failed", "train.json: Input/output error")
    assert watch.units == runner.units(cell)
