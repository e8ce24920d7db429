"""Anybody's own images: `folder:PATH`, with one folder per identity.

With `PATH/train/` and `PATH/test/` these are gallery (and training set) and queries. Otherwise a
fifth of each identity's images are queries, drawn by a seed; the split is then written down as
`DATA/manifests/<folder>-<digest>.json`, where DATA is the folder of all data sets (`--data-dir`).
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from hashquant.api import (
    ByRule,
    FolderDataset,
    Items,
    Layout,
    Parts,
    Range,
    StoreError,
    UsageError,
    write_manifest,
)

log = logging.getLogger(__name__)


class Folder(FolderDataset):
    """Folder `PATH/<identity>/` or `PATH/{train,test}/<identity>/`."""

    NAMES: ClassVar[Mapping[str, str]] = {
        "folder": "your own images: folder:PATH with one folder per identity, or train/ and test/"
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {"folder": "own images"}
    terms = "your own images"
    source = "Give folder:PATH with one folder per identity"
    OPTIONS: ClassVar[Mapping[str, Any]] = {
        **FolderDataset.OPTIONS,
        "fraction": Annotated[float, Range(0.01, 0.99)],
        "seed": Annotated[int, Range(0, 2**31)],
        "people": bool,
    }

    def place(self, root: Path) -> Path:
        """Return PATH, seen from where the command was given.

        Raises:
            UsageError: if no path was given.
        """
        if not self.argument:
            raise UsageError("dataset 'folder' must be written as folder:PATH, got no path")
        return Path(self.argument).expanduser()

    @property
    def people(self) -> bool:
        """Whether folders are named after people (`--set folder.people=no`: numbered, say)."""
        return bool(self.options.get("people", True))

    def layout(self) -> Layout:
        """Return the two parts where `train/` or `test/` is there, else the rule."""
        place = self.place(Path())
        if (place / "train").is_dir() or (place / "test").is_dir():
            return Parts()
        return ByRule(self.options.get("fraction", 0.2), self.options.get("seed", 0))

    def load(self, root: Path) -> Items:
        """Return every image; a split by rule is written down below `root/manifests/`."""
        items, layout = super().load(root), self.layout()
        if isinstance(layout, ByRule):
            split, name = layout.split(items), self.place(root).resolve().name
            path = root / "manifests" / f"{name}-{split.digest[:12]}.json"
            try:
                write_manifest(path, f"folder:{self.argument}", items, split, layout.rule)
            except StoreError as error:
                log.warning("the split's manifest is not kept: %s", error)
        return items
