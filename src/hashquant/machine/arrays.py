"""Arrays from files that may be damaged: their form is known before anything is allocated."""

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Shaped, UInt8

Array = Shaped[np.ndarray, "..."]

#: Limits of a .npz file: arrays, and bytes of all of them once unpacked.
MOST_ARRAYS, MOST_BYTES = 64, 2**31

_MAGIC = re.compile(rb"\x93NUMPY(?:\x01\x00(?P<short>..)|\x02\x00(?P<long>....))", re.DOTALL)
_HEAD = re.compile(
    rb"\{'descr': '(?P<type>[<|][biufU]\d{1,6})', 'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>[\d, ]*)\), \} *\n"
)
_MOST_HEAD, _MOST_AXES = 2048, 32
_END = struct.Struct("<4s4H2LH")  # of an archive without a comment
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: RuntimeError is zipfile's own, for what is encrypted, or packed in a way that it does not know.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OverflowError,
           OSError)  # fmt: skip


def array_head(shape: tuple[int, ...]) -> bytes:
    """Return the head of a .npy file of uint8 in C order.

    NumPy pads it so that it does not grow with the first axis.
    """
    head = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, fields)
    return head.getvalue()


def map_array(path: Path, shape: tuple[int, ...], *, behind: int = 0) -> UInt8[np.ndarray, "..."]:
    """Return a .npy file as a read-only memory map, uint8 of exactly `shape`.

    `behind` is how many bytes follow the array.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if its head is not that of `shape`, or it is shorter or longer.
    """
    head = array_head(shape)
    size, right = path.stat().st_size, len(head) + math.prod(shape) + behind
    with path.open("rb") as file:
        if file.read(len(head)) != head:
            raise ValueError(f"{path.name} must begin as an array of uint8, {shape}")
    if size != right:
        raise ValueError(f"{path.name} must have {right:,} bytes, got {size:,}")
    return np.memmap(path, dtype=np.uint8, mode="r", offset=len(head), shape=shape)


def read_npz(
    path: Path, *, most_arrays: int = MOST_ARRAYS, most_bytes: int = MOST_BYTES
) -> dict[str, Array]:
    """Return the arrays of a .npz file: booleans, numbers, text; never an object.

    Nothing is unpacked before all sizes are known to be within the limits and to fit the shapes.

    Raises:
        OSError: if the file cannot be read.
        ValueError: one sentence, if it is no whole .npz file or beyond the limits.
    """
    with path.open("rb") as file, _as_value_error(), zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) != _counted(file):
            raise ValueError(f"it must list as many arrays as it counts, got {len(entries)}")
        total = sum(entry.file_size for entry in entries)
        if len(entries) > most_arrays or total > most_bytes:
            raise ValueError(
                f"it must hold at most {most_arrays} arrays of {most_bytes:,} bytes, "
                f"got {len(entries)} of {total:,}"
            )
        found: dict[str, Array] = {}
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if entry.compress_type not in _PACKED:
                raise ValueError(f"it must be stored or deflated, got type {entry.compress_type}")
            if name == entry.filename or name in found:
                raise ValueError(f"it must hold arrays, each once, got {entry.filename!a}")
            with archive.open(entry) as member:
                found[name] = _array(member, entry.file_size)
        return found


def _counted(file: io.BufferedReader) -> int:
    """Return how many entries an archive counts at its end, which `zipfile` does not read."""
    file.seek(-_END.size, os.SEEK_END)
    mark, _, _, _, count, *_ = _END.unpack(file.read(_END.size))
    return int(count) if mark == b"PK\x05\x06" else -1


@contextmanager
def _as_value_error() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"it is no whole .npz file ({reason})") from error


def _array(member: IO[bytes] | zipfile.ZipExtFile, size: int) -> Array:
    """Return one array of a .npz file, whose bytes are checked to be as many as it says."""
    magic = member.read(8)
    magic += member.read(4 if magic[6:7] == b"\x02" else 2)
    known = _MAGIC.fullmatch(magic)
    length = int.from_bytes(known["short"] or known["long"], "little") if known else _MOST_HEAD + 1
    head = _HEAD.fullmatch(member.read(length)) if length <= _MOST_HEAD else None
    if head is None:
        raise ValueError("an array must begin as NumPy writes it, of booleans, numbers or text")
    try:
        kind = np.dtype(head["type"].decode())
    except TypeError as error:
        raise ValueError(f"an array must be of a known type, got {error}") from error
    shape = tuple(int(axis) for axis in head["shape"].replace(b",", b" ").split())
    if len(shape) > _MOST_AXES:
        raise ValueError(f"an array must have at most {_MOST_AXES} axes, got {len(shape)}")
    want = kind.itemsize * math.prod(shape)
    if want != size - len(magic) - length:
        raise ValueError(f"an array of {kind}, {shape[:4]} must have {want:,} bytes, got {size:,}")
    data = member.read(want + 1)  # to the end: there the checksum is compared
    if len(data) != want:
        raise ValueError(f"an array must have {want:,} bytes, got {len(data):,}")
    values = np.frombuffer(data, dtype=kind).copy()
    return values.reshape(shape[::-1]).T if head["order"] == b"True" else values.reshape(shape)
