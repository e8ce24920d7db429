"""Files written whole on file systems that lack what others have."""

import errno
import os
from pathlib import Path

import pytest

from hashquant.errors import StoreError
from hashquant.machine.files import sync, write_atomic


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
