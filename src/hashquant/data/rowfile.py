"""Images read from the file behind a memory map, many at a time."""

import math
import mmap
import os
import weakref

import numpy as np
from jaxtyping import Int64, UInt8

from hashquant.errors import DataError


class RowFile:
    """A memory-mapped file whose rows are read by calls.

    Through the map, a fault for each page that is not in memory costs fifty times as much, and
    reads ahead what a random order has no use for.
    """

    def __init__(self, path: str, offset: int, row_bytes: int) -> None:
        self._path, self._offset, self._row_bytes = path, offset, row_bytes
        self.descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.descriptor)

    def read(self, rows: Int64[np.ndarray, " b"], out: UInt8[np.ndarray, "b 3 h w"]) -> None:
        """Read rows into `out`, in the file's order; the disk is told of all before the first.

        Raises:
            DataError: if the file ends before a row does.
        """
        flat = out.reshape(len(rows), self._row_bytes)
        order = np.argsort(rows)
        places, starts = order.tolist(), (self._offset + rows[order] * self._row_bytes).tolist()
        for start in starts:
            announce(self.descriptor, start, self._row_bytes)
        for place, start in zip(places, starts, strict=True):
            if os.preadv(self.descriptor, [flat[place].data], start) != self._row_bytes:
                raise DataError(f"{self._path} must hold image {rows[place]}, it ends before")


def announce(descriptor: int, start: int, size: int) -> None:
    """Let the disk fetch bytes that will be read, side by side with others."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_WILLNEED)


def row_file(images: UInt8[np.ndarray, "n 3 h w"]) -> RowFile | None:
    """Return the file of a whole memory map; None for an array or a part of a map."""
    base: object = images.base
    if not isinstance(images, np.memmap) or not isinstance(base, mmap.mmap):
        return None
    return RowFile(str(images.filename), images.offset, math.prod(images.shape[1:]))
