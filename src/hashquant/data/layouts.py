"""Layouts of image folders: which files belong to a set, and what role each plays.

`Parts` are two folders, one per role; `Listed` are the files that a manifest names; `ByRule` draws
roles per identity from a seed. Identities are compared by name, never by index.
"""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from hashquant.data.imagecache import FileList
from hashquant.data.items import Items, Split, make_split
from hashquant.data.manifests import read_manifest, split_by_manifest
from hashquant.data.splits import draw_fraction
from hashquant.errors import DataError

#: left behind by file managers, not by the set's authors
_LITTER = ("thumbs.db", "desktop.ini", "__macosx")


@runtime_checkable
class Layout(Protocol):
    """Which files a set has and what role each plays."""

    @property
    def depth(self) -> int:
        """How many folders stand before the identity's in a file's relative name."""

    @property
    def label(self) -> str:
        """A short name that tells it from other layouts of the same folder."""

    def find(self, folder: Path) -> FileList:
        """Return the set's files below `folder`.

        Raises:
            DataError: if they cannot form a split.
        """

    def split(self, items: Items) -> Split:
        """Return the roles of `items`."""


@dataclass(frozen=True)
class Parts:
    """Two folders of identity folders: the gallery, which is trained on if `trained`, and queries.

    The layout that OPQN's authors use: `train/` and `test/`, or `cross_train/` and `cross_test/`.
    """

    gallery: str = "train"
    query: str = "test"
    trained: bool = True
    depth: ClassVar[int] = 1

    @property
    def label(self) -> str:
        """The names of both parts."""
        return f"{self.gallery}-{self.query}"

    def find(self, folder: Path) -> FileList:
        """Return all files of both parts.

        Raises:
            DataError: if a part is missing or empty, or their identities differ.
        """
        for part in (self.gallery, self.query):
            if not (folder / part).is_dir():
                raise DataError(
                    f"{folder} must have {self.gallery}/ and {self.query}/ with one folder per "
                    f"identity, got no {part}/"
                )
        names = {p: _scan(folder / p) for p in (self.gallery, self.query)}
        named = [set(identities(tuple(found), 0)[0]) for found in names.values()]
        self._check(named[0], named[1], str(folder))
        return file_list(folder, [f"{part}/{n}" for part, found in names.items() for n in found])

    def split(self, items: Items) -> Split:
        """Return gallery and queries by part."""
        part = np.array([f.partition("/")[0] for f in items.files])
        gallery, query = np.flatnonzero(part == self.gallery), np.flatnonzero(part == self.query)
        named = [{items.class_names[i] for i in items.labels[r]} for r in (gallery, query)]
        self._check(named[0], named[1], "the images that can be read")
        training = gallery if self.trained else gallery[:0]
        protocol = "seen" if self.trained else "unseen"
        return make_split(items, protocol, training, query, gallery)

    def _check(self, gallery: set[str], query: set[str], where: str) -> None:
        for have, other, part in (
            (gallery, query, self.query),
            (query, gallery, self.gallery),
        ):
            missing = sorted(have - other)
            if missing:
                raise DataError(
                    f"{where}: {self.gallery}/ and {self.query}/ must hold the same identities, "
                    f"got {len(missing)} without images in {part}/, the first is {missing[0]}"
                )


@dataclass(frozen=True)
class Listed:
    """The files that a manifest names, in the roles that it gives them."""

    manifest: Path
    depth: ClassVar[int] = 0

    @property
    def label(self) -> str:
        """The manifest's name."""
        return self.manifest.stem

    def find(self, folder: Path) -> FileList:
        """Return the files of all roles.

        Raises:
            DataError: if one is missing, or the manifest is damaged.
        """
        roles = read_manifest(self.manifest).roles.values()
        return file_list(folder, {name for names in roles for name in names})

    def split(self, items: Items) -> Split:
        """Return the roles that the manifest lists."""
        return split_by_manifest(items, read_manifest(self.manifest))


@dataclass(frozen=True)
class ByRule:
    """One folder per identity; `fraction` of each identity's images are queries, by `seed`."""

    fraction: float = 0.2
    seed: int = 0
    depth: ClassVar[int] = 0

    @property
    def label(self) -> str:
        """One word: all rules take all files."""
        return "all"

    def find(self, folder: Path) -> FileList:
        """Return all files.

        Raises:
            DataError: if an identity has fewer than two images.
        """
        names = _scan(folder)
        found, counts = np.unique([n.partition("/")[0] for n in names], return_counts=True)
        single = found[counts < 2]
        if len(single):
            raise DataError(
                f"{folder}: an identity must have at least 2 images, a query and a gallery image, "
                f"got 1 for {len(single)} of {len(found)}, the first is {single[0]}"
            )
        return file_list(folder, names)

    def split(self, items: Items) -> Split:
        """Return queries drawn per identity; the others are gallery and training set."""
        query, rest = draw_fraction(items.files, items.labels, self.fraction, self.seed)
        return make_split(items, "seen", rest, query, rest)

    @property
    def rule(self) -> str:
        """The rule in words, for a manifest."""
        return (
            f"{self.fraction:g} of an identity's images are queries, at least 1, or 2 of 10 and "
            f"more, drawn with seed {self.seed}; the gallery is the training images"
        )


def file_list(folder: Path, names: Iterable[str]) -> FileList:
    """Return files below `folder`, sorted by name, with their sizes and change times.

    Raises:
        DataError: if a file is missing: how many are, and the first.
    """
    stamps, missing = [], []
    ordered = tuple(sorted(names))
    base = os.fspath(folder)
    for name in ordered:
        try:
            stat = os.stat(f"{base}/{name}")  # noqa: PTH116  # a Path a file costs more than stat
            stamps.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            missing.append(name)
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {len(ordered)} images are missing, "
            f"the first is {missing[0]}"
        )
    return FileList(folder, ordered, np.array(stamps, dtype=np.int64).reshape(-1, 2))


def identities(
    files: tuple[str, ...], depth: int
) -> tuple[tuple[str, ...], Int64[np.ndarray, " n"]]:
    """Return the identities' names, sorted, and each file's index into them.

    >>> identities(("train/b/1.png", "train/a/1.png", "test/b/2.png"), 1)
    (('a', 'b'), array([1, 0, 1]))
    """
    named = [unicodedata.normalize("NFC", f.split("/")[depth]) for f in files]
    index = {name: i for i, name in enumerate(sorted(set(named)))}
    return tuple(index), np.array([index[name] for name in named], dtype=np.int64)


def _scan(folder: Path) -> list[str]:
    """Return `identity/…/file` for all files of all identities, hidden ones left out."""
    names = []
    kept = [e.name for e in os.scandir(folder) if e.is_dir() and not _ignored(e.name)]
    for identity in sorted(kept):
        found = []
        for at, folders, files in os.walk(folder / identity):
            folders[:] = [f for f in folders if not _ignored(f)]
            below = Path(at).relative_to(folder).as_posix()
            found += [f"{below}/{f}" for f in files if not _ignored(f)]
        if not found:
            raise DataError(
                f"{folder}: an identity's folder must hold images, got none in {identity}"
            )
        names += found
    if len(kept) < 2:
        got = f"1 ({kept[0]})" if kept else "none"
        raise DataError(f"{folder} must have folders of at least 2 identities, got {got}")
    _check_encoding(names, folder)
    return names


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _check_encoding(names: list[str], folder: Path) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{folder}: file names must be UTF-8, got {name!a}") from error
