"""Anybody's own images: `folder:PATH`, with one folder per identity.

With `PATH/train/` and `PATH/test/` these are gallery (and training set) and queries, and so are
`Training`, `gallery`, `query`, `probe` and the like in any letters. Otherwise a fifth of each
identity's images are queries, drawn by a seed; the split is then written down as
`DATA/manifests/<folder>-<digest>.json`, where DATA is the folder of all data sets (`--data-dir`).

Images in folders inside an identity's (`p0/2019/1.jpg`) are that identity's. Where no identity
holds an image itself, the folders could as well be parts, groups or one level too high: that is
refused, unless `--set folder.parts=none` says that they are identities, or `=NAME/NAME` which two
are gallery and queries. Hidden files, litter of file systems and this program's own results are no
images of yours; whatever else is no readable image stops, or is skipped by `--on-bad-image skip`.
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
    parts_in,
    short_name,
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
        "parts": str,
    }

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

    @property
    def people(self) -> bool:
        """Whether folders are named after people (`--set folder.people=no`: numbered, say)."""
        return bool(self.options.get("people", True))

    def layout(self) -> Layout:
        """Return the two parts where there are any, else the rule.

        Raises:
            UsageError: if the option `parts` is neither `none` nor two names.
            DataError: if it cannot be told which two folders are the parts.
        """
        fraction, seed = self.options.get("fraction", 0.2), self.options.get("seed", 0)
        said = self.options.get("parts", "auto")
        if said == "none":
            return ByRule(fraction, seed, nested=True)
        if said != "auto":
            gallery, _, query = said.partition("/")
            if not gallery or not query or "/" in query or gallery == query:
                raise UsageError(f"folder: parts must be none or GALLERY/QUERY, got '{said}'")
            return Parts(gallery, query)
        place = self.place(Path())
        found = parts_in(place) if place.is_dir() else None
        if found is None:
            return ByRule(fraction, seed)
        return Parts(found.gallery, found.query, nested=False, others=found.others)

    def load(self, root: Path) -> Items:
        """Return every image; a split by rule is written down below `root/manifests/`."""
        items, layout = super().load(root), self.layout()
        if isinstance(layout, ByRule):
            split, name = layout.split(items), self.place(root).resolve().name
            path = root / "manifests" / f"{short_name(name, 200)}-{split.digest[:12]}.json"
            try:
                write_manifest(path, f"folder:{self.argument}", items, split, layout.rule)
            except StoreError as error:
                log.warning("the split's manifest is not kept: %s", error)
        return items
