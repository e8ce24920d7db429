import errno
import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hashquant.cli import main
from hashquant.errors import StoreError, UsageError
from hashquant.machine.files import write_atomic
from hashquant.machine.seals import sealed_json
from hashquant.records.arrays import DamagedError, read_arrays
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
from hashquant.records.store import Store
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


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": (Score("mAP", 1.5),)},
        {"scores": (Score("mAP", -5.0),)},
        {"curves": (Curve("adc", (1, 5), (1.0,), (0.5, 1.0)),)},
        {"curves": (Curve("adc", (1,), (1.0,), (1e300,)),)},
        {"queries": -1},
        {"floor": 7.0},
        {"files": {"codes.npz": "short"}},
    ],
)
def test_what_no_run_can_have_written_is_refused(changed):
    with pytest.raises(RecordError):
        from_json(EvalRecord, to_json(replace(eval_record(), **changed)))


def test_settings_that_are_nested_too_deep_are_refused():
    raw = json.loads(to_json(train_record()))
    raw["spec"]["settings"], deep = {"a": 1}, [[[[[[[[[1]]]]]]]]]
    del raw["seal"]
    assert from_json(TrainRecord, sealed_json(json.dumps(raw, indent=1))).spec.settings == {"a": 1}
    raw["spec"]["settings"]["a"] = deep
    with pytest.raises(RecordError, match="nested at most 8 deep"):
        from_json(TrainRecord, sealed_json(json.dumps(raw, indent=1)))


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"schema_version": ' + b"9" * 400, b'{"schema_version": {}}', b"\xff",
     b'{"schema_version": 3, "run_id": "\\ud800"}', b'{"schema_version": true}', b"3", b"null"],
)  # fmt: skip
def test_no_bytes_end_in_a_traceback(tmp_path, data):
    (tmp_path / "f").write_bytes(data)
    for cls in (TrainRecord, EvalRecord):
        with pytest.raises(RecordError):
            read_record(cls, tmp_path / "f")


def test_a_seal_is_required_from_schema_four_on_and_checked_wherever_it_stands():
    text = to_json(train_record())
    with pytest.raises(RecordError, match="has no seal"):
        from_json(TrainRecord, json.dumps({k: v for k, v in json.loads(text).items()
                                           if k != "seal"}))  # fmt: skip
    for changed in (text.replace("opqn", "dcdh"), text.replace('": 4', '": 3'), text + " "):
        with pytest.raises(RecordError, match="does not match its seal"):
            from_json(TrainRecord, changed)
    older = train_record(schema_version=2)
    assert "seal" not in to_json(older)
    assert from_json(TrainRecord, to_json(older)) == older


def test_a_checkout_with_other_ends_of_lines_is_whole(cell):
    cell.save_train(train_record())
    path = cell.path / "train.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert cell.train_record() == train_record()


def bomb(buffer):
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ap.npy", bytes(100 * 2**20))


def endless(buffer):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000,), }"
    with zipfile.ZipFile(buffer, "w") as archive:
        text = head.ljust(117) + b"\n"
        archive.writestr("ap.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)


def no_header(buffer):
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ap.npy", b"\x93NUMPY\x01\x00\x10\x00" + b"{'descr': (((((\n")


def objects(buffer):
    np.savez(buffer, ap=np.array([{}], dtype=object))


@pytest.mark.parametrize("made", [bomb, endless, no_header, objects])
def test_no_archive_takes_more_than_it_may_or_ends_in_a_traceback(tmp_path, made):
    buffer = io.BytesIO()
    made(buffer)
    (tmp_path / "f.npz").write_bytes(buffer.getvalue())
    with pytest.raises(DamagedError, match=r"must unpack to at most|no readable file of arrays"):
        read_arrays(tmp_path / "f.npz")


def test_a_folder_that_cannot_be_read_is_damaged(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.cell(spec(), "aaaaaa1").save_train(train_record())
    hidden = store.cell(spec(method="dcdh"), "bbbbbb1")
    hidden.save_train(train_record(spec=spec(method="dcdh")))
    scan = os.scandir

    def locked(path):
        if Path(path).name == "dcdh":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", locked)
    records = store.read("s")
    [path] = records.damaged
    assert path.endswith("dcdh")
    assert records.reasons[path] == "this folder cannot be read: Permission denied"
    assert len(records.trains) == 1
    assert main(["verify", "--results-dir", str(tmp_path)]) == 1
