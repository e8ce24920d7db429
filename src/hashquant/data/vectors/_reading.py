"""What lies at a path as a table of vectors: parts by name, each with the labels of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hashquant.data.vectors._arrays import npy_folder, npz_file, safetensors_file
from hashquant.data.vectors._kept import Kept, State, state_of
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
_LAYOUT = (
    "train.npy, query.npy and gallery.npy with train_labels.npy and so on, or one .npz or "
    ".safetensors file with these names"
)


@dataclass(frozen=True, eq=False)
class Part:
    """Vectors of one role, and the label of each, where labels are known."""

    role: str
    name: str
    vectors: Stored
    labels: Array | None


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
    if path.is_dir():
        arrays = npy_folder(path)
    elif path.suffix == ".npz":
        arrays = npz_file(path, kept)
    else:
        arrays = safetensors_file(path)
    return _table(arrays, path.name, state)


def _files(path: Path) -> list[Path]:
    """Return the files that a set of vectors is read from.

    Raises:
        DataError: if there are none.
    """
    if path.is_dir():
        found = sorted(path.glob("*.npy"))
    elif path.is_file():
        found = [path] * (path.suffix in (".npz", ".safetensors"))
        if path.suffix == ".npy":
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
    kinds = sorted({part.vectors.dtype.name for part in parts} - {"float32"})
    notes += [f"vectors stored as {' and '.join(kinds)}"] if kinds else []
    return Table(tuple(parts), state, tuple(notes))


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
