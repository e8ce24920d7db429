"""A data set made ready for the device: its roles as image sources, its labels as numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from hashquant.config import RunSpec
from hashquant.data import Dataset, Items, Split, TrainingSet
from hashquant.environment import free_bytes
from hashquant.errors import UsageError
from hashquant.pixels import ImageSource
from hashquant.types import Labels


@dataclass(frozen=True)
class Examination:
    """What a trained model is examined on: gallery and queries of one target."""

    target: str
    protocol: str
    split_digest: str
    gallery: ImageSource
    gallery_labels: Int64[Tensor, " g"]
    query: ImageSource
    query_labels: Int64[Tensor, " q"]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """One data set, loaded once for all its cells.

    `training` is None for a set that can only be examined.
    """

    version: str
    split: Split
    training: TrainingSet | None
    examination: Examination


def prepare(
    dataset: Dataset, reference: str, root: Path, spec: RunSpec, device: torch.device,
    *, on_bad_image: str = "stop",
) -> Prepared:  # fmt: skip
    """Load a data set and put its roles on the device, or in its reach.

    Raises:
        DataError: if the images are missing or damaged, or form no split.
        UsageError: if the stored images are smaller than the crop that enters the trunk.
    """
    dataset.prepare(root, on_bad_image=on_bad_image)
    items = dataset.load(root)
    split = dataset.split(items)
    _check_size(items, spec, reference)
    share = free_bytes(device) // 6  # three roles may fill half of what is free

    def source(rows: np.ndarray) -> ImageSource:
        return ImageSource(
            items.images, rows, resize=spec.resize, device=device, resident_bytes=share
        )

    training = gallery = source(split.training) if len(split.training) else None
    if gallery is None or not np.array_equal(split.training, split.gallery):
        gallery = source(split.gallery)
    examination = Examination(
        target=reference, protocol=split.protocol, split_digest=split.digest,
        gallery=gallery, gallery_labels=_labels(items, split.gallery, device),
        query=source(split.query), query_labels=_labels(items, split.query, device),
        notes=(*items.notes, *split.notes),
    )  # fmt: skip
    trainable = None if training is None else _training_set(training, items, split)
    return Prepared(items.version, split, trainable, examination)


def _training_set(images: ImageSource, items: Items, split: Split) -> TrainingSet:
    classes, labels = np.unique(items.labels[split.training], return_inverse=True)
    return TrainingSet(
        images=images,
        labels=torch.from_numpy(labels.astype(np.int64)),
        labelled=torch.ones(len(labels), dtype=torch.bool),
        num_classes=len(classes),
    )


def _labels(items: Items, rows: np.ndarray, device: torch.device) -> Labels:
    return torch.from_numpy(items.labels[rows].astype(np.int64)).to(device)


def _check_size(items: Items, spec: RunSpec, reference: str) -> None:
    side = spec.resize or min(items.images.shape[2:])
    if side < spec.image_size:
        raise UsageError(
            f"resize must be at least image_size {spec.image_size} for {reference}, whose images "
            f"have a short side of {side} pixels"
        )
