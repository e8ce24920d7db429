"""Data sets made ready for the device: roles as image sources, labels as numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from hashquant.data.disjoint import Seen, without_overlap
from hashquant.data.items import Dataset, Items, Rows, Split, TrainingSet
from hashquant.data.pixels import ImageSource, Origin
from hashquant.data.splits import draw_fraction
from hashquant.data.vectors.source import VectorSource
from hashquant.errors import DataError, UsageError
from hashquant.machine.environment import free_bytes
from hashquant.plugins import registry
from hashquant.plugins.reading import names_people, read_dataset, same_split
from hashquant.records.gate import OTHER_CLASSES, VALIDATION
from hashquant.runs.targets import Target
from hashquant.settings.suite import RunSpec, lowest
from hashquant.settings.trunknames import NONE
from hashquant.types import Labels

#: Share of each class's training images that `selection: validation` holds out as queries.
VALIDATION_SHARE = 0.1
_PROTOCOL_SEED = 0  # of the validation split: never a run's


@dataclass(frozen=True)
class Examination:
    """What a trained model is examined on: gallery and queries of one target.

    `examined` says what decides the outcome beside run and split, for a target that is not the
    training set: its version and what was done to its images. `notes` are facts to be stated.
    """

    target: str
    protocol: str
    split_digest: str
    gallery: ImageSource
    gallery_labels: Int64[Tensor, " g"]
    query: ImageSource
    query_labels: Int64[Tensor, " q"]
    notes: tuple[str, ...] = ()
    norm_stats: str = "source"
    version: str = ""
    adapter: str = ""

    @property
    def examined(self) -> tuple[str, ...]:
        """What else decides the outcome; nothing for the training set's own split."""
        options = (self.version, self.adapter, self.norm_stats)
        return options if self.version or self.norm_stats != "source" else ()


@dataclass(frozen=True)
class Prepared:
    """A training set, loaded once for all its cells, and what its models will have seen.

    `training` is None for a set that can only be examined. With `selection: validation`,
    `validation` holds queries carved from the training images, whose gallery are the others.
    `width` is how many values each has where they are vectors, else 0.
    """

    version: str
    split: Split
    notes: tuple[str, ...]
    training: TrainingSet | None
    validation: Examination | None
    seen: Seen
    gray: bool
    width: int = 0


@dataclass(frozen=True)
class Place:
    """Where images are read from, where they are put, and who is told while files are decoded.

    With `resident` false none are put on the device before they are asked for.
    """

    root: Path
    device: torch.device
    on_bad_image: str = "stop"
    progress: Callable[[int, int], None] | None = None
    resident: bool = True


def prepare(dataset: Dataset, reference: str, place: Place, spec: RunSpec) -> Prepared:
    """Load a training set and put its images on the device, or in its reach.

    No query or gallery image is read here.

    Raises:
        DataError: if the images are missing or damaged, or form no split.
        UsageError: if the stored images are smaller than the crop that enters the trunk.
    """
    items, split = _read(dataset, reference, place, spec)
    rows, held = split.training, split.training[:0]
    if spec.selection == "validation" and len(rows):
        names = [items.files[row] for row in rows]
        query, rest = draw_fraction(names, items.labels[rows], VALIDATION_SHARE, _PROTOCOL_SEED)
        rows, held = rows[rest], rows[query]
    people = names_people(dataset)
    seen = Seen.of(reference, family_of(reference), people, items, split.training)
    training = None
    if len(rows):
        training = _training_set(_source(items, rows, place, spec), items, rows)
    validation = None
    if training is not None and len(held):
        validation = Examination(
            reference, VALIDATION, "", training.images, _labels(items, rows, place),
            _source(items, held, place, spec), _labels(items, held, place),
        )  # fmt: skip
    notes = (*items.notes, *split.notes)
    if len(held):
        notes = (*notes, f"{len(held)} training images held out for validation")
    return Prepared(
        items.version, split, notes, training, validation, seen, items.gray, items.width
    )


