"""Labeled Faces in the Wild, funneled: press photographs of 5,749 people.

The central box (61, 61)-(189, 189) of the 250-pixel images is kept, 128 pixels resized to 64.
Only the images that a manifest names are read.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from hashquant.api import (
    CHANGED,
    UNVERIFIED,
    FolderDataset,
    Items,
    Listed,
    fetch,
    unpack_tar,
)

_MANIFESTS = Path(__file__).resolve().parent / "manifests"

log = logging.getLogger(__name__)


class LFW(FolderDataset):
    """Folder `lfw/<name>/<name>_NNNN.jpg`; unpacked archives (`lfw_funneled/`) are found too."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "lfw": "LFW faces, 158 identities trained on (the split lfw-seen)",
        "lfw-seen": "LFW, 158 identities with 10 images and more: a fifth are queries",
        "lfw-unseen": "LFW, 265 identities that no one trained on: examined only",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {
        "lfw": "LFW",
        "lfw-seen": "LFW, seen people",
        "lfw-unseen": "LFW, new people",
    }
    terms = "press photographs released for research; their rights are with their owners"
    citation = """@techreport{huang2007lfw,
  author = {Gary B. Huang and Manu Ramesh and Tamara Berg and Erik Learned-Miller},
  title = {Labeled Faces in the Wild: A Database for Studying Face Recognition in
           Unconstrained Environments},
  institution = {University of Massachusetts, Amherst},
  number = {07-49},
  year = {2007}
}"""
    folder = "lfw"
    unverified = True
    UNSEEN: ClassVar[Mapping[str, str]] = {"lfw": "lfw-unseen", "lfw-seen": "lfw-unseen"}
    PEOPLE = True
    box = (61, 61, 189, 189)
    source = (
        "The archive lfw-funneled.tgz (scikit-learn's fetch_lfw_people keeps a copy), unpacked so "
        "that each identity has a folder lfw/<name>/"
    )

    #: address and checksum as scikit-learn publishes them (sklearn/datasets/_lfw.py)
    URL = "https://ndownloader.figshare.com/files/5976015"
    SHA256 = "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a"

    def layout(self) -> Listed:
        """Return the manifest of this name."""
        return Listed(
            _MANIFESTS / ("lfw-unseen.json" if "unseen" in self.name else "lfw-seen.json")
        )

    def place(self, root: Path) -> Path:
        """Return `lfw/`, or the folder that the archive unpacks to if only that is there."""
        unpacked = root / "lfw_funneled"
        return unpacked if unpacked.is_dir() and not (root / "lfw").is_dir() else root / "lfw"

    def obtain(self, root: Path) -> None:
        """Download the funneled archive and unpack it."""
        archive = root / "lfw-funneled.tgz"
        fetch(self.URL, archive, sha256=self.SHA256, terms=self.terms, log=log.warning)
        unpack_tar(archive, "lfw_funneled", root / "lfw")

    def load(self, root: Path) -> Items:
        """Return every image of the manifest; a gray copy is said to be one."""
        items = super().load(root)
        sample = np.asarray(items.images[:: max(len(items) // 64, 1)])
        if (sample == sample[:, :1]).all():
            rest = (note for note in items.notes if note != UNVERIFIED)
            return replace(items, notes=(f"a gray copy, {CHANGED}", *rest), gray=True)
        return items
