"""Files written whole, read once, set aside, walked and sealed, on any file system."""

import errno
import os
import time
from io import BytesIO
from pathlib import Path

import pytest

from hashquant.errors import StoreError
from hashquant.machine import files
from hashquant.machine.files import opened, remove_partials, set_aside, sync, walk, write_atomic
from hashquant.machine.seals import add_seal, seal_holds, sealed_json, unsealed


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_is_written_all_the_same(tmp_path, monkeypatch, number):
    def unknown(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", unknown)
    write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_what_is_lost_is_told(monkeypatch, number):
    def broken(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match=os.strerror(number)):
        sync(0)


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EPERM, errno.ENOTSUP])
def test_where_no_file_takes_anothers_place_the_old_one_goes_first(tmp_path, monkeypatch, number):
    def refused(self, target):
        raise OSError(number, os.strerror(number))

    (tmp_path / "f").write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", refused)
    write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    with pytest.raises(StoreError, match=r"cannot write .*/new: "):
        write_atomic(tmp_path / "new", b"x")  # nothing was in the way: it is another refusal
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_folder_in_the_way_stays(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").is_dir()


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for path, error in ((tmp_path / "pipe", OSError), (tmp_path, OSError),
                        (tmp_path / "file" / "inside", FileNotFoundError)):  # fmt: skip
        with pytest.raises(error), opened(path):
            pass


def test_no_folder_is_replaced_where_something_is_set_aside(tmp_path):
    for content in ("one", "two"):
        (tmp_path / "f").write_text(content)
        assert set_aside(tmp_path / "f").name == "f.corrupt"
    names = []
    for _ in range(2):
        (tmp_path / "f").mkdir()
        names.append(set_aside(tmp_path / "f").name)
    assert names == ["f.corrupt2", "f.corrupt3"]
    assert (tmp_path / "f.corrupt").read_text() == "two"


def test_an_unreadable_folder_is_told(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.json").touch()
    scan = os.scandir

    def locked(path):
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", locked)
    told = []
    found = list(walk(tmp_path, lambda path, reason: told.append((path, reason))))
    assert found[-1] == (tmp_path / "b", {"train.json"})
    assert told == [(tmp_path / "a", "Permission denied")]
    assert list(walk(tmp_path / "nothing", lambda *found: told.append(found))) == []
    assert len(told) == 1


def test_only_files_of_the_dead_are_removed(tmp_path, monkeypatch):
    dead, alive, old = (tmp_path / f".a.b.{number}.tmp" for number in (9, 10, 11))
    for path in (dead, alive, old, tmp_path / "a.tmp", tmp_path / ".a.tmp"):
        path.touch()
    os.utime(old, (0, time.time() - 25 * 3600))
    monkeypatch.setattr(files, "_lives", lambda process: process != 9)
    assert remove_partials(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.b.10.tmp", ".a.tmp", "a.tmp"]


def test_every_changed_byte_of_a_sealed_text_is_found():
    text = sealed_json('{\n "bits": 16,\n "seal ": "\\u00e4"\n}')
    assert seal_holds(text)
    for at in range(len(text)):
        assert not seal_holds(text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :])
        assert not seal_holds(text[:at] + text[at + 1 :])
        assert not seal_holds(text[:at] + text[at] + text[at:])


def test_every_changed_byte_of_a_sealed_file_is_found():
    buffer = BytesIO(b"weights")
    add_seal(buffer)
    data = buffer.getvalue()
    assert bytes(unsealed(data)) == b"weights"
    for at in range(len(data)):
        with pytest.raises(ValueError, match="seal"):
            unsealed(data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :])
        with pytest.raises(ValueError, match="seal"):
            unsealed(data[:at])
