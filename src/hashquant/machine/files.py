"""Files that are written whole or not at all, and damaged ones that are set aside."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hashquant.errors import StoreError


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
                os.fsync(handle.fileno())
            partial.replace(path)
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
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else (error.strerror or str(error))
        raise StoreError(f"cannot write {path}: {reason}") from error


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `<name>.corrupt`, replacing an older one, and return that path.

    Raises:
        StoreError: if it cannot be renamed.
    """
    aside = path.with_name(path.name + ".corrupt")
    with guarded(path):
        path.replace(aside)
    return aside
