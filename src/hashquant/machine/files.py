"""Files that are written whole or not at all, and damaged ones that are set aside."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hashquant.errors import StoreError
from hashquant.machine.refusals import reason_of

#: A file system that keeps nothing back has nothing to write through.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
#: What some network file systems answer where a file is to take another's place.
_NO_RENAME_OVER = (errno.EEXIST, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP)


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` so that a reader sees all of it or nothing.

    Raises:
        StoreError: if it cannot be written (disk full, no permission); nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with guarded(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as handle:
                handle.write(data)
                handle.flush()
                sync(handle.fileno())
            _put(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn a failed write into one sentence.

    Raises:
        StoreError: naming the path and what the system said.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot write {path}: {reason_of(error)}") from error


def sync(descriptor: int) -> None:
    """Have the system write an open file to the disk, where its file system knows how.

    Raises:
        OSError: if what was written is lost: the disk is full or broken.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _put(partial: Path, path: Path) -> None:
    """Give a whole file its name; where none may take another's place, the old one goes first."""
    try:
        partial.replace(path)
    except OSError as error:
        if error.errno not in _NO_RENAME_OVER or not path.is_file():
            raise
        path.unlink()
        partial.rename(path)


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `<name>.corrupt`, replacing an older one, and return that path.

    Raises:
        StoreError: if it cannot be renamed.
    """
    aside = path.with_name(path.name + ".corrupt")
    with guarded(path):
        path.replace(aside)
    return aside
