import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hashquant.errors import StoreError, UsageError
from hashquant.machine.files import write_atomic
from hashquant.records.record import (
    Cost,
    Curve,
    EvalRecord,
    RecordError,
    Score,
    TrainRecord,
    from_json,
    read_record,
    to_json,
)
from hashquant.records.store import Store, folder_name
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import RunSpec


def spec(**changes):
    base = dict(  # noqa: C408  # reads like the call it feeds
        suite="s", method="opqn", dataset="synthfaces", bits=24, seed=0, trunk="t", image_size=32,
        resize=35, padding=0, flip=True, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), features=512,
        epochs=2, batch_size=8, precision="fp32", recipe="paper", schedule=Recipe(),
        selection="last", device="cpu", settings={"margin": 0.5},
    )  # fmt: skip
    return RunSpec(**(base | changes))


def train_record(**changes):
    return TrainRecord(**({"run_id": "abcdef123456", "status": "done", "spec": spec()} | changes))


def eval_record(target="synthfaces"):
    return EvalRecord(
        run_id="abcdef123456", spec=spec(), target=target, protocol="seen", split_digest="d",
        comparability_key="k", queries=3, queries_excluded=0, gallery=5,
        scores=(Score("mAP", 0.5),), curves=(Curve("adc", (1, 5), (1.0, 0.4), (0.5, 1.0)),),
        cost=Cost(24, 3, 0, "table", 4, 64, 1, 1),
    )  # fmt: skip


ARRAYS = {"ap": np.array([0.5, 1.0])}


@pytest.fixture
def cell(tmp_path):
    return Store(tmp_path).cell(spec(), "abcdef123456")


def test_records_round_trip(cell):
    cell.save_train(train_record())
    cell.save_eval(eval_record(), ARRAYS, ARRAYS)
    assert cell.train_record() == train_record()
    found = read_record(EvalRecord, cell.path / "synthfaces" / "eval.json")
    assert replace(found, files={}) == eval_record()


def test_two_settings_do_not_share_a_folder(tmp_path):
    store = Store(tmp_path)
    assert store.cell(spec(), "aaaaaa1").path != store.cell(spec(), "bbbbbb1").path


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"schema_version": 99}', "[]", '{"schema_version": 1, "nonsense": 2}', "\x00\xff"],
)
def test_a_damaged_record_is_set_aside(cell, text):
    cell.save_train(train_record())
    path = cell.path / "train.json"
    path.write_bytes(text.encode("latin-1"))
    assert cell.train_record() is None
    assert not path.exists()
    assert (cell.path / "train.json.corrupt").exists()


def test_an_examination_without_its_arrays_does_not_count(cell):
    cell.save_eval(eval_record(), ARRAYS, ARRAYS)
    (cell.path / "synthfaces" / "per_query.npz").unlink()
    assert cell.examined("abcdef123456", "synthfaces").record is None


def test_unknown_keys_are_refused():
    text = to_json(train_record(schema_version=3))
    with pytest.raises(RecordError, match="extra"):
        from_json(TrainRecord, json.dumps(json.loads(text) | {"extra": 1}))


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        write_atomic(path, b"new" * 1000)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_second_run_on_one_folder_is_refused(tmp_path):
    with (
        Store(tmp_path).lock("s"),
        pytest.raises(UsageError, match="in use by another run"),
        Store(tmp_path).lock("s"),
    ):
        pass
    with Store(tmp_path).lock("s"):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "results").write_text("a file, not a folder")
    with pytest.raises(UsageError, match="must be writable"), Store(tmp_path / "results").lock("s"):
        pass


def test_reading_a_suite_names_what_is_damaged(tmp_path):
    store = Store(tmp_path)
    store.cell(spec(), "aaaaaa1").save_train(train_record())
    bad = store.cell(spec(seed=1), "bbbbbb1")
    bad.save_train(train_record())
    (bad.path / "train.json").write_text("{")
    records = store.read("s")
    assert len(records.trains) == 1
    assert [Path(p).name for p in records.damaged] == ["train.json"]
    assert store.suites() == ["s"]
    assert store.read("none").trains == ()


def test_folder_names_are_safe():
    assert folder_name("folder:../../etc") == "folder-..-..-etc"
    assert folder_name("gesichter-ä") == "gesichter-ä"
    assert folder_name("..") == "unnamed"
