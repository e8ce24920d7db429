"""Arrays as they lie in files: mapped into memory, never copied whole, never unpickled."""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from hashquant.data.vectors._kept import Kept
from hashquant.errors import DataError, one_line
from hashquant.machine.arrays import Array
from hashquant.machine.strictjson import parse_json

#: Bytes that are unpacked at once.
_BLOCK = 1 << 24
#: The head of a .safetensors file is this long at most, as its own readers say.
_MOST_HEAD = 100_000_000
_HEADS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_TENSORS = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "|i1", "U8": "|u1", "I16": "<i2",
            "I32": "<i4", "I64": "<i8", "U16": "<u2", "U32": "<u4", "U64": "<u8"}  # fmt: skip
#: RuntimeError is zipfile's own, for what is encrypted, or packed in a way that it does not know.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OverflowError,
           LookupError, TypeError, ValueError, OSError)  # fmt: skip


def map_npy(path: Path, name: str, start: int = 0, size: int = -1) -> Array:
    """Return a .npy file as a read-only memory map, or the one that lies in `path` at `start`.

    Raises:
        DataError: if it is damaged, cut short or too long, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            shape, column_first, kind = npy_head(file, name)
            offset = file.tell()
        size = path.stat().st_size if size < 0 else size
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error
    return mapped(path, name, kind, shape, offset, size - (offset - start), "CF"[column_first])


def mapped(
    path: Path, name: str, kind: np.dtype[Any], shape: tuple[int, ...], offset: int, size: int,
    order: str = "C",
) -> Array:  # fmt: skip
    """Return an array of `size` bytes that begins in a file at `offset`, as a read-only map.

    Raises:
        DataError: if it has not the bytes that its shape needs, or no value.
    """
    want = kind.itemsize * math.prod(shape)
    if size != want:
        cut = "it is cut short" if size < want else "something else follows"
        raise DataError(f"{name} of {kind} {shape} must have {want:,} bytes, got {size:,}: {cut}")
    if not want:
        raise DataError(f"{name} must hold values, got the shape {shape}")
    found: Array = np.memmap(path, kind, "r", offset, shape, order)  # type: ignore[call-overload]
    return found


def npy_head(
    file: IO[bytes] | zipfile.ZipExtFile, name: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns are contiguous, and type of an array, from its head.

    Raises:
        DataError: if the head is not as NumPy writes it, or the array holds Python objects.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in _HEADS:
            raise ValueError(f"form {version} of the head is not known")
        shape, column_first, kind = _HEADS[version](file)
    except (ValueError, TypeError, EOFError, SyntaxError) as error:
        why = one_line(error, 120)
        raise DataError(f"{name} must be an array as NumPy writes it, got a head: {why}") from error
    if kind.hasobject:
        raise DataError(
            f"{name} holds Python objects, which are never unpickled: save text as "
            "np.array(labels, dtype=str), vectors as one array of numbers"
        )
    return shape, column_first, kind


def npy_folder(folder: Path) -> dict[str, Array]:
    """Return the arrays of a folder of .npy files, by stem."""
    found = {path.stem: path for path in sorted(folder.glob("*.npy"))}
    return {stem: map_npy(path, path.name) for stem, path in found.items()}


def npz_file(path: Path, kept: Kept | None) -> dict[str, Array]:
    """Return the arrays of a .npz file: mapped where they are stored, else unpacked once.

    Without a place to keep what is unpacked, of a packed array the first value alone is read, and
    stands for all: a plan asks for shapes.

    Raises:
        DataError: if it is damaged, or an array of it is.
    """
    try:
        with path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
            found: dict[str, Array] = {}
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename or name in found or entry.flag_bits & 1:
                    raise ValueError(f"it must hold plain arrays, each once, got {name!a:.60}")
                said = f"{path.name}: {name}"
                if entry.compress_type == zipfile.ZIP_STORED:
                    raw.seek(entry.header_offset + 26)
                    start = entry.header_offset + 30 + sum(struct.unpack("<2H", raw.read(4)))
                    found[name] = map_npy(path, said, start, entry.file_size)
                else:
                    found[name] = _unpacked(archive, entry, said, kept)
            return found
    except DataError:
        raise
    except _DAMAGE as error:
        why = one_line(error, 120) or type(error).__name__
        raise DataError(f"{path.name} is no whole .npz file ({why})") from error


def _unpacked(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, kept: Kept | None
) -> Array:
    with archive.open(entry) as member:
        shape, column_first, kind = npy_head(member, name)
        if kept is None:
            return np.broadcast_to(np.zeros((), kind), shape)
        blocks = iter(lambda: member.read(_BLOCK), b"")
        flat = kept.array(name, kind, (math.prod(shape),), blocks)
    return flat.reshape(shape[::-1]).T if column_first else flat.reshape(shape)


def safetensors_file(path: Path) -> dict[str, Array]:
    """Return the tensors of a .safetensors file, mapped.

    Raises:
        DataError: if it is damaged, or holds types that NumPy has not (bfloat16).
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _MOST_HEAD:
                raise ValueError(f"a head of {length:,} bytes")
            head = parse_json(file.read(length).decode())
        size, start = path.stat().st_size, 8 + length
        tensors = {str(k): v for k, v in head.items() if k != "__metadata__"}
        if size != start + max((int(t["data_offsets"][1]) for t in tensors.values()), default=0):
            raise ValueError("its length is not what its head says: it is cut short or too long")
        return {name: _tensor(path, name, t, start) for name, t in tensors.items()}
    except DataError:
        raise
    except (*_DAMAGE, AttributeError) as error:
        why = one_line(error, 120) or type(error).__name__
        raise DataError(f"{path.name} is no whole .safetensors file ({why})") from error


def _tensor(path: Path, name: str, said: Any, start: int) -> Array:  # Any: parsed JSON
    if said["dtype"] not in _TENSORS:
        raise DataError(f"{path.name}: {name} must be of {', '.join(_TENSORS)}, got "
                        f"{said['dtype']!a:.20}")  # fmt: skip
    begin, end = (int(offset) for offset in said["data_offsets"])
    shape, kind = tuple(int(axis) for axis in said["shape"]), np.dtype(_TENSORS[said["dtype"]])
    if begin < 0 or min(shape, default=1) < 0:
        raise ValueError("a shape or place below 0")
    return mapped(path, f"{path.name}: {name}", kind, shape, start + begin, end - begin)


def chunks_of(rows: int, step: int) -> Iterator[slice]:
    """Yield slices of so many rows, `step` at a time."""
    yield from (slice(start, min(start + step, rows)) for start in range(0, rows, step))
