"""The files of a folder of identities: no litter, each link once, nothing lost in silence."""

import os
from dataclasses import dataclass
from pathlib import Path

from hashquant.data.standing._litter import is_litter
from hashquant.data.standing._own import is_own_output
from hashquant.errors import DataError

#: Ends of names that say "image", for what is said of files that stand beside the identities.
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".pgm")


@dataclass(frozen=True)
class Found:
    """What stands in a folder: `files` as `identity/…/file`, by identity in order of names.

    `loose` are images that stand beside the identities' folders, and are not of the set; `own` are
    this program's own folders; `notes` say what of the user's was left out.
    """

    files: dict[str, list[str]]
    loose: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All files."""
        return [name for names in self.files.values() for name in names]


def find_identities(folder: Path) -> Found:
    """Return the files of each folder in `folder`.

    A link to a folder is followed where it leads to something new: what stands above it, or was
    read for the same identity already, is left out. Pipes and broken links are listed, since a set
    must not shrink in silence: reading them fails.

    Raises:
        DataError: if a folder cannot be read, has no images, or is a link into another identity.
    """
    folders, files = _listed(folder)
    walk = _Walk(folder, folders)
    found = {}
    for name in walk.tops:
        inside = walk.files_of(name)
        if inside is None:
            continue
        if not inside:
            raise DataError(f"{folder}: an identity's folder must hold images, got none in {name}")
        found[name] = sorted(inside)
    for names in found.values():
        _check_encoding(names, folder)
    loose = tuple(sorted(filter(_is_image, files)))
    notes = [f"{link} left out: it leads to a folder that it stands in" for link in walk.loops]
    if loose and found:
        notes.append(f"{len(loose)} images beside the folders left out (the first: {loose[0]})")
    return Found(found, loose, tuple(walk.own), tuple(map(_printable, notes)))


def folders_in(folder: Path) -> tuple[str, ...]:
    """Return the names of the folders in `folder` that are no litter, in order.

    Raises:
        DataError: if it cannot be read.
    """
    return tuple(sorted(_listed(folder)[0]))


def holds_only_folders(folder: Path) -> bool:
    """Return whether a folder holds folders and no image, litter apart.

    Raises:
        DataError: if it cannot be read.
    """
    folders, files = _listed(folder)
    return bool(folders) and not any(map(may_be_image, files))


def may_be_image(name: str) -> bool:
    """Return whether a file's name is one of an image, or says nothing.

    >>> [may_be_image(name) for name in ("1.PNG", "0001", "labels.csv")]
    [True, True, False]
    """
    return "." not in name or _is_image(name)


class _Walk:
    """One walk below `root`, which remembers in which identity it met each folder.

    `tops` are the identities, `loops` links that were left out, `own` the program's own folders.
    """

    def __init__(self, root: Path, folders: dict[str, bool]) -> None:
        self.loops: list[str] = []
        self.own: list[str] = []
        self._root = root
        here = root.resolve()
        self._met = {_key(place): "" for place in (here, *here.parents)}
        by_link = sorted(folders, key=lambda name: (folders[name], name))
        self.tops = sorted(name for name in by_link if self._enter(name, name))

    def files_of(self, top: str) -> list[str] | None:
        """Return the files below one of `tops`, links to folders last; None for an own folder."""
        found: list[str] = []
        waiting, links = [top], list[str]()
        while waiting or links:
            below = waiting.pop() if waiting else links.pop(0)
            if below != top and not self._enter(below, top):
                continue
            folders, files = _listed(self._root / below)
            if below == top and not any(map(_is_image, files)) and is_own_output(self._root / top):
                self.own.append(top)
                return None
            found += [f"{below}/{name}" for name in files]
            waiting += [f"{below}/{name}" for name, linked in folders.items() if not linked]
            links += sorted(f"{below}/{name}" for name, linked in folders.items() if linked)
        return found

    def _enter(self, below: str, top: str) -> bool:
        """Note a folder of identity `top`, and return whether it is new."""
        key = _key(self._root / below)
        if key not in self._met:
            self._met[key] = top
            return True
        owner = self._met[key]
        if not owner:
            self.loops.append(below)
        elif owner != top:
            raise DataError(
                f"{self._root}: {below} is the folder of {owner} too, by a link: one image cannot "
                "be of two identities"
            )
        return False


def _key(folder: Path) -> tuple[int, int]:
    try:
        found = folder.stat()
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return found.st_dev, found.st_ino


def _listed(folder: Path) -> tuple[dict[str, bool], list[str]]:
    """Return the folders in a folder, whether each is a link, and the other entries."""
    folders: dict[str, bool] = {}
    files = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_litter(entry.name):
                    continue
                if _is_folder(entry):
                    folders[entry.name] = entry.is_symlink()
                else:
                    files.append(entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return folders, files


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself, for one: reading it says so


def _is_image(name: str) -> bool:
    return name.lower().endswith(_IMAGES)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _check_encoding(names: list[str], folder: Path) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{folder}: file names must be UTF-8, got {name!a}") from error
