"""Data sets as values: items, splits by role, the training set a method sees, and its batches."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor

from hashquant.data.pixels import ImageSource
from hashquant.data.vectors.rows import VectorRows
from hashquant.errors import DataError, UsageError, unknown_name
from hashquant.settings.names import IDENTITIES
from hashquant.settings.paths import user_path
from hashquant.settings.reading import FLAG, coerce
from hashquant.types import Features, Labels, Mask

Rows = Int64[np.ndarray, " _"]  # any number: the rows of several roles are of no equal length


@dataclass(frozen=True)
class Items:
    """All images of a data set, decoded, or its vectors: what a split points into.

    `images` is uint8 (n, 3, h, w), an array or a read-only memory map; `labels` index
    `class_names`; `files` names each image relative to the set's folder (or describes it);
    `content` is one digest per image, so that equal images are found across roles; `version` is
    the digest of everything the set was read from; `notes` are facts a table must state;
    `skipped` are files that were left out because they are no readable images; `gray` says that
    all images are gray, so that a set of colour images can be made gray to be compared with it;
    `vectors` are the items of a set that says `VECTORS`, whose `images` have no pixels.
    """

    images: UInt8[np.ndarray, "n 3 h w"]
    labels: Int64[np.ndarray, " n"]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    content: tuple[str, ...]
    version: str
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    gray: bool = False
    vectors: VectorRows | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def width(self) -> int:
        """How many values an item has that is a vector; 0 of images."""
        return 0 if self.vectors is None else self.vectors.width


@dataclass(frozen=True)
class Split:
    """Rows of `Items` by role. No query is in the gallery or in the training set.

    `training` may be empty: such a set can be examined, not trained on; a gallery that is the
    training set holds the same rows. `protocol` says how it was drawn; `digest` is the SHA-256 of
    the sorted lines `role<TAB>file`; `notes` are facts a table must state (dropped duplicates, for
    one).
    """

    protocol: str
    training: Rows
    query: Rows
    gallery: Rows
    digest: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingSet:
    """What training may see: no query is reachable from here.

    `images.take(positions)` gives uint8 (b, 3, h, w) on the device; `labels` are
    0 … `num_classes` - 1, and -1 where `labelled` is False: the label of an unlabelled image
    cannot be read. Where a head is trained on a frozen base or trunk, `embeddings` are what that
    gives of all images in order, on the device, and `images` can only be counted.
    """

    images: ImageSource
    labels: Labels
    labelled: Mask
    num_classes: int
    embeddings: Features | None = None


@dataclass(frozen=True)
class Batch:
    """One step's images as trunk features; labelled rows come first, unlabelled labels are -1.

    `indices` are rows of the training set, for methods that keep a state per image. `known` says
    how many rows are labelled: a slice, unlike a mask, is not read back from the device. It is
    counted where it is not said. `step` counts from 0 through the whole run of `steps`, `epoch`
    likewise through `epochs`. `second` is the embedding of these images' second view, where a
    method asks for `views`; `teacher` what the moving average of the network makes of the first
    view, without gradient, where it asks for an `average_decay`.

    Raises:
        ValueError: if `known` has to be counted and an unlabelled row stands before a labelled one.
    """

    features: Tensor
    labels: Tensor
    labelled: Tensor
    indices: Tensor
    known: int = -1
    epoch: int = 0
    epochs: int = 1
    step: int = 0
    steps: int = 1
    second: Tensor | None = None
    teacher: Tensor | None = None

    def __post_init__(self) -> None:
        if self.known < 0:
            known = int(self.labelled.sum())
            if not bool(self.labelled[:known].all()):
                raise ValueError(f"labelled must be {known} true rows first, got another order")
            object.__setattr__(self, "known", known)


class Dataset(ABC):
    """A source of images. A plug-in file defines one subclass.

    `NAMES` are the names a user may ask for; `argument` is what follows a colon (`folder:PATH`).
    """

    #: name → one line: what it is and how it is split. Literals only: read without importing.
    NAMES: ClassVar[Mapping[str, str]]
    #: name → what readers call it; without one, the name itself. Literals, as NAMES.
    DISPLAY: ClassVar[Mapping[str, str]] = {}
    #: what its classes are, for the words of a report: "identities" (people) or "classes"
    class_noun: ClassVar[str] = IDENTITIES
    #: what `--set <file stem>.key=value` may change: each name → its type, with its range
    OPTIONS: ClassVar[Collection[str]] = ()
    #: name → the name of other identities of the same set, examined only (protocol "unseen")
    UNSEEN: ClassVar[Mapping[str, str]] = {}
    #: class names are people's names, so that identities shared with another set can be removed
    PEOPLE: ClassVar[bool] = False
    #: licence or terms of use, printed by `data` and before any download
    terms: ClassVar[str]
    #: its items are vectors: they enter no trunk, and nothing can be shown of them
    VECTORS: ClassVar[bool] = False
    #: whether these terms let anybody show the images, as a retrieval sheet does
    may_show: ClassVar[bool] = False
    #: entries for reports: a BibTeX string
    citation: ClassVar[str] = ""

    def __init__(
        self, name: str, argument: str = "", options: Mapping[str, str] | None = None
    ) -> None:
        """Choose one of `NAMES`, and options.

        Raises:
            UsageError: as `read_options` does.
        """
        self.name = name
        self.argument = argument
        #: told how many files of how many are decoded; whoever wants to watch sets it
        self.progress: Callable[[int, int], None] | None = None
        self.options = self.read_options(name, options or {})

    def given_path(self) -> Path:
        """Return PATH of `name:PATH`, seen from where the command was given.

        Raises:
            UsageError: if no path was given, or one that the system cannot follow.
        """
        if not self.argument:
            rule = f"must be written as {self.name}:PATH"
            raise UsageError(f"dataset '{self.name}' {rule}, got no path")
        return user_path(self.argument, f"dataset {self.name}:PATH")

    @classmethod
    def read_options(
        cls, name: str, options: Mapping[str, str]
    ) -> dict[str, Any]:  # Any: each of its own type
        """Return options as the types that `OPTIONS` declares; as text where it only names them.

        Raises:
            UsageError: for an option that this set does not have, or a value out of its range.
        """
        declared = cls.OPTIONS if isinstance(cls.OPTIONS, Mapping) else {}
        types = {k: hint for k, hint in declared.items() if not isinstance(hint, tuple)}
        for key in options:
            if key not in cls.OPTIONS:
                raise unknown_name(f"option of {name}", key, cls.OPTIONS)
        flag = f"{FLAG}{cls.__module__.rpartition('.')[2]}."
        return {k: coerce(v, types.get(k, str), flag + k) for k, v in options.items()}

    def number(
        self, key: str, default: int | float, *, low: int | float, high: int | float
    ) -> float:
        """Return an option as a number; a whole one where `default` is an `int`.

        For options that `OPTIONS` only names: a type declared there says more, and once.

        Raises:
            UsageError: if it is none, or not within `low` … `high`.
        """
        text = self.options.get(key, str(default))
        whole = isinstance(default, int)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high or (whole and value % 1):
            kind = "a whole number" if whole else "a number"
            raise UsageError(
                f"{self.name}: {key} must be {kind} within {low:,} … {high:,}, got '{text}'"
            )
        return value

    @property
    def people(self) -> bool:
        """Whether class names are people's names."""
        return self.PEOPLE

    @property
    def width(self) -> int:
        """How many values a vector has, told before anything is loaded; 0 where that is not known.

        Of sets that say `VECTORS`: a plan asks for it, where torch is not imported (ADR 0014).
        """
        return 0

    @abstractmethod
    def prepare(self, root: Path, *, on_bad_image: str = "stop") -> None:
        """Make the set loadable below `root`: download, verify, decode once.

        Raises:
            DataError: if files are missing and cannot be fetched, or are damaged.
        """

    @abstractmethod
    def load(self, root: Path) -> Items:
        """Return every image, decoded. `prepare` was called before."""

    @abstractmethod
    def split(self, items: Items) -> Split:
        """Return the roles of `items` for this name, the same ones on every call."""


