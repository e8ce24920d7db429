"""Arrays in .npz files: written the same bytes every time, read whole or not at all."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hashquant.errors import HashQuantError
from hashquant.machine.files import opened, write_atomic
from hashquant.machine.seals import BROKEN, digest

#: Most bytes that a file without a seal may unpack to: so many, and so many times its own size.
MOST_BYTES, MOST_TIMES = 2**26, 100


class DamagedError(HashQuantError):
    """A stored file that is not what its record vouches for; the message follows its name."""


def read_arrays(path: Path, seal: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of a stored .npz file, or none where nothing stands there.

    `seal` is the SHA-256 of its bytes that a record holds. A file without one is read only as far
    as `MOST_BYTES` and `MOST_TIMES` allow.

    Raises:
        DamagedError: if it is no readable file of arrays, or its seal is broken.
    """
    try:
        with opened(path) as handle:
            data = handle.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DamagedError(f"cannot be read: {error.strerror or error}") from error
    if seal and digest(data) != seal:
        raise DamagedError(BROKEN)
    try:
        return _unpacked(data, None if seal else MOST_BYTES + MOST_TIMES * len(data))
    except DamagedError:
        raise
    except Exception as error:  # whatever its bytes made zip or NumPy do
        raise DamagedError("is no readable file of arrays") from error


def _unpacked(data: bytes, most: int | None) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if most is not None and size > most:
            raise DamagedError(f"must unpack to at most {most:,} bytes, got {size:,}")
        return {
            entry.filename.removesuffix(".npy"): _array(archive.read(entry))
            for entry in archive.infolist()
        }


def _array(data: bytes) -> np.ndarray:
    """Return the array of one .npy file, whose header must tell of as many bytes as there are."""
    handle = io.BytesIO(data)
    version = np.lib.format.read_magic(handle)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, kind = read[version](handle)
    count = 1
    for length in shape:
        count *= int(length)
    if kind.hasobject or count * kind.itemsize != len(data) - handle.tell():
        raise ValueError("its header tells of other bytes than there are")
    handle.seek(0)
    return np.lib.format.read_array(handle, allow_pickle=False)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write arrays as a .npz file, the same bytes for the same arrays, and return their SHA-256.

    Raises:
        StoreError: if it cannot be written, with the reason.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    data = buffer.getvalue()
    write_atomic(path, data)
    return digest(data)
