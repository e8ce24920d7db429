"""What a file is that cannot be read as an image, told by how it begins."""

import stat
from pathlib import Path

_HEAD_BYTES = 512
_CONVERT = "convert it to PNG or JPEG"
#: Major brands of the ISO container that hold still images.
_HEIF = ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1")
#: How a file begins (lower case) → what it is.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "it is a Git LFS pointer, not the image: run git lfs pull"),
    (b"/annex/objects/", "it is a git-annex pointer, not the image: run git annex get"),
    (b"<!doctype html", "it is a web page, as a failed download leaves"),
    (b"<html", "it is a web page, as a failed download leaves"),
    (b"<svg", f"it is an image of a kind that cannot be read (SVG): {_CONVERT}"),
    (b"8bps", f"it is an image of a kind that cannot be read (Photoshop): {_CONVERT}"),
    (b"\xff\x0a", f"it is an image of a kind that cannot be read (JPEG XL): {_CONVERT}"),
    (b"\0\0\0\x0cjxl ", f"it is an image of a kind that cannot be read (JPEG XL): {_CONVERT}"),
    (b"fujifilmccd-raw", f"it is an image of a kind that cannot be read (RAW): {_CONVERT}"),
    (b"foveon", f"it is an image of a kind that cannot be read (RAW): {_CONVERT}"),
    (b"iiro", f"it is an image of a kind that cannot be read (RAW): {_CONVERT}"),
    (b"iiu\0", f"it is an image of a kind that cannot be read (RAW): {_CONVERT}"),
    (b"%!ps", f"it is PostScript, not pixels: {_CONVERT}"),
    (b"%pdf", f"it is a PDF document: {_CONVERT}"),
    (b"pk\3\4", "it is an archive (ZIP): unpack it"),
    (b"\x1f\x8b", "it is an archive (gzip): unpack it"),
    (b"bzh", "it is an archive (bzip2): unpack it"),
    (b"\xfd7zxz\0", "it is an archive (xz): unpack it"),
    (b"7z\xbc\xaf", "it is an archive (7z): unpack it"),
    (b"rar!", "it is an archive (RAR): unpack it"),
    (b"(\xb5/\xfd", "it is an archive (Zstandard): unpack it"),
    (b"\x1aE\xdf\xa3".lower(), "it is a video, not an image"),
    (b"\x93numpy", "it is a NumPy array, not an image file"),
)
#: Raw files of cameras that begin as TIFF does, whose first picture is a preview.
_RAW = (
    ".3fr", ".arw", ".cr2", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef",
    ".nrw", ".pef", ".rwl", ".sr2", ".srf", ".srw",
)  # fmt: skip
#: Readers of Pillow that run a program or draw what is no picture.
_FOREIGN = {"EPS": "PostScript", "WMF": "a Windows metafile"}
_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"), (stat.S_ISDIR, "a folder"),
)  # fmt: skip


def check_file(path: Path) -> None:
    """Refuse what must not be opened as a file: reading a pipe or a device never ends.

    Raises:
        OSError: saying what it is, or where a link leads that leads nowhere.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            where = path.readlink()
            raise OSError(f"it is a link to {where}, which cannot be followed") from error
        raise
    if not stat.S_ISREG(mode):
        named = [name for told, name in _SPECIAL if told(mode)]
        raise OSError(f"it is {named[0] if named else 'special'}, no file of an image")


def check_kind(path: Path, form: str) -> None:
    """Refuse an image that would be read as something else than what it shows.

    `form` is what Pillow calls the file's format.

    Raises:
        ValueError: for raw files of cameras, of which a preview would be taken, and for PostScript.
    """
    if form in _FOREIGN:
        raise ValueError(f"it is {_FOREIGN[form]}, not pixels: {_CONVERT}")
    if form == "TIFF" and path.suffix.lower() in _RAW:
        kind = path.suffix[1:].upper()
        raise ValueError(f"it is an image of a kind that cannot be read (RAW, {kind}): {_CONVERT}")


def what_it_is(path: Path) -> str:
    """Say what a file is that is no readable image, and what to do about it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        return str(error)
    return what_begins(head, path.suffix)


def what_begins(head: bytes, suffix: str = "") -> str:
    r"""Say what begins so.

    >>> what_begins(b"\0\0\0\x18ftypheic")
    'it is an image of a kind that cannot be read (HEIC): convert it to PNG or JPEG'
    >>> what_begins(b"")
    'it is no image, it is empty'
    """
    if not head.strip(b"\0"):
        return "it is no image, it holds zeros only" if head else "it is no image, it is empty"
    lower = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if lower.startswith(b"<?xml") and b"<svg" in lower:
        lower = b"<svg"
    for start, said in _BEGINNINGS:
        if lower.startswith(start) or head.lower().startswith(start):
            return said
    if head[257:262] == b"ustar":
        return "it is an archive (tar): unpack it"
    if head[4:8] == b"ftyp" or head[8:12] == b"AVI ":
        return _contained(head[8:12].decode("latin-1").lower())
    if suffix.lower() in _RAW:
        return f"it is an image of a kind that cannot be read (RAW): {_CONVERT}"
    return "it is no image"


def _contained(brand: str) -> str:
    if brand in _HEIF or brand in ("avif", "avis", "crx "):
        kind = {"avif": "AVIF", "avis": "AVIF", "crx ": "RAW"}.get(brand, "HEIC")
        return f"it is an image of a kind that cannot be read ({kind}): {_CONVERT}"
    return "it is a video, not an image"
