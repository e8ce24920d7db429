"""The files of the field of nearest neighbours: .fvecs, .bvecs and .ivecs, and HDF5."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hashquant.data.vectors._arrays import chunks_of
from hashquant.data.vectors._kept import Kept
from hashquant.data.vectors.rows import rows_a_chunk
from hashquant.errors import DataError, one_line
from hashquant.machine.arrays import Array

#: How a file of such vectors ends → the type of a value. Each row has its length before it.
VECS: Mapping[str, str] = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "|u1"}
_LENGTH = 4  # bytes


def vecs_folder(folder: Path) -> dict[str, Array]:
    """Return what a folder holds of such files, by the last word of each name.

    `sift_base.fvecs` is `base`, `sift_base_labels.ivecs` is `base_labels`, one value a row.

    Raises:
        DataError: if two files are of one name, or one is damaged.
    """
    found: dict[str, Array] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in VECS:
            continue
        *_, last = path.stem.removesuffix("_labels").split("_")
        labels = path.stem.endswith("_labels")
        name = f"{last}_labels" if labels else last
        if name in found:
            raise DataError(f"{folder.name} must hold one file of {name}, got {path.name} besides")
        array = map_vecs(path)
        found[name] = array[:, 0] if labels and array.shape[1] == 1 else array
    return found


def map_vecs(path: Path) -> Array:
    """Return the vectors of one such file, mapped: the lengths between them are stepped over.

    Raises:
        DataError: if the file is cut short, or vectors are not all as long as the first.
    """
    kind = np.dtype(VECS[path.suffix])
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            width = int.from_bytes(file.read(_LENGTH), "little", signed=True)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}") from error
    if size < _LENGTH or not 0 < width <= size:
        raise DataError(f"{path.name} must begin with the length of a vector, got {width}")
    row = _LENGTH + width * kind.itemsize
    rows, more = divmod(size, row)
    whole = np.memmap(path, "|u1", "r", 0, (rows, row))
    for part in chunks_of(rows, rows_a_chunk(1)):
        lengths = np.ascontiguousarray(whole[part, :_LENGTH]).view("<i4")[:, 0]
        if (lengths != width).any():
            bad = int((lengths != width).argmax())
            raise DataError(
                f"{path.name}: vectors must be of one size, {width}, got {lengths[bad]} in row "
                f"{part.start + bad:,}"
            )
    if more:
        raise DataError(f"{path.name} is cut short: {more:,} bytes follow {rows:,} vectors")
    values: Array = whole[:, _LENGTH:].view(kind)
    return values


def hdf5_file(path: Path, kept: Kept | None) -> dict[str, Array]:
    """Return the arrays of an HDF5 file, as of ann-benchmarks (`train`, `test`).

    What lies there in one piece is mapped, the rest is unpacked once. Without a place for that,
    the first value stands for all: a plan asks for shapes.

    Raises:
        DataError: if h5py is not installed, or the file is damaged.
    """
    try:
        import h5py
    except ImportError as error:
        said = "needs h5py, which is not installed: pip install 'hashquant[vectors]'"
        raise DataError(f"{path.name} {said}") from error
    try:
        with h5py.File(path, "r") as file:
            sets = {str(name): one for name, one in file.items() if isinstance(one, h5py.Dataset)}
            return {name: _array(path, name, one, kept) for name, one in sets.items()}
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        why = one_line(error, 120)
        raise DataError(f"{path.name} is no whole HDF5 file ({why})") from error


def _array(path: Path, name: str, one: Any, kept: Kept | None) -> Array:  # Any: h5py's
    if one.dtype.hasobject:
        return np.array(one.asstr()[...].tolist(), dtype=str)  # text of any length, never pickles
    start, said = one.id.get_offset(), f"{path.name}: {name}"
    if start is not None and one.size:
        whole: Array = np.memmap(path, one.dtype, "r", start, one.shape)
        return whole
    if kept is None or not one.size:
        return np.broadcast_to(np.zeros((), one.dtype), one.shape)
    return kept.array(said, one.dtype, one.shape, _blocks(one))


def _blocks(one: Any) -> Iterator[bytes]:  # Any: h5py's
    step = rows_a_chunk(int(np.prod(one.shape[1:], dtype=np.int64)))
    yield from (np.ascontiguousarray(one[part]).tobytes() for part in chunks_of(len(one), step))
