"""Files that are written whole or not at all, and damaged ones that are set aside."""

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
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


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a file to read its bytes; what is no file (a folder, a pipe, a device) is refused.

    Raises:
        FileNotFoundError: if nothing is there, also where one of its folders is none.
        OSError: if it cannot be read, or is no file: nothing waits for a writer of a pipe.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, error.strerror, str(path)) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no file", str(path))
    with open(handle, "rb") as file:  # noqa: PTH123  # a descriptor
        yield file


def set_aside(path: Path) -> Path:
    """Rename what is damaged to `<name>.corrupt`, replacing an older one, and return that path.

    A folder that stands where a file should be is renamed too; no folder is ever replaced.

    Raises:
        StoreError: if it cannot be renamed.
    """
    aside, number = path.with_name(path.name + ".corrupt"), 1
    while aside.is_dir() or (path.is_dir() and os.path.lexists(aside)):
        number += 1
        aside = path.with_name(f"{path.name}.corrupt{number}")
    with guarded(path):
        path.replace(aside)
    return aside


def walk(root: Path, fault: Callable[[Path, str], None]) -> Iterator[tuple[Path, set[str]]]:
    """Yield every folder at and below `root`, and the names in it, in path order.

    `fault` is told each folder that cannot be looked into, and what the system said; none is
    left out without a word. A `root` that is not there has nothing; links are not followed.
    """

    def failed(error: OSError) -> None:
        if not (isinstance(error, FileNotFoundError) and error.filename == str(root)):
            fault(Path(error.filename), error.strerror or str(error))

    for at, folders, files in os.walk(str(root), onerror=failed):
        folders.sort()
        yield Path(at), {*folders, *files}


#: What `write_atomic` calls a file that is not yet whole.
_PARTIAL = re.compile(r"\..+\.(\d+)\.tmp")
#: Seconds after which a partial file is nobody's, whoever has its process id by now.
_STALE = 24 * 3600.0


def remove_partials(root: Path) -> int:
    """Remove what killed processes had not finished to write below `root`; return how many.

    A partial file of a process that lives is left alone until it is a day old.
    """
    removed = 0
    for folder, names in walk(root, lambda path, reason: None):
        for path in (folder / name for name in names):
            found = _PARTIAL.fullmatch(path.name)
            if found is None:
                continue
            with suppress(OSError):
                if not _lives(int(found[1])) or time.time() - path.lstat().st_mtime > _STALE:
                    path.unlink()
                    removed += 1
    return removed


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True
