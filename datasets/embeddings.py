"""Anybody's own embeddings: `embeddings:PATH`, vectors in the place of images.

PATH is a folder of `train.npy`, `query.npy` and `gallery.npy` with `train_labels.npy` and so on,
one `.npz`, `.safetensors` or HDF5 file with these names, a folder of `.fvecs`, or Parquet. Without
a gallery it is what was trained on; without queries a fifth of each class is drawn by a seed, and
the split is written down as `DATA/manifests/<name>-<digest>.json`. They meet no trunk: `float` is
the embedding as it came.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from hashquant.api import VectorDataset


class Embeddings(VectorDataset):
    """Vectors of float16, float32 or int8 with labels, in files that are mapped, not copied."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "embeddings": "your own vectors: embeddings:PATH, .npy in a folder, .npz, .safetensors, "
        "Parquet, HDF5, .fvecs"
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {"embeddings": "own embeddings"}
    class_noun = "classes"
    terms = "your own embeddings"

    def __init__(
        self, name: str, argument: str = "", options: Mapping[str, str] | None = None
    ) -> None:
        """Look at PATH, so that one which cannot be meant is refused before anything runs.

        Raises:
            UsageError: for such a path, or an option that this set does not have.
        """
        super().__init__(name, argument, options)
        if argument:
            self.given_path()

    def place(self, root: Path) -> Path:
        """Return PATH, seen from where the command was given.

        Raises:
            UsageError: if no path was given, or one that the system cannot follow.
        """
        return self.given_path()
