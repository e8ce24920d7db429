from types import SimpleNamespace

import torch

from hashquant import runner
from hashquant.config import Suite
from hashquant.planning import plan
from hashquant.runner import Surroundings
from hashquant.store import Store
from hashquant.tally import Tally


def test_the_commit_is_read_before_anything_is_run(tmp_path, monkeypatch, unheard):
    order = []
    monkeypatch.setattr(runner, "provenance", lambda device: order.append("commit"))
    nothing = SimpleNamespace(refused={})
    monkeypatch.setattr(runner, "load", lambda cell, here: order.append("data") or nothing)
    monkeypatch.setattr(runner, "_outcome", lambda *_: order.append("cell") or "done")
    here = Surroundings(Store(tmp_path), tmp_path, torch.device("cpu"))
    tally = Tally()
    runner.run(
        plan("quick", Suite(methods=("dcdh",), bits=(16,)), device="cpu"), here, unheard, tally
    )
    assert order == ["commit", "data", "cell"]
    assert str(tally) == "summary: done=1 cached=0 skipped=0 failed=0"


def test_exit_codes():
    tally = Tally()
    assert tally.exit_code == 0
    tally.counts["failed"] += 1
    assert tally.exit_code == 1
    tally.data_missing = True
    assert tally.exit_code == 3
