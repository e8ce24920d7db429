"""The hand-out of cells, by workers that follow a script instead of training."""

from collections import deque
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from hashquant.errors import StoreError
from hashquant.records.record import TrainRecord
from hashquant.records.store import Store
from hashquant.runs.contest import Surroundings
from hashquant.runs.planning import plan
from hashquant.runs.runner import title, units
from hashquant.runs.tally import Ending, Tally
from hashquant.runs.workers import _crew as crew
from hashquant.runs.workers._crew import Crew, Task
from hashquant.runs.workers._room import side_by_side
from hashquant.settings.suite import Suite

DONE = ("ended", Ending("done"), 2 << 30, 30 << 30)
FULL = ("ended", Ending("oom", "out of memory: 2 GiB", 2), 2 << 30, 0)
LATER = "to be tried once more, alone, after the others"
KILLED = "its worker process ended unasked with SIGKILL (as the system does where memory runs out)"


class Notes:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.said, self.units = [], 0

    def show(self, text):
        pass

    def advance(self, units, text=""):
        self.units += units

    def say(self, text):
        self.said.append(text)


class Scripted(crew.Worker):
    """Answers a cell at once: `script` gives its messages by bits, None for a sudden end.

    A second try goes by `-bits`.
    """

    script: ClassVar[dict] = {}
    log: ClassVar[list] = []

    def __init__(self, chain, here):
        self.chain, self.seen, self.crowded = chain, 0, False
        self.link, self.theirs = Pipe()
        self.process = SimpleNamespace(terminate=self.terminate, kill=lambda: None)
        self.number = len({number for number, *_ in self.log})

    def begin(self, jobs):
        self.seen, self.crowded = 0, False
        bits = self.chain[0].cell.spec.bits
        again = bits in (known for _, known, _ in self.log)
        self.log.append((self.number, bits, jobs))
        for message in self.script.get(-bits if again else bits, [DONE]):
            if message is None:
                self.theirs.close()
            else:
                self.theirs.send(message)

    def terminate(self):
        self.theirs.close()

    def end(self):
        self.link.close()
        self.theirs.close()
        return -9


