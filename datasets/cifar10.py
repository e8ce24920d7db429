"""CIFAR-10: 60,000 colour images of 32 pixels in 10 classes, in the three protocols of the field.

torchvision's files (`cifar-10-batches-py/`) are read, or downloaded; a folder copy
`cifar10/{train,test}/<class>/` is taken too. Queries and training images of I-a and I-b are drawn
from all 60,000 images, a class at a time.
"""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from torchvision import datasets as published

from hashquant.api import DataError, Part, PublishedDataset, fetch, unpack_tar

log = logging.getLogger(__name__)


class CIFAR10(PublishedDataset):
    """The three protocols differ by 15 points of mAP: their names are never left out."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "cifar10": "CIFAR-10, I-a: 1,000 queries, 5,000 training, 54,000 gallery images",
        "cifar10-1": "CIFAR-10, I-b: 1,000 queries, 5,000 training, 59,000 gallery with training",
        "cifar10-2": "CIFAR-10, II: 10,000 queries, 50,000 training images that are the gallery",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {
        "cifar10": "CIFAR-10, I-a",
        "cifar10-1": "CIFAR-10, I-b",
        "cifar10-2": "CIFAR-10, II",
    }
    class_noun = "classes"
    terms = "no licence is stated; cite the technical report"
    citation = """@techreport{krizhevsky2009cifar,
  author = {Alex Krizhevsky},
  title = {Learning Multiple Layers of Features from Tiny Images},
  institution = {University of Toronto},
  year = {2009}
}"""
    folder = "cifar10"
    published = "cifar-10-batches-py"
    source = (
        "Unpack cifar-10-python.tar.gz as cifar-10-batches-py/, or lay out a folder copy "
        "cifar10/train/<class>/ and cifar10/test/<class>/"
    )
    size = 32
    drawn_by_part = False

    def obtain(self, root: Path) -> None:
        """Download the archive that torchvision names, and unpack it."""
        files = published.CIFAR10
        archive = root / files.filename
        fetch(files.url, archive, md5=files.tgz_md5, terms=self.terms, log=log.warning)
        unpack_tar(archive, self.published, root / self.published)

    def read(self, root: Path, part: str) -> Part:
        """Return one part.

        Raises:
            DataError: if torchvision finds the files incomplete or changed.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the pickles are older than NumPy likes
                found = published.CIFAR10(root, train=part == "train")
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"{root / self.published} must hold the files of CIFAR-10, unchanged: {error}."
            ) from error
        images = np.ascontiguousarray(found.data.transpose(0, 3, 1, 2))
        return Part(images, np.array(found.targets, dtype=np.int64), tuple(found.classes))
