"""YouTube Faces: frames of 1,595 people, in the split of DDH that DCDH and OPQN use.

Gallery: 40 frames an identity (63,800); queries: 5 (7,975).
"""

from collections.abc import Mapping
from typing import ClassVar

from hashquant.api import FolderDataset, Parts


class YouTubeFaces(FolderDataset):
    """Folder `youtubefaces/{train,test}/<identity>/`: gallery = train, queries = test."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "youtubefaces": "YouTube Faces, 1,595 identities, 40 gallery images and 5 queries each",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {"youtubefaces": "YouTube Faces"}
    terms = "released for research by its authors; the videos' rights are with their owners"
    citation = """@inproceedings{wolf2011youtubefaces,
  author = {Lior Wolf and Tal Hassner and Itay Maoz},
  title = {Face Recognition in Unconstrained Videos with Matched Background Similarity},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year = {2011}
}"""
    folder = "youtubefaces"
    unverified = True
    PEOPLE = True
    source = (
        "The DDH authors' files are linked from the README of github.com/mzhang367/DCDH-PyTorch: "
        "unpack them as youtubefaces/train/<identity>/ and youtubefaces/test/<identity>/"
    )

    def layout(self) -> Parts:
        """Return both parts; the gallery is the training set."""
        return Parts()
