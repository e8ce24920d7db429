"""One process at a time: the lock of a file, also where the file system has none."""

import fcntl
import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hashquant.machine.refusals import reason_of

log = logging.getLogger(__name__)

_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO of that name must not be waited for


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made where it is missing.

    The system lets go of it when this process ends, however it ends: none is ever stale. Some
    file systems, of networks most of all, have no locks: the user is told so once a folder, and the
    block runs all the same.

    Raises:
        BlockingIOError: if another process holds it, unless `wait`.
        OSError: if the file cannot be opened.
    """
    descriptor = _opened(path)
    try:
        _hold(descriptor, path, wait)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
    except PermissionError:  # left by another user: a lock needs no more than to be seen
        if path.is_file():
            return os.open(path, os.O_RDONLY | _FLAGS)
        raise


def _hold(descriptor: int, path: Path, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if isinstance(error, PermissionError) and not wait:  # how some servers say "it is held"
            raise BlockingIOError(error.errno, error.strerror, str(path)) from error
        _tell(path.parent, reason_of(error))


@functools.cache  # once a folder
def _tell(folder: Path, reason: str) -> None:
    log.warning("%s: the file system has no locks (%s): do not run twice into it", folder, reason)
