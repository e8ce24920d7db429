"""Which level of a tree was meant: parts, identities, one identity, one file, or an archive."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hashquant.data.standing._own import is_own_output
from hashquant.data.standing.kinds import check_file, what_it_is
from hashquant.data.standing.walk import (
    Found,
    folders_in,
    holds_only_folders,
    may_be_image,
)
from hashquant.errors import DataError, nearest

#: Words that name a part, letters only: the one that is the gallery, the queries, or neither.
_ROLES: Mapping[str, tuple[str, ...]] = {
    "gallery": ("train", "training", "gallery", "database", "enrol", "enroll", "enrolled"),
    "query": ("test", "testing", "query", "queries", "probe", "probes"),
    "other": ("val", "valid", "validation", "dev", "development", "eval", "evaluation"),
}
_ENDS = re.compile(r"(set|data|images|faces|split)$")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_SHOWN = 3  # names in a sentence


@dataclass(frozen=True)
class PartNames:
    """The folders that are gallery and queries; `others` stand beside them and are left out."""

    gallery: str
    query: str
    others: tuple[str, ...] = ()


def parts_in(folder: Path) -> PartNames | None:
    """Return the two parts in a folder, in any spelling; None where its folders are identities.

    A part holds folders only: a class called "train" that holds images is a class.

    Raises:
        DataError: if one of the two is missing, or more than two could be meant.
    """
    tops = folders_in(folder)
    by_role: dict[str, list[str]] = {role: [] for role in _ROLES}
    for name in tops:
        role = _role(name)
        if role and holds_only_folders(folder / name):
            by_role[role].append(name)
    galleries, queries = by_role["gallery"], by_role["query"]
    if not (galleries or queries):
        return None
    if len(galleries) == len(queries) == 1:
        pair = galleries[0], queries[0]
        others = (n for n in tops if n not in pair and not is_own_output(folder / n))
        return PartNames(*pair, tuple(others))
    named = [f"{name}/" for names in by_role.values() for name in names]
    say = "say which is which with --set folder.parts=GALLERY/QUERY"
    if len(named) == 1:
        raise DataError(
            f"{folder} must have two parts, gallery (train) and queries (test), got {named[0]} "
            f"alone; give folder:{folder / named[0]} for queries drawn from it; {_none(named)}"
        )
    raise DataError(
        f"{folder} must have two parts, gallery (train) and queries (test), and "
        f"{_shown(named)} look like parts: {say}; {_none(named)}"
    )


def check_levels(folder: Path, found: Found, way_out: str) -> None:
    """Refuse a folder whose folders are no identities, but stand above or below that level.

    They are none where no one of them holds an image itself, or one holds folders named as the
    others are. `way_out` says how a user insists.

    Raises:
        DataError: saying which level was meant, as far as it can be told.
    """
    inner = {top: inside for top, names in found.files.items() if (inside := _folders_only(names))}
    if not inner:
        return
    if len(inner) < len(found.files):
        for top, names in inner.items():
            same = sorted(set(names) & set(found.files))
            if len(same) > 1:
                raise DataError(
                    f"{folder}: {top}/ holds no image itself, but folders named as identities "
                    f"beside it ({_shown(same)}): it looks like a part or a copy of the set, move "
                    f"it away; {way_out}"
                )
        return
    if len(inner) == 1:
        deeper = _single(found.names)
        raise DataError(
            f"{folder} must have one folder per identity, got one folder in all: they look like "
            f"those in it, so give folder:{folder / deeper}"
        )
    raise DataError(f"{folder}: none of its folders holds an image itself, {_told(folder, inner)}")


def one_level_up(folder: Path, loose: Sequence[str]) -> str:
    """Say, for a folder of images without folders, which folder was meant; "" without images."""
    if not loose:
        return ""
    if _role(folder.name):
        return f": its {len(loose)} images must stand in a folder per identity"
    above = folder.resolve().parent
    above = above.parent if _role(above.name) else above
    return (
        f": its {len(loose)} images look like those of one identity, so give the folder above, "
        f"folder:{above}"
    )


def why_no_folder(path: Path) -> str:
    """Say why a path that is there is no folder that can be read; "" where it is, or is missing."""
    try:
        if path.is_dir():
            os.scandir(path).close()
            return ""
        if not os.path.lexists(path):
            return ""
        check_file(path)
    except OSError as error:
        return error.strerror or str(error)
    return _why_a_file(path)


def beside(path: Path) -> str:
    """Say what stands beside a path that is missing: its archive, or a name like it; else ""."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    for name in sorted(names):
        stem, end = name[: len(path.name)], name[len(path.name) :]
        if stem.lower() == path.name.lower() and end.lower().endswith(_ARCHIVES):
            return f"{name} is there: unpack it"
    folders = [name for name in names if (path.parent / name).is_dir()]
    guess = nearest(path.name, folders)
    return f"did you mean {path.parent / guess}?" if guess else ""


def _why_a_file(path: Path) -> str:
    if path.name.lower().endswith(_ARCHIVES):
        return "it is an archive: unpack it and give the folder that it makes"
    what = what_it_is(path)
    return what if "archive" in what else "it is a file: give the folder of the identities' folders"


def _role(name: str) -> str:
    word = _ENDS.sub("", re.sub(r"[^a-z]", "", name.lower()))
    return next((role for role, words in _ROLES.items() if word in words), "")


def _folders_only(names: Sequence[str]) -> tuple[str, ...]:
    """Return the folders right below an identity, none where an image stands there too."""
    if any(name.count("/") == 1 and may_be_image(name.partition("/")[2]) for name in names):
        return ()
    return tuple(dict.fromkeys(name.split("/")[1] for name in names if name.count("/") > 1))


def _told(folder: Path, inner: Mapping[str, Iterable[str]]) -> str:
    tops = sorted(inner)
    owner: dict[str, list[str]] = {}
    for top in tops:
        for name in inner[top]:
            owner.setdefault(name, []).append(top)
    repeated = [name for name, of in owner.items() if len(of) > 1]
    insist = "if they are the identities all the same, --set folder.parts=none"
    if not repeated:
        example = folder / tops[0]
        return (
            f"only folders: if these are the identities, put them side by side in one folder or "
            f"give one group (folder:{example}); {insist}"
        )
    first, second = owner[repeated[0]][:2]
    return (
        f"only folders that repeat ({_shown(repeated)} in {first}/ and {second}/): if these are "
        f"the identities and {first}/ and {second}/ parts, gallery and queries, "
        f"--set folder.parts={first}/{second}; {insist}"
    )


def _none(named: Sequence[str]) -> str:
    what = f"{named[0]} is an identity" if len(named) == 1 else "they are identities"
    return f"if {what}, --set folder.parts=none"


def _single(names: Sequence[str]) -> str:
    """Return the deepest folder that all of `names` stand in, with folders in it only."""
    split = [name.split("/")[:-1] for name in names]
    prefix: list[str] = []
    for level in zip(*split, strict=False):
        if len(set(level)) > 1 or any(len(parts) == len(prefix) + 1 for parts in split):
            break
        prefix.append(level[0])
    return "/".join(prefix)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
