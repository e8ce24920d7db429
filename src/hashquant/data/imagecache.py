"""Decode images once into a memory-mapped uint8 cache, keyed by the files it was made from.

A cache is a folder `ROOT/.cache/<set>-<how>-<files>/` of `images.npy` (n, 3, h, w), `content.bin`
(16 bytes an image) and `index.json`. It is written beside its place and renamed into it; an
interrupted decoding goes on where it stopped, and of two processes one decodes while one waits.

It is sealed by itself: a digest of each image in `content.bin`, and in `index.json` the `version`,
a digest of all names and digests. Both are compared when a process first opens it; what does not
match is set aside as `.corrupt`, named, and decoded again.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from hashquant.data.decoding import CONTENT, PIXELS, Progress, decode_into, read_all
from hashquant.data.images import CONTENT_BYTES, Geometry, version_digest
from hashquant.data.rowfile import first_changed
from hashquant.errors import DataError
from hashquant.machine.arrays import array_head, map_array
from hashquant.machine.locks import locked
from hashquant.machine.strictjson import read_json

log = logging.getLogger(__name__)

#: State of the files that this process has checked: they are not read again.
_CHECKED: set[tuple[object, ...]] = set()
_SETTLED_SECONDS = 2.0  # after a change: within one tick of the clock another would not show


@dataclass(frozen=True)
class FileList:
    """Files below `folder`: relative names, and per file its bytes and change time (ns).

    `notes` say what else stands there and was left out.
    """

    folder: Path
    names: tuple[str, ...]
    stamps: Int64[np.ndarray, "n 2"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """The images of a file list, and what was left out of it.

    `names` are the files of `images`, row by row, `content` their pixel digests, `version` the
    digest over both; `skipped` are the files that are no readable images.
    """

    images: UInt8[np.ndarray, "n 3 h w"]
    names: tuple[str, ...]
    content: tuple[str, ...]
    version: str
    skipped: tuple[str, ...]


def decode_once(
    files: FileList,
    geometry: Geometry,
    root: Path,
    *,
    name: str,
    on_bad_image: str | None = None,
    progress: Progress | None = None,
) -> Decoded:
    """Return all images of `files`, decoded now or found in the cache below `root`.

    `on_bad_image` is "stop" or "skip"; None takes a cache as it is and stops otherwise.
    `progress` is told how many files of how many are done. Where `root` cannot be written, the
    cache lies in the system's folder for temporary files.

    Raises:
        DataError: if a file is no readable image (unless skipped), none is, or the disk is full.
    """
    how = _hash(str(files.folder.resolve()), repr(geometry))[:8]
    key = _hash("\n".join(files.names), files.stamps.tobytes().hex())[:16]
    kept = root / ".cache" / f"{name}-{how}-{key}"
    found = _open(kept, files, geometry)
    if found is None:
        place = writable_cache(root)
        kept = place / kept.name
        with locked(place / f"{name}-{how}.lock"):
            found = _open(kept, files, geometry)  # another process may just have finished it
            if found is None:
                found = _make(files, geometry, kept, on_bad_image == "skip", progress)
                _drop_stale(place, f"{name}-{how}-", kept)
    if found.skipped and on_bad_image == "stop":
        read_all(files.folder, found.skipped, geometry, skip=False)
        # All are mended, yet no change time moved: a permission, for one.
        shutil.rmtree(_set_aside(kept), ignore_errors=True)
        return decode_once(files, geometry, root, name=name, on_bad_image="stop", progress=progress)
    return found


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _open(kept: Path, files: FileList, geometry: Geometry) -> Decoded | None:
    """Return a finished cache, or None; a damaged one is set aside."""
    if not os.path.lexists(kept):
        return None
    try:
        return _checked(kept, files, geometry)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("cache %s is damaged (%s): set aside, decoding again", kept, error)
        _set_aside(kept)
        return None


def _checked(kept: Path, files: FileList, geometry: Geometry) -> Decoded:
    """Return a finished cache whose every byte is what it was."""
    index: Any = read_json(kept / "index.json")  # Any: parsed JSON
    version, skipped = index["version"], tuple(index["skipped"])
    names = _without(files.names, skipped)
    if not names or len(files.names) - len(names) != len(skipped):
        raise ValueError(f"index.json leaves out {len(skipped)} files, not all of this set")
    size = (kept / CONTENT).stat().st_size
    if size != len(names) * CONTENT_BYTES:
        raise ValueError(f"{CONTENT} must have {len(names)} digests, got {size} bytes")
    content, shape = _digests(kept), (len(names), 3, geometry.size, geometry.size)
    if version != version_digest(names, content):
        raise ValueError(f"index.json and {CONTENT} do not match")
    images = map_array(kept / PIXELS, shape)
    _check_pixels(kept, names, images[0].nbytes, len(array_head(shape)))
    return Decoded(images, names, content, version, skipped)


def _check_pixels(kept: Path, names: tuple[str, ...], row_bytes: int, offset: int) -> None:
    """Compare every image with its digest, once for a process and a state of the files.

    Raises:
        ValueError: if one differs, naming the first.
    """
    state: tuple[object, ...] = (row_bytes,)
    changed = 0.0
    for path in (kept / PIXELS, kept / CONTENT):
        stat = path.stat()
        state += (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        changed = max(changed, stat.st_mtime, stat.st_ctime)
    if state in _CHECKED:
        return
    row = first_changed(kept / PIXELS, offset, row_bytes, (kept / CONTENT).read_bytes())
    if row is not None:
        raise ValueError(f"the pixels of {names[row]} changed")
    if time.time() - changed > _SETTLED_SECONDS:
        _CHECKED.add(state)


def _digests(folder: Path) -> tuple[str, ...]:
    text, width = (folder / CONTENT).read_bytes().hex(), 2 * CONTENT_BYTES
    return tuple(text[i : i + width] for i in range(0, len(text), width))


def _without(names: tuple[str, ...], skipped: tuple[str, ...]) -> tuple[str, ...]:
    left_out = set(skipped)
    return tuple(n for n in names if n not in left_out)


def _set_aside(kept: Path) -> Path:
    aside = kept.with_name(f"{kept.name}.corrupt")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        kept.rename(aside)
    except FileNotFoundError:
        pass  # another process was quicker
    except OSError as error:
        raise DataError(f"damaged cache {kept} must be removed by hand: {error}") from error
    return aside


def _drop_stale(place: Path, stem: str, kept: Path) -> None:
    """Remove what was decoded from the same folder before its files changed."""
    for other in place.glob(f"{stem}*"):
        if other.is_dir() and other not in (kept, kept.with_name(f"{kept.name}.corrupt")):
            shutil.rmtree(other, ignore_errors=True)


def writable_cache(root: Path) -> Path:
    """Return the folder of what is made once of the data below `root`.

    Where that cannot be written, it is one below the system's folder for temporary files.

    Raises:
        DataError: if neither can.
    """
    place = root / ".cache"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except OSError as error:
        other = Path(tempfile.gettempdir()) / f"hashquant-cache-{os.getuid()}"
        log.warning(
            "%s cannot be written (%s): what is made of images goes to %s", place, error, other
        )
    try:
        other.mkdir(mode=0o700, exist_ok=True)
        mine = other.stat().st_uid == os.getuid()
    except OSError as error:
        raise DataError(f"{root} or {other} must be writable, got {error}") from error
    if not mine:
        raise DataError(f"{other} must belong to you; make {root} writable instead")
    return other


def _make(
    files: FileList, geometry: Geometry, kept: Path, skip: bool, progress: Progress | None
) -> Decoded:
    part = kept.with_name(f"{kept.name}.part")
    log.info("decoding %d images of %s into %s", len(files.names), files.folder, kept)
    try:
        if not part.is_dir():
            part.unlink(missing_ok=True)
        part.mkdir(exist_ok=True)
        skipped = decode_into(
            part, files.folder, files.names, geometry, skip=skip, progress=progress
        )
        names = _without(files.names, skipped)
        if not names:
            raise DataError(f"{files.folder} must hold readable images, got none")
        index = {"version": version_digest(names, _digests(part)), "skipped": skipped}
        (part / "index.json").write_text(json.dumps(index), encoding="utf-8")
        part.rename(kept)
    except OSError as error:
        raise DataError(f"decoded images must be written to {part}, got {error}") from error
    found = _open(kept, files, geometry)
    if found is None:
        raise DataError(f"cache {kept} cannot be read back")
    return found
