"""What lies at a path as a table of vectors: parts by name, each with the labels of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from hashquant.data.vectors._arrays import npy_folder, npz_file, safetensors_file
from hashquant.data.vectors._fields import VECS, hdf5_file, vecs_folder
from hashquant.data.vectors._kept import Kept, State, state_of
from hashquant.data.vectors._parquet import Columns, parquet_files
from hashquant.data.vectors.rows import Stored
from hashquant.errors import DataError, one_line
from hashquant.machine.arrays import Array

#: What a part may be called → its role. Where there are no queries, `train` is all there is.
ROLES: Mapping[str, str] = {
    "train": "train", "learn": "train", "query": "query", "test": "query", "gallery": "gallery",
    "base": "gallery", "database": "gallery", "embeddings": "train",
}  # fmt: skip
_LABELS = "_labels"
#: Types that vectors may have; all are compared as float32.
_KINDS = ("float16", "float32", "float64", "int8", "uint8")
#: Files that hold a whole set.
_SINGLE = (".npz", ".safetensors", ".parquet", ".h5", ".hdf5")
_LAYOUT = (
    "train.npy, query.npy and gallery.npy with train_labels.npy and so on, or one "
    f"{', '.join(_SINGLE)} file with these names"
)


@dataclass(frozen=True, eq=False)
class Part:
    """Vectors of one role, and the label of each, where labels are known.

    In one table each row has its own role, by the word of `split`; `id` is what a row is called.
    """

    role: str
    name: str
    vectors: Stored
    labels: Array | None
    split: Array | None = None
    id: Array | None = None

    def files(self) -> list[str]:
        """Return a name for each row: its role, then what it is called, or its number.

        Raises:
            DataError: if two rows are called alike.
        """
        rows = len(self.vectors)
        words = [self.role] * rows if self.split is None else map(str, self.split.tolist())
        if self.id is None:
            called = [f"{row:07d}" for row in range(rows)]
        else:
            called = [quote(str(name), safe=" ").strip(".") for name in self.id.tolist()]
            if len(set(called)) < rows:
                raise DataError(f"each id must be of one row, got {rows - len(set(called))} again")
        return [f"{ROLES.get(w, 'beside')}/{name}" for w, name in zip(words, called, strict=True)]


@dataclass(frozen=True, eq=False)
class Table:
    """All parts of a set of vectors; `state` is that of the files, `notes` what must be told."""

    parts: tuple[Part, ...]
    state: State
    notes: tuple[str, ...] = ()


def read_table(path: Path, folder: Path | None) -> Table:
    """Return the vectors at a path; what cannot be mapped is unpacked below `folder`.

    Without a folder only shapes and types can be relied on.

    Raises:
        DataError: if nothing that is known lies there, or it is damaged, or parts do not agree.
    """
    files = _files(path)
    state = state_of(files)
    kept = Kept(folder, state) if folder else None
    if files[0].suffix == ".parquet":
        return _rows(parquet_files(files, kept), path.name, state)
    if path.is_dir():
        arrays = npy_folder(path) | vecs_folder(path)
    elif path.suffix == ".npz":
        arrays = npz_file(path, kept)
    elif path.suffix == ".safetensors":
        arrays = safetensors_file(path)
    else:
        arrays = hdf5_file(path, kept)
    return _table(arrays, path.name, state)


def _rows(columns: Columns, where: str, state: State) -> Table:
    """Return the rows of one table as one part, each row in the role that its split says."""
    part = Part(
        "train", "embedding", _vectors(columns.embedding, "embedding"), columns.label,
        columns.split, columns.id,
    )  # fmt: skip
    _check_labels(part)
    notes = []
    if columns.split is not None:
        words, counts = np.unique(columns.split.astype(str), return_counts=True)
        if not set(words) & ROLES.keys():
            said = one_line(", ".join(words), 80)
            raise DataError(f"{where}: split must say {', '.join(ROLES)}, got {said}")
        beside = {w: int(n) for w, n in zip(words, counts, strict=True) if w not in ROLES}
        notes = [f"{n:,} rows of split {one_line(w, 40)} left out" for w, n in beside.items()]
    return Table((part,), state, (*notes, *_kinds((part,))))


def _files(path: Path) -> list[Path]:
    """Return the files that a set of vectors is read from.

    Raises:
        DataError: if there are none.
    """
    if path.is_dir():
        found = sorted(path.glob("*.parquet"))
        plain = sorted(p for p in path.iterdir() if p.suffix in (".npy", *VECS))
        if found and plain:
            raise DataError(f"{path} must hold one kind of file, got Parquet and {plain[0].name}")
        found = found or plain
    elif path.is_file():
        found = [path] * (path.suffix in _SINGLE)
        if path.suffix in (".npy", *VECS):
            raise DataError(f"{path} is one array: give the folder that it stands in, {_LAYOUT}")
    else:
        why = "it is missing" if not path.exists() else "it is neither file nor folder"
        raise DataError(f"{path} must hold vectors, {why}")
    if not found:
        raise DataError(f"{path} must hold vectors: {_LAYOUT}")
    return found


def _table(arrays: Mapping[str, Array], where: str, state: State) -> Table:
    named = {name: role for name, role in ROLES.items() if name in arrays}
    if not named:
        got = one_line(", ".join(sorted(arrays)), 80) or "nothing"
        raise DataError(f"{where} must hold vectors named {', '.join(ROLES)}, got {got}")
    parts = []
    for name, role in named.items():
        twin = next((other for other, same in named.items() if same == role), name)
        if twin != name:
            raise DataError(
                f"{where} must say once which vectors are {role}, got {twin} and {name}"
            )
        labels = arrays.get("labels" if name == "embeddings" else name + _LABELS)
        parts.append(Part(role, name, _vectors(arrays[name], name), labels))
    widths = {part.name: part.vectors.shape[1] for part in parts}
    if len(set(widths.values())) > 1:
        said = ", ".join(f"{width} in {name}" for name, width in widths.items())
        raise DataError(f"{where}: vectors must be of one size, got {said}")
    for part in parts:
        _check_labels(part)
    known = {*named, *(name + _LABELS for name in named), "labels"}
    others = sorted(arrays.keys() - known)
    notes = [f"left out beside the vectors: {one_line(', '.join(others), 80)}"] if others else []
    return Table(tuple(parts), state, (*notes, *_kinds(parts)))


def _kinds(parts: Sequence[Part]) -> list[str]:
    kinds = sorted({part.vectors.dtype.name for part in parts} - {"float32"})
    return [f"vectors stored as {' and '.join(kinds)}"] if kinds else []


def _vectors(array: Array, name: str) -> Stored:
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{name} must be vectors, one a row, (n, d), got the shape {array.shape}")
    if array.dtype.name not in _KINDS:
        raise DataError(f"{name} must be of {', '.join(_KINDS)}, got {array.dtype}")
    return array


def _check_labels(part: Part) -> None:
    labels, rows = part.labels, len(part.vectors)
    if labels is None:
        return
    if labels.ndim != 1:
        raise DataError(
            f"labels of {part.name} must be one a row, (n,), got the shape {labels.shape}"
        )
    if len(labels) != rows:
        what = "more labels than rows" if len(labels) > rows else "fewer labels than rows"
        raise DataError(f"{part.name} has {rows:,} rows and {len(labels):,} labels: {what}")
    if labels.dtype.kind not in "iubUS":
        raise DataError(f"labels of {part.name} must be whole numbers or text, got {labels.dtype}")
