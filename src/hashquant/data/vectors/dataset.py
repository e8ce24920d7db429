"""Data sets of vectors: embeddings that somebody brings, in the roles that their files say."""

import logging
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Int64

from hashquant.data.items import Dataset, Items, Split, make_split
from hashquant.data.manifests import write_manifest
from hashquant.data.splits import draw_fraction
from hashquant.data.vectors._checking import MOST_PRODUCTS, digests, near_rows
from hashquant.data.vectors._reading import Part, Table, read_table
from hashquant.data.vectors.rows import VectorRows, vectors_version
from hashquant.errors import DataError, StoreError, one_line
from hashquant.machine.filenames import short_name
from hashquant.settings.ranges import OneOf, Range

log = logging.getLogger(__name__)

Rows = Int64[np.ndarray, " _"]
T = TypeVar("T")

#: What was found of files that did not change: a run asks for it as often as it has targets.
_FOUND: OrderedDict[Hashable, Any] = OrderedDict()  # Any: items, or pairs of rows
_MOST_FOUND = 4


@dataclass(frozen=True, eq=False)
class _Roles:
    training: Rows
    query: Rows
    gallery: Rows


class VectorDataset(Dataset):
    """A set of vectors at `place(root)`; a plug-in says where that is.

    `train`, `query` and `gallery` are what they are called; without a gallery it is what was
    trained on, without queries a `fraction` of each class is drawn by `seed`.
    """

    VECTORS: ClassVar[bool] = True
    #: options of `--set <file stem>.name=value`, by name; Any: types
    OPTIONS: ClassVar[Mapping[str, Any]] = {
        "fraction": Annotated[float, Range(0.01, 0.99)],
        "seed": Annotated[int, Range(0, 2**31)],
        "near": Annotated[float, Range(0, 0.5)],
        "duplicates": Annotated[str, OneOf("stop", "drop")],
        "people": bool,
    }

    @abstractmethod
    def place(self, root: Path) -> Path:
        """Return the file or folder of the vectors."""

    @property
    def people(self) -> bool:
        """Whether labels are people's names (`people=yes`)."""
        return bool(self.options.get("people", self.PEOPLE))

    @property
    def width(self) -> int:
        """How many values a vector has, by the heads of the files; 0 where they cannot be read."""
        try:
            return int(read_table(self.place(Path()), None).parts[0].vectors.shape[1])
        except DataError:
            return 0

    def prepare(self, root: Path, *, on_bad_image: str = "stop") -> None:
        """Read all vectors once."""
        self.load(root)

    def load(self, root: Path) -> Items:
        """Return all vectors, mapped where they lie; a split by rule is written down.

        Raises:
            DataError: if they are damaged, or no vectors that can be compared.
        """
        place = self.place(root)
        reference = f"{self.name}:{self.argument}" if self.argument else self.name
        try:
            table = read_table(place, root / ".cache" / "vectors")
            fresh = not table.state.settled
            items = _remembered(table.state.digest, lambda: _items(table), fresh=fresh)
        except DataError as error:
            raise DataError(f"{reference}: {error}") from error
        if not _has_queries(items):
            split, stem = self.split(items), place.resolve().stem
            path = root / "manifests" / f"{short_name(stem, 200)}-{split.digest[:12]}.json"
            try:
                write_manifest(path, reference, items, split, self._rule)
            except StoreError as error:
                log.warning("the split's manifest is not kept: %s", error)
        return items

    def split(self, items: Items) -> Split:
        """Return the roles that parts have by their names, or draw them by rule.

        Raises:
            DataError: if a query stands in what is searched or trained on, exactly or nearly.
        """
        roles = self._roles(items)
        drop, said = self._twins(items, roles)
        if len(drop):
            roles = replace(roles, query=np.setdiff1d(roles.query, drop))
        notes = (said,) if said else ()
        taught = np.unique(items.labels[roles.training])
        unseen = len(taught) and not np.isin(items.labels[roles.query], taught).any()
        protocol = "unseen" if unseen else "seen"
        return make_split(items, protocol, roles.training, roles.query, roles.gallery, notes=notes)

    def _roles(self, items: Items) -> _Roles:
        part = np.array([file.partition("/")[0] for file in items.files])
        if not _has_queries(items):
            rows = np.flatnonzero(part != "beside")
            fraction, seed = self.options.get("fraction", 0.2), self.options.get("seed", 0)
            names = [items.files[row] for row in rows]
            query, rest = draw_fraction(names, items.labels[rows], fraction, seed)
            return _Roles(rows[rest], rows[query], rows[rest])
        training, query, gallery = (
            np.flatnonzero(part == role) for role in ("train", "query", "gallery")
        )
        taught = training if len(training) else gallery
        return _Roles(taught, query, gallery if len(gallery) else training)

    @property
    def _rule(self) -> str:
        return (
            f"{self.options.get('fraction', 0.2):g} of a class's vectors are queries, at least 1, "
            f"or 2 of 10 and more, drawn with seed {self.options.get('seed', 0)}; the gallery is "
            "the training set"
        )

    def _twins(self, items: Items, roles: _Roles) -> tuple[Rows, str]:
        """Return queries that stand elsewhere too, and a note; refuse them unless they go."""
        others = np.union1d(roles.training, roles.gallery)
        content = {items.content[row]: row for row in others.tolist()}
        exact = [row for row in roles.query.tolist() if items.content[row] in content]
        if exact and self.options.get("duplicates", "stop") == "stop":
            first = f"{items.files[exact[0]]} is {items.files[content[items.content[exact[0]]]]}"
            raise self._refusal(exact, "stand in the gallery or the training set too", first)
        asked, near = np.setdiff1d(roles.query, exact), self.options.get("near", 1e-3)
        if (
            items.vectors is None
            or not near
            or len(asked) * len(others) * items.width > MOST_PRODUCTS
        ):
            unlooked = "queries near to a gallery vector were not looked for"
            return roles.query[:0], unlooked if near else ""
        vectors, key = items.vectors, (items.version, near, asked.tobytes(), others.tobytes())
        rows, twins = _remembered(key, lambda: near_rows(vectors, asked, others, near))
        if len(rows) and self.options.get("duplicates", "stop") == "stop":
            first = f"{items.files[rows[0]]} and {items.files[twins[0]]}"
            far = f"are within {near:g} of their length of one in the gallery or the training set"
            raise self._refusal(rows.tolist(), far, first)
        return rows, f"{len(rows)} queries dropped: near to a gallery vector" if len(rows) else ""

    def _refusal(self, rows: list[int], what: str, first: str) -> DataError:
        stem = type(self).__module__.rpartition(".")[2]
        return DataError(
            f"{len(rows):,} queries {what} (the first: {first}); --set {stem}.duplicates=drop "
            "leaves them out"
        )


