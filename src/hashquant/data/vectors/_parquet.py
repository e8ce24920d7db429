"""Vectors in Parquet: columns `embedding` and `label`, and `split` and `id` where known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hashquant.data.vectors._kept import Kept
from hashquant.data.vectors.rows import rows_a_chunk
from hashquant.errors import DataError, one_line
from hashquant.machine.arrays import Array

_EMBEDDING, _OTHERS = "embedding", ("label", "split", "id")
#: Rows of the first batch, which says how long a vector is.
_PEEK = 16


@dataclass(frozen=True, eq=False)
class Columns:
    """The rows of all files in their order: vectors, and label, role and name of each."""

    embedding: Array
    label: Array | None = None
    split: Array | None = None
    id: Array | None = None


def parquet_files(paths: list[Path], kept: Kept | None) -> Columns:
    """Return what Parquet files hold; vectors are unpacked once.

    Without a place for that no row is read but the first few: a plan asks for the size.

    Raises:
        DataError: if pyarrow is not installed, a file is damaged, a column is missing, or a value
            of it is, or vectors are not of one size.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        said = "needs pyarrow, which is not installed: pip install 'hashquant[vectors]'"
        raise DataError(f"{paths[0].name} {said}") from error
    try:
        files = {path: parquet.ParquetFile(path) for path in paths}
        for path, file in files.items():
            if _EMBEDDING not in file.schema_arrow.names:
                got = one_line(", ".join(file.schema_arrow.names), 80)
                raise DataError(f"{path.name} must have a column embedding, got {got}")
        first, rows = _peek(files), sum(file.metadata.num_rows for file in files.values())
        shape = (rows, first.shape[1])
        if kept is None:
            return Columns(np.broadcast_to(np.zeros((), first.dtype), shape))
        vectors = kept.array(paths[0].name, first.dtype, shape, _blocks(files, first))
        return Columns(vectors, *(_column(files, name) for name in _OTHERS))
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{paths[0].name} is no whole Parquet ({one_line(error, 120)})") from error


def _peek(files: Mapping[Path, Any]) -> Array:  # Any: pyarrow's files
    for path, file in files.items():
        for batch in file.iter_batches(_PEEK, columns=[_EMBEDDING]):
            if batch.num_rows:
                return _vectors(batch.column(0), path, 0, None)
    raise DataError(f"{next(iter(files)).name} must hold vectors, got no row")


def _blocks(files: Mapping[Path, Any], first: Array) -> Iterator[bytes]:  # Any: as above
    step, width = rows_a_chunk(first.shape[1]), first.shape[1]
    for path, file in files.items():
        seen = 0
        for batch in file.iter_batches(step, columns=[_EMBEDDING]):
            vectors = _vectors(batch.column(0), path, seen, width)
            if vectors.dtype != first.dtype:
                raise DataError(
                    f"{path.name} must hold {first.dtype} as the others, got {vectors.dtype}"
                )
            seen += len(vectors)
            yield np.ascontiguousarray(vectors).tobytes()


def _vectors(column: Any, path: Path, seen: int, width: int | None) -> Array:  # Any: pyarrow's
    """Return a batch of lists as an array (n, d); `seen` rows were before it in the file.

    Raises:
        DataError: if they are no lists of numbers, of one size, without a missing value.
    """
    import pyarrow as arrow
    from pyarrow import compute

    kind = column.type
    if not (arrow.types.is_list(kind) or arrow.types.is_large_list(kind)
            or arrow.types.is_fixed_size_list(kind)):  # fmt: skip
        raise DataError(f"{path.name}: embedding must be lists of numbers, got {kind}")
    if column.null_count:
        row = int(np.asarray(column.is_null()).argmax())
        raise DataError(f"{path.name}: row {seen + row:,} of embedding is missing")
    lengths = np.asarray(compute.list_value_length(column))
    width = int(lengths[0]) if width is None else width
    if (lengths != width).any():
        row = int((lengths != width).argmax())
        raise DataError(
            f"{path.name}: vectors must be of one size, {width}, got {lengths[row]} in row "
            f"{seen + row:,}"
        )
    values = column.flatten()
    if values.null_count:
        row = int(np.asarray(values.is_null()).argmax()) // max(width, 1)
        raise DataError(f"{path.name}: a value of row {seen + row:,} is missing")
    if not (arrow.types.is_floating(values.type) or arrow.types.is_integer(values.type)):
        raise DataError(f"{path.name}: embedding must be lists of numbers, got {kind}")
    found: Array = values.to_numpy(zero_copy_only=False).reshape(len(column), width)
    return found


def _column(files: Mapping[Path, Any], name: str) -> Array | None:  # Any: pyarrow's files
    """Return a column of whole numbers or text over all files; None where no file has it."""
    import pyarrow as arrow

    found = []
    for path, file in files.items():
        if name not in file.schema_arrow.names:
            continue
        column = file.read(columns=[name]).column(0)
        if column.null_count:
            row = int(np.asarray(column.is_null()).argmax())
            raise DataError(f"{path.name}: row {row:,} of {name} is missing")
        if not arrow.types.is_integer(column.type):
            if arrow.types.is_floating(column.type):
                raise DataError(f"{path.name}: {name} must be whole numbers or text, got floats")
            column = np.array(column.cast(arrow.string()).to_pylist(), dtype=str)
        found.append(np.asarray(column))
    if found and len(found) != len(files):
        raise DataError(f"{name} must be a column of all {len(files)} files, got {len(found)}")
    return np.concatenate(found) if found else None
