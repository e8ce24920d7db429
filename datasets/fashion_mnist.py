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
from typing import Any, ClassVar

import numpy as np
from torchvision import datasets as published
from torchvision.datasets.mnist import read_image_file, read_label_file

from hashquant.api import (
    CHANGED,
    DataError,
    Items,
    Part,
    PublishedDataset,
    check_published,
    fetch,
    unpack_gzip,
)

log = logging.getLogger(__name__)

#: The unpacked files. The publisher states the MD5 of each packed one, which `obtain` checks.
_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


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
    source = "Debian's package dataset-fashion-mnist has the files of FashionMNIST/raw/"
    published = "FashionMNIST"
    size = 28
    drawn_by_part = True

    OPTIONS: ClassVar[Mapping[str, Any]] = {**PublishedDataset.OPTIONS, "published": bool}

    @property
    def verified(self) -> bool:
        """Whether the files must be the published ones (`fashion_mnist.published=no`: not)."""
        return bool(self.options.get("published", True))

    def obtain(self, root: Path) -> None:
        """Download the four files and unpack them in place of damaged ones."""
        files, raw = published.FashionMNIST, root / self.published / "raw"
        for name, md5 in files.resources:
            fetch(files.mirrors[0] + name, raw / name, md5=md5, terms=self.terms, log=log.warning)
            unpack_gzip(raw / name, (raw / name).with_suffix(""))

    def read(self, root: Path, part: str) -> Part:
        """Return one part.

        Raises:
            DataError: if files are missing, or are not the published ones and ought to be.
        """
        raw, stem = root / self.published / "raw", "train" if part == "train" else "t10k"
        images, labels = (raw / f"{stem}-{n}-ubyte" for n in ("images-idx3", "labels-idx1"))
        if self.verified:
            self._verify(raw, stem)
        try:
            pixels, classes = read_image_file(str(images)).numpy(), read_label_file(str(labels))
            if pixels.shape[1:] != (self.size, self.size):
                raise ValueError(f"images of {pixels.shape[1:]} pixels")
            return _part(pixels, classes.numpy())
        except (RuntimeError, OSError, ValueError, LookupError, AssertionError, TypeError,
                DataError) as error:  # fmt: skip
            raise DataError(
                f"{root / self.published} must hold the files of Fashion-MNIST, whole "
                f"({type(error).__name__}: {error})."
            ) from error

    def load(self, root: Path) -> Items:
        """Return every image at 32 pixels; files that need not be the published ones are noted."""
        items = super().load(root)
        notes, raw = items.notes, root / self.published / "raw"
        if not self.verified and raw.is_dir():
            try:
                self._verify(raw)
            except DataError:
                notes = (f"{CHANGED}: {len(items)} images", *notes)
        return replace(items, images=_padded(items.images), notes=notes)

    def _verify(self, raw: Path, stem: str = "") -> None:
        way_out = "; a set of your own making needs --set fashion_mnist.published=no."
        check_published(
            raw, {n: digest for n, digest in _SHA256.items() if n.startswith(stem)}, way_out
        )


def _part(pixels: np.ndarray, classes: np.ndarray) -> Part:
    """Return images (n, 28, 28) padded, in three channels, with their classes 0 … 9.

    Raises:
        ValueError: if these are not as many labels, of these classes.
    """
    names = tuple(published.FashionMNIST.classes)
    if len(pixels) != len(classes) or not set(np.unique(classes)) <= set(range(len(names))):
        counts = f"{len(pixels)} images, {len(classes)} labels"
        raise ValueError(f"there must be as many labels, 0 … {len(names) - 1}, got {counts}")
    gray = _padded(pixels[:, None])  # (n, 1, 32, 32)
    return Part(np.repeat(gray, 3, axis=1), classes.astype(np.int64), names)


def _padded(images: np.ndarray) -> np.ndarray:
    """Return (n, c, 28, 28) with two black pixels around each image, (n, c, 32, 32) as it is."""
    edge = (32 - images.shape[-1]) // 2
    return np.pad(images, ((0, 0), (0, 0), (edge, edge), (edge, edge))) if edge > 0 else images
