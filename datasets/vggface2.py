"""VGGFace2: the subset of 2,787 identities that OPQN trains on, or the set's own people.

Stored at 120 pixels, of which the trunk sees 112. `vggface2-cross` takes `cross_train/` as gallery
and `cross_test/` as queries: identities that no one trained on.
"""

from collections.abc import Mapping
from typing import ClassVar

from hashquant.api import FolderDataset, Parts


class VGGFace2(FolderDataset):
    """Folder `vggface2/{train,test}/<identity>/`: gallery = train, queries = test."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "vggface2": "VGGFace2 faces, gallery = train/, queries = test/",
        "vggface2-cross": "VGGFace2, cross_train/ and cross_test/: examined only",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {
        "vggface2": "VGGFace2",
        "vggface2-cross": "VGGFace2, new people",
    }
    terms = "released for research; the images' rights are with their owners"
    citation = """@inproceedings{cao2018vggface2,
  author = {Qiong Cao and Li Shen and Weidi Xie and Omkar M. Parkhi and Andrew Zisserman},
  title = {VGGFace2: A Dataset for Recognising Faces across Pose and Age},
  booktitle = {IEEE International Conference on Automatic Face and Gesture Recognition},
  year = {2018}
}"""
    folder = "vggface2"
    unverified = True
    UNSEEN: ClassVar[Mapping[str, str]] = {"vggface2": "vggface2-cross"}
    size = 120
    source = (
        "The subset (2.4 GB) is linked from the README of github.com/mzhang367/DCDH-PyTorch, the "
        "whole set is torrent 535113b8395832f09121bc53ac85d7bc8ef6fa5b: unpack it as "
        "vggface2/train/<identity>/ and vggface2/test/<identity>/ (cross_train/, cross_test/)"
    )

    def layout(self) -> Parts:
        """Return the parts of this name."""
        return (
            Parts("cross_train", "cross_test", trained=False)
            if self.name == "vggface2-cross"
            else Parts()
        )