def prepare_target(
    dataset: Dataset, target: Target, place: Place, spec: RunSpec, trained: Prepared
) -> Examination:
    """Load what a model trained on `trained` is examined on.

    Another set than the training set loses the images and identities that both have, and its
    colours where the training set is gray; both are noted.

    Raises:
        DataError: if the images are missing or damaged, or nothing remains to examine.
        UsageError: if the stored images are smaller than the crop that enters the trunk.
    """
    items, split = _read(dataset, target.dataset, place, spec)
    own = target.dataset == trained.seen.dataset
    protocol, gray = split.protocol, False
    if items.width != trained.width:
        raise DataError(
            f"{target.dataset} must hold {_kind(trained.width)}, as {trained.seen.dataset} that "
            f"was trained on, got {_kind(items.width)}"
        )
    if own:
        same_split(target.dataset, (trained.version, trained.split), (items.version, split))
    else:
        split = without_overlap(
            items, split, trained.seen, target=target.dataset, family=family_of(target.dataset),
            people=names_people(dataset),
            way_out=_not_people(target.dataset, trained.seen.dataset),
        )  # fmt: skip
        gray = trained.gray and not items.gray
        protocol = protocol_of(target.dataset, split.protocol, trained.seen)
    gallery = split.gallery
    if own and trained.training is not None and np.array_equal(gallery, split.training):
        same = len(trained.training.images) == len(gallery)
        source = trained.training.images if same else _source(items, gallery, place, spec)
    else:
        source = _source(items, gallery, place, spec, gray=gray)
    return Examination(
        target=target.name, protocol=protocol, split_digest=split.digest,
        gallery=source, gallery_labels=_labels(items, gallery, place),
        query=_source(items, split.query, place, spec, gray=gray),
        query_labels=_labels(items, split.query, place),
        notes=trained.notes if own else (*items.notes, *split.notes),
        norm_stats=target.norm_stats,
        version="" if own else items.version, adapter="gray" if gray else "",
    )  # fmt: skip


def held_out(
    dataset: Dataset, reference: str, place: Place, spec: RunSpec, trained: Prepared
) -> Examination | None:
    """Return queries held out from the classes of a training set; None where it has none.

    They are its validation images where some were held out, else those of its own split.
    """
    if trained.validation is not None:
        return trained.validation
    try:
        own = prepare_target(dataset, Target(reference), place, spec, trained)
    except DataError:
        return None
    return None if own.protocol in OTHER_CLASSES else own


def protocol_of(reference: str, protocol: str, seen: Seen) -> str:
    """Return how a target other than the training set is named: "unseen" or "cross"."""
    same = family_of(reference) == seen.family
    return "unseen" if same and protocol == "unseen" else "cross"


def family_of(reference: str) -> str:
    """Return what a set's class names are unique within: its module, and for a folder its path."""
    return f"{registry.entry('dataset', reference).module}:{reference.partition(':')[2]}"


def _not_people(*references: str) -> str:
    """Return how a user says that names are not people's, where a set lets them say so."""
    if family_of(references[0]) == family_of(references[1]):
        return ""
    for name in references:
        if "people" in registry.dataset_class(name).OPTIONS:
            return (
                "if the names are numbers or belong to other people, "
                f"--set {registry.dataset_stem(name)}.people=no"
            )
    return ""


def _read(dataset: Dataset, reference: str, place: Place, spec: RunSpec) -> tuple[Items, Split]:
    dataset.progress = place.progress
    items, split = read_dataset(dataset, reference, place.root, on_bad_image=place.on_bad_image)
    if items.vectors is not None:
        _check_width(items.width, reference, dataset, spec)
        return items, split
    side = spec.resize or min(items.images.shape[2:])
    if side < spec.image_size:
        raise UsageError(
            f"resize must be at least image_size {spec.image_size} for {reference}, whose images "
            f"have a short side of {side} pixels"
        )
    return items, split


def _check_width(width: int, reference: str, dataset: Dataset, spec: RunSpec) -> None:
    """Hold vectors to what was planned of them, where they are trained on."""
    if spec.trunk != NONE:
        if reference != spec.dataset:
            return  # a target of other items, which is refused as such
        planned = "images" if not dataset.VECTORS else "none that could be read"
    elif reference != spec.dataset or width == lowest(spec).features:
        return
    else:
        planned = _kind(lowest(spec).features)
    raise DataError(f"{reference} holds {_kind(width)}, planned were {planned}")


def _kind(width: int) -> str:
    return f"vectors of {width} values" if width else "images"


def _source(
    items: Items, rows: Rows, place: Place, spec: RunSpec, *, gray: bool = False
) -> ImageSource:
    # Several roles share what is free.
    share = free_bytes(place.device) // 6 if place.resident else 0
    if items.vectors is not None:
        return VectorSource(items.vectors, rows, device=place.device, resident_bytes=share)
    origin = Origin(items.content, rows, place.root, place.progress)
    return ImageSource(
        items.images, rows, resize=spec.resize, device=place.device, gray=gray, origin=origin,
        resident_bytes=share if spec.trunk_rate else 0,  # a frozen trunk sees each image once
    )  # fmt: skip


def _training_set(images: ImageSource, items: Items, rows: Rows) -> TrainingSet:
    classes, labels = np.unique(items.labels[rows], return_inverse=True)
    return TrainingSet(
        images=images,
        labels=torch.from_numpy(labels.astype(np.int64)),
        labelled=torch.ones(len(labels), dtype=torch.bool),
        num_classes=len(classes),
    )


def _labels(items: Items, rows: Rows, place: Place) -> Labels:
    return torch.from_numpy(items.labels[rows].astype(np.int64)).to(place.device)
