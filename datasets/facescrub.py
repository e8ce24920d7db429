"""FaceScrub: 530 public figures, in the split of DDH that DCDH and OPQN use.

The files come at 32 pixels or larger: they are stored at 64 at most, or at their own size.
"""

from collections.abc import Mapping
from typing import ClassVar

from hashquant.api import FolderDataset, Parts


class FaceScrub(FolderDataset):
    """Folder `facescrub/{train,test}/<identity>/`: gallery = train, queries = test."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "facescrub": "FaceScrub faces, 530 identities, 5 queries each (DDH's split)",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {"facescrub": "FaceScrub"}
    terms = "a list of addresses for research only; the images' rights are with their owners"
    citation = """@inproceedings{ng2014facescrub,
  author = {Hong-Wei Ng and Stefan Winkler},
  title = {A Data-Driven Approach to Cleaning Large Face Datasets},
  booktitle = {IEEE International Conference on Image Processing},
  year = {2014}
}"""
    folder = "facescrub"
    unverified = True
    PEOPLE = True
    source = (
        "The DDH authors' files are linked from the README of github.com/mzhang367/DCDH-PyTorch: "
        "unpack them as facescrub/train/<identity>/ and facescrub/test/<identity>/"
    )

    def layout(self) -> Parts:
        """Return both parts; the gallery is the training set."""
        return Parts()
