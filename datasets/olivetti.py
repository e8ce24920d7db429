"""The Olivetti faces (AT&T): 40 people, 10 gray images of 64 pixels each, taken in a laboratory."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from hashquant.api import FolderDataset, Listed

_MANIFESTS = Path(__file__).resolve().parent / "manifests"


class Olivetti(FolderDataset):
    """Folder `olivetti/subjectNN/NN.png`."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "olivetti": "Olivetti faces, 40 identities trained on, 3 queries each",
        "olivetti-cross": "Olivetti faces, the same queries and gallery: examined only",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {
        "olivetti": "Olivetti",
        "olivetti-cross": "Olivetti",
    }
    terms = "free to use with credit to the Olivetti Research Laboratory"
    may_show = True
    citation = """@inproceedings{samaria1994olivetti,
  author = {Ferdinando S. Samaria and Andy C. Harter},
  title = {Parameterisation of a Stochastic Model for Human Face Identification},
  booktitle = {IEEE Workshop on Applications of Computer Vision},
  year = {1994}
}"""
    folder = "olivetti"
    unverified = True
    gray = True
    source = (
        "Save the 400 images of sklearn.datasets.fetch_olivetti_faces there as "
        "subject01/01.png to subject40/10.png, in their order"
    )

    def layout(self) -> Listed:
        """Return the manifest of this name."""
        return Listed(_MANIFESTS / f"olivetti-{'cross' if 'cross' in self.name else 'seen'}.json")