@pytest.fixture
def crewed(tmp_path, monkeypatch):
    """Return a function that runs chains of cells, named by their bits, by a script."""
    monkeypatch.setattr(crew, "Worker", Scripted)
    monkeypatch.setattr(crew.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(Scripted, "log", [])

    def run(chains, jobs, script=()):
        monkeypatch.setattr(Scripted, "script", dict(script))
        bits = tuple(b for chain in chains for b in chain)
        cells = {
            cell.spec.bits: cell
            for cell in plan("quick", Suite(methods=("dcdh",), bits=bits, epochs=3), device="cpu")
        }
        store, notes, tally = Store(tmp_path), Notes(), Tally()
        tasks = [
            deque(Task(cells[b], store.cell(cells[b].spec, f"{b:012}"), f"{b:012}") for b in chain)
            for chain in chains
        ]
        here = Surroundings(store, tmp_path, torch.device("cpu"))
        try:
            Crew(tasks, here, notes, tally).run(jobs)
        except (StoreError, KeyboardInterrupt) as error:
            notes.said.append(repr(error))
        trains = store.read("quick").trains
        return SimpleNamespace(log=Scripted.log, notes=notes, tally=tally, trains=trains,
                               cells=cells)  # fmt: skip

    return run


def test_cells_of_one_training_follow_each_other_in_one_worker(crewed):
    found = crewed([[16, 17], [18], [19]], 2)
    assert {(number, bits) for number, bits, _ in found.log} >= {(0, 16), (0, 17), (1, 18)}
    assert {jobs for *_, jobs in found.log} == {2}
    assert found.tally.counts == {"done": 4}


def test_a_worker_tells_which_cells_did_not_train(crewed):
    found = crewed([[16], [17], [18]], 2, {17: [("ended", Ending("done", untrained=True), 0, 0)]})
    assert found.tally.counts == {"done": 3, "untrained": 1}


def test_there_are_no_more_workers_than_chains(crewed, tmp_path):
    assert [jobs for *_, jobs in crewed([[16], [17]], 8).log] == [2, 2]
    tally = Tally()
    Crew([], Surroundings(Store(tmp_path), tmp_path, torch.device("cpu")), Notes(), tally).run(8)
    assert tally.counts == {}


def test_the_first_finished_cell_alone_shows_how_many_fit(crewed):
    failed = ("ended", Ending("failed"), 1 << 20, 90 << 30)
    # 0.8 of 5 GiB hold one cell of 2 GiB and its context of 1 GiB beside the first.
    done = ("ended", Ending("done"), 2 << 30, 5 << 30)
    found = crewed([[16], [17], [18], [19], [20]], None, {16: [failed], 17: [done]})
    assert [(bits, jobs) for _, bits, jobs in found.log][:2] == [(16, 1), (17, 1)]
    assert {jobs for _, _, jobs in found.log[2:]} == {2}
    assert found.notes.said == ["cells at once: 2 (one holds 2.0 GiB)"]


def test_a_lost_worker_costs_one_cell_and_the_rest_goes_on_in_another(crewed):
    found = crewed([[16, 17, 18]], 2, {17: [("advance", 2, ""), None]})
    assert [(number, bits) for number, bits, _ in found.log] == [(0, 16), (0, 17), (1, 18)]
    assert found.tally.counts == {"done": 2, "failed": 1}
    assert found.notes.said == [f"{title(found.cells[17])}: failed: {KILLED}"]
    [record] = found.trains
    assert isinstance(record, TrainRecord)
    assert (record.status, record.reason, record.spec.bits) == ("failed", KILLED, 17)
    assert found.notes.units == sum(map(units, found.cells.values()))


def test_a_full_disk_ends_the_run_and_counts_what_others_finished(crewed):
    script = {16: [("unwritable", "the disk is full")], 17: [DONE]}
    found = crewed([[16], [17], [18]], 2, script)
    assert found.notes.said == ["StoreError('the disk is full')"]
    assert found.tally.counts["failed"] == 1
    assert found.tally.counts["done"] >= 1


@pytest.mark.parametrize(
    ("ending", "reason"), [(FULL, "out of memory: 2 GiB"), (None, KILLED)], ids=["oom", "killed"]
)
def test_a_cell_that_starved_beside_others_is_tried_alone_at_the_end(crewed, ending, reason):
    found = crewed([[16, 17], [18], [19]], 2, {16: [("advance", 2, ""), ending]})
    *others, last = found.log
    assert sorted((bits, jobs) for _, bits, jobs in others) == [(b, 2) for b in (16, 17, 18, 19)]
    assert last[1:] == (16, 1)
    assert last[0] not in {number for number, *_ in others}
    assert found.tally.counts == {"done": 4}
    assert found.notes.said == [f"{title(found.cells[16])}: {LATER}: {reason}"]
    assert found.notes.units == sum(map(units, found.cells.values()))


def test_the_second_outcome_stands(crewed):
    told = [("advance", 2, ""), FULL]
    found = crewed([[16], [17]], 2, {16: told, -16: told, 17: told, -17: [None]})
    assert [jobs for *_, jobs in found.log] == [2, 2, 1, 1]
    assert found.tally.counts == {"failed": 2}
    assert found.notes.said[2:] == [
        f"{title(found.cells[16])}: oom: out of memory: 2 GiB",
        f"{title(found.cells[17])}: failed: {KILLED}",
    ]
    assert found.notes.units == sum(map(units, found.cells.values()))


def test_a_cell_that_starved_alone_is_not_tried_again(crewed):
    found = crewed([[16, 17]], 2, {16: [("advance", 2, ""), FULL]})
    assert [bits for _, bits, _ in found.log] == [16, 17]
    assert found.tally.counts == {"failed": 1, "done": 1}
    assert found.notes.said == [f"{title(found.cells[16])}: oom: out of memory: 2 GiB"]


@pytest.mark.parametrize(("asked", "expected"), [(None, {2, 1}), (3, {3})])
def test_only_auto_puts_fewer_at_once_after_one_starved(crewed, asked, expected):
    done = ("ended", Ending("done"), 2 << 30, 9 << 30)  # 0.8 of it: two more beside the first
    starved = [("advance", 2, ""), FULL]
    found = crewed([[b] for b in range(16, 24)], asked, {16: [done], 17: starved, 18: starved})
    *others, late, last = found.log
    assert {jobs for _, bits, jobs in others if bits > 20} <= expected
    assert {(late[1:]), (last[1:])} == {(17, 1), (18, 1)}
    assert found.tally.counts == {"done": 8}
    lowered = [text for text in found.notes.said if "from now on" in text]
    assert lowered == ([f"cells at once: {n} from now on" for n in (2, 1)] if not asked else [])


def test_a_full_disk_leaves_no_second_try(crewed):
    found = crewed([[16], [17]], 2, {16: [FULL], 17: [("unwritable", "the disk is full")]})
    assert [bits for _, bits, _ in found.log] == [16, 17]
    assert found.tally.counts == {"failed": 1}


@pytest.mark.parametrize(
    ("cells", "cores", "free", "cell", "expected"),
    [
        (48, 16, 0, 5, 1),  # nothing is free beside the first
        (48, 16, 1000, 0, 4),  # no more than are of use
        (48, 4, 1000, 5, 2),  # half the cores
        (48, 1, 1000, 5, 1),
        (3, 16, 1000, 5, 3),  # no more than there are cells
        (0, 16, 1000, 5, 1),
        (48, 16, 30, 11, 3),  # 24 GiB hold two cells of 11 + 1 GiB beside the first
        (48, 16, 29, 11, 2),
    ],
)
def test_room(cells, cores, free, cell, expected):
    assert expected == side_by_side(
        cells=cells, cores=cores, free_bytes=free << 30, cell_bytes=cell << 30
    )
