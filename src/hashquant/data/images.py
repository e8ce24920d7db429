"""One image file as RGB pixels of a fixed size, and digests of pixels."""

import hashlib
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from hashquant.data.standing.kinds import check_file, check_kind, what_it_is
from hashquant.errors import DataError

Picture = UInt8[np.ndarray, "3 h w"]

CONTENT_BYTES = 16

#: The most pixels of one image that are decoded unless a data set's option `pixels` says more:
#: twice what Pillow warns of, where it stops. A photograph of 100 megapixels is well below.
MOST_PIXELS = 178_956_970
#: Pixels of a resized image above which the centre is cut out first: no photograph reaches it.
_LARGE_PIXELS = 2**24

#: what Pillow raises on damaged files
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError,
    RuntimeError, AttributeError, AssertionError, MemoryError, struct.error, *_BOMB,
)  # fmt: skip


@dataclass(frozen=True)
class Geometry:
    """How an image becomes `size` x `size` pixels.

    `box` (left, top, right, bottom) is cut out first; then the short side is resized to `size`
    (bilinear, antialiased) and the centre square is kept.
    """

    size: int
    box: tuple[int, int, int, int] | None = None


def allow_pixels(most: int) -> None:
    """Let one image have `most` pixels, a bound that Pillow keeps for the whole process.

    Its warnings name no file. That of the bound becomes an error, which will; what it says of
    metadata and palettes changes no pixel.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = most


def read_image(path: Path, geometry: Geometry) -> Picture:
    """Return one image file as RGB; gray images fill all three channels.

    Raises:
        DataError: if the file is truncated, no image, smaller than the box to cut out, no file at
            all (a pipe), of more pixels than are allowed, or too large for the memory.
    """
    try:
        check_file(path)
        with Image.open(path) as opened:
            check_kind(path, opened.format or "")
            if opened.mode.startswith(("I", "F")):
                raise ValueError(f"its pixels are of mode {opened.mode}, not 8 bits a channel")
            upright = ImageOps.exif_transpose(opened) if "exif" in opened.info else opened
            return _to_pixels(upright.convert("RGB"), geometry)
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read as an image: {_reason(path, error)}") from error


def short_side(path: Path) -> int:
    """Return the shorter side of an image file in pixels, from its header; 0 if unreadable."""
    try:
        check_file(path)
        with Image.open(path) as opened:
            return min(opened.size)
    except _UNREADABLE:
        return 0


def _reason(path: Path, error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return what_it_is(path)
    if isinstance(error, _BOMB):
        return (
            f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels, the most that are decoded; make "
            "it smaller, or allow more by the data set's option pixels (--set folder.pixels=N)"
        )
    if isinstance(error, MemoryError):
        return "it is too large for the memory"
    return str(error) or type(error).__name__


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
    wide, high = image.size
    if short != size:
        wide, high = (max(size, round(side * size / short)) for side in image.size)
    left, top = (wide - size) // 2, (high - size) // 2
    if short != size and wide * high > _LARGE_PIXELS:
        image = _centre_resized(image, (wide, high), (left, top), size)
    else:
        if short != size:
            image = image.resize((wide, high), Image.Resampling.BILINEAR)
        if image.size != (size, size):
            image = image.crop((left, top, left + size, top + size))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _centre_resized(
    image: Image.Image, whole: tuple[int, int], corner: tuple[int, int], size: int
) -> Image.Image:
    """Return the square at `corner` of the image resized to `whole`, without making the rest.

    Within one level of cutting after resizing, since the box is rounded: only for images so thin
    that their whole would fill the memory (1 x 1,000,000 pixels at 64 would be 64,000,000 high).
    """
    (left, top), (across, down) = corner, (i / w for i, w in zip(image.size, whole, strict=True))
    box = (left * across, top * down, (left + size) * across, (top + size) * down)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