def split_digest(items: Items, roles: Mapping[str, Rows]) -> str:
    """Return the SHA-256 of the lines `role<TAB>file`, roles and files sorted."""
    lines = [f"{role}\t{items.files[i]}" for role in sorted(roles) for i in roles[role]]
    return lines_digest(lines)


def lines_digest(lines: list[str]) -> str:
    """Return the SHA-256 of the lines `role<TAB>file`, sorted."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def make_split(
    items: Items,
    protocol: str,
    training: Rows,
    query: Rows,
    gallery: Rows,
    *,
    notes: tuple[str, ...] = (),
) -> Split:
    """Check the laws of a split and seal it with its digest.

    A query whose image also stands, byte for byte, in the gallery or the training set is dropped
    from the queries and counted in the notes.

    Raises:
        DataError: if query or gallery is empty, or no query has a relevant gallery image.
    """
    seen = {items.content[i] for rows in (training, gallery) for i in rows}
    keep = np.array([items.content[i] not in seen for i in query], dtype=bool)
    if not keep.all():
        first = items.files[query[~keep][0]]
        text = f"{int((~keep).sum())} queries dropped: the same image is in gallery or training"
        notes = (*notes, f"{text} (the first: {first})")
    query = query[keep] if len(query) else query
    for role, rows in (("query", query), ("gallery", gallery)):
        if not len(rows):
            raise DataError(f"split '{protocol}' must have {role} images, got none")
    enrolled = set(items.labels[gallery].tolist())
    if not enrolled.intersection(items.labels[query].tolist()):
        raise DataError(f"split '{protocol}': no query's identity has a gallery image")
    roles = {"query": query}
    if len(training):
        roles["training"] = training
    if not np.array_equal(training, gallery):
        roles["gallery"] = gallery
    return Split(protocol, training, query, gallery, split_digest(items, roles), notes)
