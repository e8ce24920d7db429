"""Fashion-MNIST: 70,000 gray images of 28 pixels in 10 classes, padded to 32 with three channels.

torchvision's files (`FashionMNIST/raw/`) are read, or downloaded; a folder copy
`fashion-mnist/{train,test}/<class>/` is taken too. The set has no retrieval protocol of its own:
`fashion-mnist` follows CIFAR-10's I-a (1,000 queries, 100 a class, from the test images; 5,000
training images, 500 a class, from the training images; the other 64,000 are the gallery),
`fashion-mnist-2` its II (60,000 training images that are the gallery; 10,000 queries).
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torchvision import datasets as published

from hashquant.api import DataError, Items, Part, PublishedDataset, fetch, unpack_gzip

log = logging.getLogger(__name__)


class FashionMNIST(PublishedDataset):
    """Articles of clothing: the same form as MNIST, harder."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "fashion-mnist": "Fashion-MNIST: 1,000 queries, 5,000 training, 64,000 gallery images",
        "fashion-mnist-2": "Fashion-MNIST: 10,000 queries, 60,000 training images = gallery",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {
        "fashion-mnist": "Fashion-MNIST",
        "fashion-mnist-2": "Fashion-MNIST, II",
    }
    class_noun = "classes"
    terms = "MIT licence, Zalando SE"
    may_show = True
    citation = """@misc{xiao2017fashion,
  author = {Han Xiao and Kashif Rasul and Roland Vollgraf},
  title = {Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  eprint = {1708.07747},
  archiveprefix = {arXiv},
  year = {2017}
}"""
    folder = "fashion-mnist"
    gray = True
    source = (
        "Debian's package dataset-fashion-mnist and torchvision.datasets.FashionMNIST hold the "
        "four files: put them below FashionMNIST/raw/"
    )
    published = "FashionMNIST"
    size = 28
    drawn_by_part = True

    def obtain(self, root: Path) -> None:
        """Download the four files and unpack them in place of damaged ones."""
        files, raw = published.FashionMNIST, root / self.published / "raw"
        for name, md5 in files.resources:
            fetch(files.mirrors[0] + name, raw / name, md5=md5, terms=self.terms, log=log.warning)
            unpack_gzip(raw / name, (raw / name).with_suffix(""))

    def read(self, root: Path, part: str) -> Part:
        """Return one part.

        Raises:
            DataError: if torchvision finds files missing or damaged.
        """
        try:
            found = published.FashionMNIST(root, train=part == "train")
        except (RuntimeError, OSError, ValueError, LookupError, AssertionError) as error:
            raise DataError(
                f"{root / self.published} must hold the files of Fashion-MNIST, whole "
                f"({type(error).__name__}: {error})."
            ) from error
        gray = _padded(found.data.numpy()[:, None])  # (n, 1, 32, 32)
        labels = found.targets.to(torch.int64).numpy()
        return Part(np.repeat(gray, 3, axis=1), labels, tuple(found.classes))

    def load(self, root: Path) -> Items:
        """Return every image at 32 pixels."""
        items = super().load(root)
        return replace(items, images=_padded(items.images))


def _padded(images: np.ndarray) -> np.ndarray:
    """Return (n, c, 28, 28) with two black pixels around each image, (n, c, 32, 32) as it is."""
    edge = (32 - images.shape[-1]) // 2
    return np.pad(images, ((0, 0), (0, 0), (edge, edge), (edge, edge))) if edge > 0 else images
