"""CFW-60K: 60,000 faces of celebrities on the web, a part of MSRA-CFW.

Gallery: 55,000 images; queries: 5,000. OPQN's first commit joins `train_ab` and
`train_clf` as train.
"""

from collections.abc import Mapping
from typing import ClassVar

from hashquant.api import FolderDataset, Parts


class CFW60K(FolderDataset):
    """Folder `cfw60k/{train,test}/<identity>/`: gallery = train, queries = test."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "cfw60k": "CFW-60K faces, 55,000 gallery images and 5,000 queries",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {"cfw60k": "CFW-60K"}
    terms = "released for research; the images' rights are with their owners"
    citation = """@article{zhang2012cfw,
  author = {Xiao Zhang and Lei Zhang and Xin-Jing Wang and Heung-Yeung Shum},
  title = {Finding Celebrities in Billions of Web Images},
  journal = {IEEE Transactions on Multimedia},
  year = {2012}
}"""
    folder = "cfw60k"
    unverified = True
    PEOPLE = True
    source = (
        "The set has no public address: its parent MSRA-CFW is on a Microsoft Research page; lay "
        "the 60,000 images out as cfw60k/train/<identity>/ and cfw60k/test/<identity>/"
    )

    def layout(self) -> Parts:
        """Return both parts; the gallery is the training set."""
        return Parts()
