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
from hashquant.data.standing.levels import check_levels, one_level_up
from hashquant.data.standing.walk import Found, find_identities
from hashquant.errors import DataError


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
    Images may stand in folders inside an identity's; unless `nested`, at least one identity of
    each part must hold one itself, as a folder of the wrong level does not. `others` are folders
    beside the two parts that the notes say were left out.
    """

    gallery: str = "train"
    query: str = "test"
    trained: bool = True
    nested: bool = True
    others: tuple[str, ...] = ()
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
                    f"identity, got no {part}/{_spelled_otherwise(folder, part)}"
                )
        way_out = f"say --set folder.parts={self.gallery}/{self.query}"
        found = {
            part: _scan(folder / part, "" if self.nested else way_out)
            for part in (self.gallery, self.query)
        }
        named = [set(identities(tuple(part.names), 0)[0]) for part in found.values()]
        self._check(named[0], named[1], str(folder))
        names = [f"{part}/{name}" for part, inside in found.items() for name in inside.names]
        notes = tuple(f"{part}/: {n}" for part, inside in found.items() for n in inside.notes)
        if self.others:
            beside = ", ".join(f"{name}/" for name in self.others[:3])
            more = f" and {len(self.others) - 3} more" if len(self.others) > 3 else ""
            notes = (*notes, f"left out beside {self.gallery}/ and {self.query}/: {beside}{more}")
        return file_list(folder, names, notes=notes, scanned=True)

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
    """One folder per identity; `fraction` of each identity's images are queries, by `seed`.

    Images may stand in folders inside an identity's; unless `nested`, at least one identity must
    hold one itself, as a folder of the wrong level does not.
    """

    fraction: float = 0.2
    seed: int = 0
    nested: bool = False
    depth: ClassVar[int] = 0

    @property
    def label(self) -> str:
        """One word: all rules take all files."""
        return "all"

    def find(self, folder: Path) -> FileList:
        """Return all files.

        Raises:
            DataError: if an identity has fewer than two images, or folders are of another level.
        """
        way_out = "if it is an identity all the same, say --set folder.parts=none"
        standing = _scan(folder, "" if self.nested else way_out)
        names = standing.names
        found, counts = np.unique([n.partition("/")[0] for n in names], return_counts=True)
        single = found[counts < 2]
        if len(single):
            raise DataError(
                f"{folder}: an identity must have at least 2 images, a query and a gallery image, "
                f"got 1 for {len(single)} of {len(found)}, the first is {single[0]}"
            )
        return file_list(folder, names, notes=standing.notes, scanned=True)

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


def file_list(
    folder: Path, names: Iterable[str], *, notes: tuple[str, ...] = (), scanned: bool = False
) -> FileList:
    """Return files below `folder`, sorted by name, with their sizes and change times.

    Of `scanned` names, that were found there, a link that leads nowhere is kept, as an image that
    cannot be read; a list's own file that is missing would make another split, and is refused
    whatever is skipped.

    Raises:
        DataError: if a file is missing: how many are, and the first.
    """
    stamps, missing = [], []
    ordered = tuple(sorted(names))
    base = os.fspath(folder)
    for name in ordered:
        try:
            stat = os.stat(f"{base}/{name}")  # noqa: PTH116  # a Path a file costs more than stat
        except OSError:
            if not (scanned and os.path.islink(f"{base}/{name}")):  # noqa: PTH114
                missing.append(name)
                continue
            stat = os.lstat(f"{base}/{name}")
        stamps.append((stat.st_size, stat.st_mtime_ns))
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {len(ordered)} images are missing, "
            f"the first is {missing[0]}"
        )
    return FileList(folder, ordered, np.array(stamps, dtype=np.int64).reshape(-1, 2), notes)


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


def _scan(folder: Path, way_out: str) -> Found:
    """Return what stands in a folder of identities; with a `way_out`, of the right level."""
    found = find_identities(folder)
    if way_out:
        check_levels(folder, found, way_out)
    if len(found.files) < 2:
        got = f"1 ({next(iter(found.files))})" if found.files else "none"
        raise DataError(
            f"{folder} must have folders of at least 2 identities, got {got}"
            f"{'' if found.files else one_level_up(folder, found.loose)}"
        )
    return found


def _spelled_otherwise(folder: Path, part: str) -> str:
    """Say that a part stands there under the same name in other letters."""
    same = [path.name for path in folder.iterdir() if path.name.lower() == part]
    return f": rename {same[0]}/ to {part}/" if same else ""
