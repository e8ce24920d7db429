import os
import time
from io import BytesIO

import pytest

from hashquant.machine import files
from hashquant.machine.files import opened, remove_partials, set_aside, walk
from hashquant.machine.seals import add_seal, seal_holds, sealed_json, unsealed


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
