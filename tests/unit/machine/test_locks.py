"""A lock where there is one, and going on with a warning where there is none."""

import errno
import fcntl
import multiprocessing
import os
import stat

import pytest

from hashquant.errors import UsageError
from hashquant.machine import locks
from hashquant.machine.locks import locked
from hashquant.records.store import Store

NONE = [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS, errno.EIO, errno.ESTALE]


@pytest.fixture
def refused(monkeypatch):
    """Return a function that makes the system refuse locks with an error's number."""
    locks._tell.cache_clear()

    def refuse(number):
        def flock(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", flock)

    yield refuse
    locks._tell.cache_clear()


@pytest.mark.parametrize("number", NONE, ids=errno.errorcode.get)
def test_without_locks_one_warning_is_given_and_the_block_runs(tmp_path, refused, caplog, number):
    refused(number)
    ran = []
    for name in ("a.lock", "b.lock", "a.lock"):
        with locked(tmp_path / name, wait=name == "b.lock"):
            ran.append(name)
    assert ran == ["a.lock", "b.lock", "a.lock"]
    [warning] = caplog.messages
    reason = os.strerror(number)
    assert warning == (
        f"{tmp_path}: the file system has no locks ({reason}): do not run twice into it"
    )


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS], ids=errno.errorcode.get)
def test_a_store_on_such_a_file_system_is_used(tmp_path, refused, caplog, number):
    refused(number)
    with Store(tmp_path).lock("s"):
        assert "has no locks" in caplog.text


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES], ids=errno.errorcode.get)
def test_a_server_that_says_held_is_believed(tmp_path, refused, number):
    refused(number)
    with pytest.raises(UsageError, match="in use by another run"), Store(tmp_path).lock("s"):
        pass


def _hold(path, link):
    with locked(path):
        link.send("held")
        link.recv()


def test_a_lock_ends_with_its_process(tmp_path):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    other = context.Process(target=_hold, args=(tmp_path / "x", theirs))
    other.start()
    assert ours.recv() == "held"
    with pytest.raises(BlockingIOError), locked(tmp_path / "x", wait=False):
        pass
    other.kill()
    other.join()
    with locked(tmp_path / "x", wait=False):
        pass


def test_a_lock_that_may_only_be_read_still_locks(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.touch()
    opened, flags = os.open, []

    def readonly(name, how, *mode):
        flags.append(how & os.O_ACCMODE)
        if how & os.O_ACCMODE:
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return opened(name, how, *mode)

    monkeypatch.setattr(os, "open", readonly)
    with locked(path), pytest.raises(BlockingIOError), locked(path, wait=False):
        pass
    assert flags == [os.O_RDWR, os.O_RDONLY] * 2
    path.unlink()
    with pytest.raises(PermissionError), locked(path):
        pass


def test_a_folder_in_the_place_of_the_lock_is_named(tmp_path):
    (tmp_path / "s/.lock").mkdir(parents=True)
    wanted = r"must be writable, got: Is a directory \(.*/s/\.lock\)"
    with pytest.raises(UsageError, match=wanted), Store(tmp_path).lock("s"):
        pass


def test_a_fifo_in_the_place_of_the_lock_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x")
    with locked(tmp_path / "x"):
        assert stat.S_ISFIFO((tmp_path / "x").stat().st_mode)


def test_a_folder_that_may_not_be_written_is_refused_before_anything_runs(tmp_path, monkeypatch):
    (tmp_path / "s").mkdir()
    (tmp_path / "s/.lock").touch()
    monkeypatch.setattr(os, "access", lambda path, how: False)
    with pytest.raises(UsageError, match="must be writable, got: Permission denied"):
        Store(tmp_path).lock("s").__enter__()
