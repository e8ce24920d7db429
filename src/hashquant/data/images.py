"""One image file as RGB pixels of a fixed size, and digests of pixels."""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from hashquant.errors import DataError

Picture = UInt8[np.ndarray, "3 h w"]

CONTENT_BYTES = 16

#: what Pillow raises on damaged files
_UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError,
)  # fmt: skip


@dataclass(frozen=True)
class Geometry:
    """How an image becomes `size` x `size` pixels.

    `box` (left, top, right, bottom) is cut out first; then the short side is resized to `size`
    (bilinear, antialiased) and the centre square is kept.
    """

    size: int
    box: tuple[int, int, int, int] | None = None


def read_image(path: Path, geometry: Geometry) -> Picture:
    """Return one image file as RGB; gray images fill all three channels.

    Raises:
        DataError: if the file is truncated, no image, or smaller than the box to cut out.
    """
    try:
        with Image.open(path) as opened:
            if opened.mode.startswith(("I", "F")):
                raise ValueError(f"its pixels are of mode {opened.mode}, not 8 bits a channel")
            upright = ImageOps.exif_transpose(opened) if "exif" in opened.info else opened
            return _to_pixels(upright.convert("RGB"), geometry)
    except _UNREADABLE as error:
        no_image = isinstance(error, UnidentifiedImageError)
        reason = "it is no image" if no_image else str(error)
        raise DataError(f"{path} cannot be read as an image: {reason}") from error


def short_side(path: Path) -> int:
    """Return the shorter side of an image file in pixels, from its header; 0 if unreadable."""
    try:
        with Image.open(path) as opened:
            return min(opened.size)
    except _UNREADABLE:
        return 0


def content_digest(image: Picture) -> bytes:
    """Return the 16-byte BLAKE2b digest of an image's pixels."""
    return pixel_digest(np.ascontiguousarray(image).data)


def pixel_digest(pixels: bytes | memoryview) -> bytes:
    """Return the `content_digest` of an image whose pixels are these bytes."""
    return hashlib.blake2b(pixels, digest_size=CONTENT_BYTES).digest()


def content_digests(images: UInt8[np.ndarray, "n 3 h w"]) -> tuple[str, ...]:
    """Return one digest per image: equal pixels, equal digest.

    >>> a, b = content_digests(np.zeros((2, 3, 4, 4), dtype=np.uint8))
    >>> a == b, len(a)
    (True, 32)
    """
    return tuple(content_digest(image).hex() for image in images)


def version_digest(names: tuple[str, ...], content: tuple[str, ...]) -> str:
    """Return the digest of file names and pixels: what a set of images *is*.

    >>> version_digest(("a.png",), ("00",)) == version_digest(("a.png",), ("01",))
    False
    """
    lines = "\n".join(f"{n}\t{c}" for n, c in zip(names, content, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _to_pixels(image: Image.Image, geometry: Geometry) -> Picture:
    size, box = geometry.size, geometry.box
    if box is not None:
        if image.width < box[2] or image.height < box[3]:
            raise ValueError(
                f"it is {image.width}x{image.height}, too small to cut {box[:2]}-{box[2:]} out"
            )
        image = image.crop(box)
    short = min(image.size)
    if short != size:
        wide, high = (max(size, round(side * size / short)) for side in image.size)
        image = image.resize((wide, high), Image.Resampling.BILINEAR)
    if image.size != (size, size):
        left, top = (image.width - size) // 2, (image.height - size) // 2
        image = image.crop((left, top, left + size, top + size))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