def _remembered(key: Hashable, make: Callable[[], T], *, fresh: bool = False) -> T:
    """Return what was made for a key before, or make it; the last few are kept."""
    if fresh or key not in _FOUND:
        _FOUND[key] = make()
        while len(_FOUND) > _MOST_FOUND:
            _FOUND.popitem(last=False)
    found: T = _FOUND[key]
    return found


def _has_queries(items: Items) -> bool:
    return any(file.startswith("query/") for file in items.files)


def _items(table: Table) -> Items:
    missing = [part.name for part in table.parts if part.labels is None]
    if missing:
        raise DataError(f"{missing[0]} must have a label for each row, got none")
    labels, names = _classes(table.parts)
    content = [digest for part in table.parts for digest in digests(part)]
    files = [file for part in table.parts for file in part.files()]
    said = [names[label] for label in labels.tolist()]
    return Items(
        images=np.empty((len(labels), 3, 0, 0), dtype=np.uint8), labels=labels,
        class_names=names, files=tuple(files), content=tuple(content),
        version=vectors_version(files, content, said), notes=table.notes,
        vectors=VectorRows(tuple(part.vectors for part in table.parts)),
    )  # fmt: skip


def _classes(parts: tuple[Part, ...]) -> tuple[Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Return each row's class and the classes' names: numbers in their order, else text.

    Raises:
        DataError: if there is one class only, or a label is no text.
    """
    found = [part.labels for part in parts if part.labels is not None]
    kinds = {labels.dtype.kind for labels in found}
    if kinds <= set("iub"):
        values, labels = np.unique(np.concatenate(found), return_inverse=True)
        names = [str(value) for value in values.tolist()]
    else:
        texts = np.concatenate([_text(labels) for labels in found])
        values, labels = np.unique(texts, return_inverse=True)
        names = [one_line(value) for value in values.tolist()]
    if len(names) < 2:
        raise DataError(f"labels must be of 2 classes at least, got one: '{''.join(names)}'")
    if len(set(names)) < len(names):
        raise DataError("labels must differ in letters that can be shown")
    return labels.astype(np.int64).ravel(), tuple(names)


def _text(labels: np.ndarray) -> np.ndarray:
    try:
        return np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels.astype(str)
    except UnicodeError as error:
        raise DataError(f"labels must be text in UTF-8, got {error}") from error
