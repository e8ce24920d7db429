"""SynthFaces: faces drawn by program, in a studio and in the street; needs no download.

Options (`--set synthfaces.KEY=VALUE`): `identities` (people), `images` (of each), `size` (pixels).
"""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from hashquant.api import (
    GENERATOR_VERSION,
    Dataset,
    Items,
    Range,
    Split,
    UsageError,
    array_head,
    content_digests,
    make_split,
    map_array,
    render_faces,
)

log = logging.getLogger(__name__)
BLOCK_BYTES, SEAL_BYTES = 1 << 26, 16


class SynthFaces(Dataset):
    """Seeded people (geometry, skin, hair …) in images that vary pose, light and background.

    The domains share no person and differ in capture: `studio` is a plain backdrop and a mild
    pose, `street` adds clutter, colour casts, motion blur, noise and things before the face.
    """

    NAMES: ClassVar[Mapping[str, str]] = {
        "synthfaces": "drawn faces, studio; last fifth of each person's images are queries",
        "synthfaces-studio": "drawn faces, plain backdrops; the same as synthfaces",
        "synthfaces-street": "drawn faces of other people, strong pose, light and occlusion",
    }
    DISPLAY: ClassVar[Mapping[str, str]] = {
        "synthfaces": "drawn faces, studio", "synthfaces-studio": "drawn faces, studio",
        "synthfaces-street": "drawn faces, street"}  # fmt: skip
    OPTIONS: ClassVar[Mapping[str, Any]] = {
        "identities": Annotated[int, Range(2, 10_000_000)],
        "images": Annotated[int, Range(2, 100_000)], "size": Annotated[int, Range(16, 1024)],
    }  # fmt: skip
    terms = "Drawn by this program; shows no real person. MIT licence, as the program."
    may_show = True

    def __init__(
        self, name: str, argument: str = "", options: Mapping[str, str] | None = None
    ) -> None:
        """Read and check the options.

        Raises:
            UsageError: if an option is unknown, no whole number or out of range.
        """
        super().__init__(name, argument, options)
        if argument:
            raise UsageError(f"data set '{name}' takes nothing after a colon, got '{argument}'")
        self.domain = "street" if name.endswith("street") else "studio"
        wanted = (("identities", 64), ("images", 30), ("size", 48))
        self.identities, self.images, self.size = (int(self.options.get(*one)) for one in wanted)
        self._shape = (self.identities * self.images, 3, self.size, self.size)

    def prepare(self, root: Path, *, on_bad_image: str = "stop") -> None:
        """Draw the images and keep them below `root`, where that can be written."""
        self.load(root)

    def load(self, root: Path) -> Items:
        """Return all images, identity by identity, from the cache or drawn anew."""
        path = root / "synthfaces" / f"{self.version}.npy"
        found = self._read(path)
        if found is None:
            with suppress(OSError):  # no place to keep them: memory will do
                self._write(path)
                found = self._read(path)
        images = found[0] if found else np.concatenate(list(self._blocks()))
        people = [f"{self.domain}/id{i:04d}" for i in range(self.identities)]
        return Items(
            images=images,
            labels=np.arange(self._shape[0]) // self.images,
            class_names=tuple(people),
            files=tuple(f"{person}/{i:03d}" for person in people for i in range(self.images)),
            content=found[1] if found else content_digests(images),
            version=self.version,
            notes=(f"faces drawn by program, generator version {GENERATOR_VERSION}",),
        )

    def split(self, items: Items) -> Split:
        """Return protocol "seen": queries are each person's last fifth, the rest is trained on."""
        number = np.arange(len(items)) % self.images
        is_query = number >= self.images - max(1, self.images // 5)
        training = np.flatnonzero(~is_query)
        return make_split(items, "seen", training, np.flatnonzero(is_query), training)

    @property
    def version(self) -> str:
        """Digest of everything that decides the pixels."""
        fixed = (GENERATOR_VERSION, self.domain, self.images, *self._shape)
        return hashlib.blake2b(repr(fixed).encode(), digest_size=8).hexdigest()

    def _blocks(self) -> Iterator[np.ndarray]:
        rows = max(1, BLOCK_BYTES // (3 * self.size**2))
        for start in range(0, self._shape[0], rows):
            number = np.arange(start, min(start + rows, self._shape[0]))
            yield render_faces(self.domain, number // self.images, number % self.images, self.size)

    def _read(self, path: Path) -> tuple[np.ndarray, tuple[str, ...]] | None:
        """Return the cached images and their digests, or None; a damaged cache is set aside."""
        try:
            images = map_array(path, self._shape, behind=SEAL_BYTES)
            content = content_digests(images)
            if np.memmap(path, mode="r")[-SEAL_BYTES:].tobytes() != _seal(content):
                raise ValueError("its pixels changed")
            return images, content
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            log.warning("drawn faces %s are damaged (%s): set aside, drawn again", path, error)
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.corrupt"))
            return None

    def _write(self, path: Path) -> None:
        """Draw into a NumPy file with a seal behind the array; renamed when whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}.part")
        content: tuple[str, ...] = ()
        try:
            with part.open("wb") as file:
                file.write(array_head(self._shape))
                for block in self._blocks():
                    file.write(block.tobytes())
                    content += content_digests(block)
                file.write(_seal(content))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _seal(content: tuple[str, ...]) -> bytes:
    return hashlib.blake2b("".join(content).encode(), digest_size=SEAL_BYTES).digest()
