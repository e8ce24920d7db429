from types import SimpleNamespace

import pytest
import torch

from hashquant.records.store import Store
from hashquant.runs import runner
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.diagnosis import diagnosed
from hashquant.runs.planning import plan
from hashquant.runs.runner import attempt, kept_in, units
from hashquant.runs.tally import Ending, Tally
from hashquant.settings.suite import Suite


def test_the_commit_is_read_before_anything_is_run(tmp_path, monkeypatch, unheard):
    order = []
    monkeypatch.setattr(runner, "provenance", lambda device: order.append("commit"))
    nothing = SimpleNamespace(refused={})
    monkeypatch.setattr(runner, "load", lambda cell, here: order.append("data") or nothing)
    ended = Ending("done")
    monkeypatch.setattr(runner, "_ending", lambda *_: order.append("cell") or ended)
    here = Surroundings(Store(tmp_path), tmp_path, torch.device("cpu"))
    tally = Tally()
    runner.run(
        plan("quick", Suite(methods=("dcdh",), bits=(16,)), device="cpu"), here, unheard, tally
    )
    assert order == ["commit", "data", "cell"]
    assert str(tally) == "summary: done=1 cached=0 skipped=0 failed=0 untrained=0"


def test_exit_codes():
    tally = Tally()
    assert tally.exit_code == 0
    tally.counts["failed"] += 1
    assert tally.exit_code == 1
    tally.data_missing = True
    assert tally.exit_code == 3


def test_a_second_attempt_replaces_the_record_of_the_first(tmp_path, monkeypatch, unheard):
    suite = Suite(
        methods=("dcdh",), bits=(16,), epochs=1, batch_size=8, targets=("seen",),
        settings={"synthfaces": {"identities": 4, "images": 8}},
    )  # fmt: skip
    [cell] = plan("quick", suite, device="cpu")
    here = Surroundings(Store(tmp_path), tmp_path, torch.device("cpu"))
    contest = load(cell, here)
    folder, _ = kept_in(cell, contest, here)

    def full(*_, **__):
        raise torch.OutOfMemoryError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(runner, "train_cell", full)
        assert attempt(cell, contest, here, unheard) == Ending("oom", "out of memory: no room", 0)
    assert folder.train_record().status == "oom"
    ending = attempt(cell, contest, here, unheard)
    assert (ending.status, ending.seen) == ("done", units(cell) - 1)
    assert folder.train_record().status == "done"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), "oom"),
        (torch.OutOfMemoryError("CUDA"), "oom"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `x`"), "oom"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "oom"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "failed"),
        (ValueError("out of memory is a phrase"), "failed"),
    ],
)
def test_what_counts_as_out_of_memory(error, status):
    assert diagnosed(error)[0] == status
