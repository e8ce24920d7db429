"""What files do not hold as plain arrays, unpacked once into files that can be mapped."""

import hashlib
import logging
import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np

from hashquant.errors import DataError
from hashquant.machine.arrays import Array
from hashquant.machine.filenames import safe_name
from hashquant.machine.locks import locked

log = logging.getLogger(__name__)

_SETTLED_SECONDS = 2.0
#: Files whose bytes this process has seen to be those that were written.
_CHECKED: set[tuple[object, ...]] = set()


@dataclass(frozen=True)
class State:
    """A digest of the state of files.

    They are not `settled` a moment after a change: within one tick of the clock another one would
    not show.
    """

    digest: str
    settled: bool


@dataclass(frozen=True)
class Kept:
    """A folder of unpacked arrays, each named by the state of the files that it is made of."""

    folder: Path
    state: State

    def array(
        self, name: str, kind: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[bytes]
    ) -> Array:
        """Return an array as a read-only map, after writing it from `blocks` if it is not there.

        The SHA-256 of its bytes lies beside it. A file that has others is written anew.

        Raises:
            DataError: if the blocks are not as many bytes as the shape needs, or cannot be written.
        """
        path = self.folder / f"{safe_name(f'{name}-{self.state.digest[:16]}')}.bin"
        size = math.prod(shape) * kind.itemsize
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock")):
                if not (self.state.settled and _is_whole(path, size)):
                    _write(path, size, blocks, name)
            found: Array = np.memmap(path, kind, "r", 0, shape)
            return found
        except OSError as error:
            said = f"{name} must be unpacked into {self.folder}, got {error.strerror or error}"
            raise DataError(said) from error


def _write(path: Path, size: int, blocks: Iterable[bytes], name: str) -> None:
    part, digest, written = path.with_suffix(".part"), hashlib.sha256(), 0
    log.info("unpacking %s into %s", name, path)
    with part.open("wb") as file:
        for block in blocks:
            digest.update(block)
            written += len(block)
            if written > size:
                break
            file.write(block)
    if written != size:
        part.unlink()
        raise DataError(f"{name} must unpack to {size:,} bytes, got {written:,}: it is damaged")
    path.with_suffix(".sha256").write_text(digest.hexdigest(), encoding="ascii")
    part.replace(path)


def _is_whole(path: Path, size: int) -> bool:
    """Tell whether a file is there with the bytes that were written, read once for a process."""
    try:
        stat = path.stat()
        state = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if stat.st_size != size or state in _CHECKED:
            return stat.st_size == size
        said = path.with_suffix(".sha256").read_text(encoding="ascii", errors="replace")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return False
    if found != said:
        log.warning("%s is damaged: unpacking again", path)
        return False
    _CHECKED.add(state)
    return True


def state_of(paths: Iterable[Path]) -> State:
    """Return where files lie, how long they are, and when they were changed.

    Raises:
        DataError: if one cannot be looked at, or is no file: a pipe, say.
    """
    whole, changed = hashlib.sha256(), 0.0
    try:
        for path in paths:
            stat = path.stat()
            if not S_ISREG(stat.st_mode):
                raise DataError(f"{path} must be a file, got something else")
            numbers = stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
            line = f"{os.path.realpath(path)}\0{numbers}\0"
            whole.update(line.encode("utf-8", "surrogateescape"))
            changed = max(changed, stat.st_ctime)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    return State(whole.hexdigest(), time.time() - changed > _SETTLED_SECONDS)
