"""Data sets read from folders of images, one folder per identity or class.

`FolderDataset` serves the face sets and anybody's own images; `PublishedDataset` the sets that
come as array files (CIFAR-10, Fashion-MNIST), of which a folder copy is taken too.
"""

import os
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from jaxtyping import Int64, UInt8

from hashquant.data.imagecache import FileList, decode_once
from hashquant.data.images import (
    MOST_PIXELS,
    Geometry,
    allow_pixels,
    content_digests,
    short_side,
    version_digest,
)
from hashquant.data.items import Dataset, Items, Split, make_split
from hashquant.data.layouts import Layout, Parts, identities
from hashquant.data.splits import draw_per_class
from hashquant.data.standing.levels import beside, why_no_folder
from hashquant.data.standing.published import CHANGED, UNVERIFIED
from hashquant.errors import DataError
from hashquant.machine.filenames import short_name
from hashquant.settings.ranges import Range

_SAMPLE = 32  # images whose size is looked at before the stored size is chosen
_PROTOCOL_SEED = 0  # of the protocol, never of a run


class FolderDataset(Dataset):
    """A data set read from `root/<folder>`; a plug-in names the folder and chooses the layout."""

    folder: ClassVar[str]
    #: stored pixels a side, at most: sets of smaller images keep their size
    size: ClassVar[int] = 64
    #: what is cut out of every image first
    box: ClassVar[tuple[int, int, int, int] | None] = None
    #: where a user gets it
    source: ClassVar[str] = ""
    #: all images are gray
    gray: ClassVar[bool] = False
    #: images are those of a published set, of which no official digests are known
    unverified: ClassVar[bool] = False
    #: options of `--set <file stem>.name=value`, by name; Any: types
    OPTIONS: ClassVar[Mapping[str, Any]] = {
        "size": Annotated[int, Range(8, 1024)],
        "pixels": Annotated[int, Range(1, 2**40)],
    }

    def __init__(
        self, name: str, argument: str = "", options: Mapping[str, str] | None = None
    ) -> None:
        """Choose one of `NAMES`.

        Raises:
            UsageError: for an option that this set does not have, or a size that is no number.
        """
        super().__init__(name, argument, options)
        self.stored_size = int(self.options.get("size", self.size))
        #: the most pixels of one image
        self.most_pixels = int(self.options.get("pixels", MOST_PIXELS))

    @abstractmethod
    def layout(self) -> Layout:
        """Return how the files are laid out for this name."""

    def place(self, root: Path) -> Path:
        """Return the folder of this set."""
        return root / self.folder

    def obtain(self, root: Path) -> None:
        """Fetch the set into `root`; by default it has no public address.

        Raises:
            DataError: if it cannot be fetched.
        """
        raise DataError("it has no address to download it from")

    def prepare(self, root: Path, *, on_bad_image: str = "stop") -> None:
        """Fetch the set if its folder is missing, and decode it once."""
        place = self.place(root)
        if not os.path.lexists(place):
            try:
                self.obtain(root)
            except DataError as error:
                raise self._missing(place, f" ({error})") from error
        self._read(root, on_bad_image)

    def load(self, root: Path) -> Items:
        """Return every image, decoded; what was skipped or left out is said in the notes."""
        return self._read(root, None)

    def split(self, items: Items) -> Split:
        """Return the roles that the layout gives."""
        return self.layout().split(items)

    def _read(self, root: Path, on_bad_image: str | None) -> Items:
        folder = self.place(root)
        fault = why_no_folder(folder)
        if fault:
            raise DataError(f"{self.name}: {folder} must be a folder of images, {fault}")
        if not folder.is_dir():
            raise self._missing(folder)
        layout = self.layout()
        files = layout.find(folder)
        allow_pixels(self.most_pixels)
        geometry = Geometry(self._size_of(files), self.box)
        # No more than cut: folder and files are in the cache's name by their digests.
        label = short_name(re.sub(r"\W", "_", f"{folder.name[:40]}-{layout.label}"), 200)
        found = decode_once(
            files, geometry, root, name=label, on_bad_image=on_bad_image, progress=self.progress
        )
        names, labels = identities(found.names, layout.depth)
        skipped = len(found.skipped)
        notes = (*((UNVERIFIED,) if self.unverified else ()), *files.notes)
        notes = (*notes, f"{skipped} unreadable images skipped") if skipped else notes
        return Items(
            images=found.images, labels=labels, class_names=names, files=found.names,
            content=found.content, version=found.version, notes=notes, skipped=found.skipped,
            gray=self.gray,
        )  # fmt: skip

    def _missing(self, folder: Path, why: str = "") -> DataError:
        hint = beside(folder)
        text = f"{self.name}: folder {folder} must be there, it is missing{why}"
        text = f"{text}; {hint}" if hint else text
        return DataError(f"{text}. {self.source}." if self.source else f"{text}.")

    def _size_of(self, files: FileList) -> int:
        """Return the stored size: images are not blown up beyond what the set has."""
        if self.box is not None:
            return self.stored_size
        step = max(len(files.names) // _SAMPLE, 1)
        largest = max(short_side(files.folder / name) for name in files.names[::step])
        return min(self.stored_size, largest) or self.stored_size


@dataclass(frozen=True)
class Part:
    """One part of a set as published: images, class of each, and the classes' names.

    Raises:
        DataError: unless each image has the label of a class.
    """

    images: UInt8[np.ndarray, "n 3 h w"]
    labels: Int64[np.ndarray, "_"]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        count, classes = len(self.images), len(self.class_names)
        if len(self.labels) != count or not np.isin(self.labels, np.arange(classes)).all():
            raise DataError(f"{count} images must have a label of 0 … {classes - 1} each")


class PublishedDataset(FolderDataset):
    """A set that comes as array files in `train` and `test`; a folder copy is said to be one.

    Three protocols by the end of the name. None (I-a): 100 queries and 500 training images a
    class, the gallery is what remains. `-1` (I-b): the same, and the gallery holds the training
    images too. `-2` (II): `train` is training set and gallery, `test` are the queries.
    """

    #: where the published files lie, below the data folder
    published: ClassVar[str]
    #: queries and training images of a class under I-a and I-b
    per_class: ClassVar[tuple[int, int]] = (100, 500)
    #: queries are drawn from `test` and training images from `train`, or both from everything
    drawn_by_part: ClassVar[bool]

    @abstractmethod
    def read(self, root: Path, part: str) -> Part:
        """Return the part "train" or "test" as published.

        Raises:
            DataError: if its files are missing or damaged.
        """

    def layout(self) -> Layout:
        """Return the parts of a folder copy."""
        return Parts()

    def prepare(self, root: Path, *, on_bad_image: str = "stop") -> None:
        """Check the published files, or decode a folder copy, or download.

        Raises:
            DataError: if there is neither, and downloading fails.
        """
        if not (root / self.published).is_dir() and self.place(root).is_dir():
            super().prepare(root, on_bad_image=on_bad_image)
            return
        try:
            self._check(root)
        except DataError as damage:
            try:
                self.obtain(root)
            except DataError as error:
                raise DataError(f"{damage} Downloading failed: {error}.") from error
            self._check(root)

    def _check(self, root: Path) -> None:
        if not (root / self.published).is_dir():
            raise self._missing(root / self.published)
        for part in ("train", "test"):
            self.read(root, part)

    def load(self, root: Path) -> Items:
        """Return every image, `train` before `test` as published, by name from a copy."""
        if not (root / self.published).is_dir():
            if not self.place(root).is_dir():
                raise self._missing(root / self.published)
            items = super().load(root)
            form = "JPEG folder" if items.files[0].lower().endswith((".jpg", ".jpeg")) else "folder"
            note = (
                f"a {form} copy of {len(items)} images, {CHANGED}; the original index order is lost"
            )
            return replace(items, notes=(note, *items.notes))
        parts = {part: self.read(root, part) for part in ("train", "test")}
        images = np.concatenate([part.images for part in parts.values()])
        files = tuple(
            f"{name}/{part.class_names[label].replace('/', '-')}/{index:05d}"
            for name, part in parts.items()
            for index, label in enumerate(part.labels)
        )
        content = content_digests(images)
        return Items(
            images=images, labels=np.concatenate([part.labels for part in parts.values()]),
            class_names=parts["train"].class_names, files=files, content=content,
            version=version_digest(files, content), gray=self.gray,
        )  # fmt: skip

    def split(self, items: Items) -> Split:
        """Return the roles of the protocol that the name ends in."""
        is_train = np.array([file.startswith("train/") for file in items.files])
        train, test = np.flatnonzero(is_train), np.flatnonzero(~is_train)
        if self.name.endswith("-2"):
            return make_split(items, "II", train, test, train)
        everything = np.arange(len(items))
        from_query, from_training = (
            (test, train) if self.drawn_by_part else (everything, everything)
        )
        query = _draw(items, from_query, self.per_class[0])
        training = _draw(items, np.setdiff1d(from_training, query), self.per_class[1])
        gallery = np.setdiff1d(everything, query)
        if self.name.endswith("-1"):
            return make_split(items, "I-b", training, query, gallery)
        return make_split(items, "I-a", training, query, np.setdiff1d(gallery, training))


def _draw(items: Items, rows: Int64[np.ndarray, " r"], per_class: int) -> Int64[np.ndarray, " d"]:
    names = [items.files[row] for row in rows]
    drawn = draw_per_class(names, items.labels[rows], [per_class], _PROTOCOL_SEED)[0]
    return np.asarray(rows[drawn])
