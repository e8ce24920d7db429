"""Manifests: splits written down as file names by role, sealed by their digest."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hashquant.data.items import Items, Split, lines_digest, make_split
from hashquant.errors import DataError
from hashquant.machine.files import write_atomic
from hashquant.machine.strictjson import read_json

#: What a manifest says; older ones have no `seal`, which covers all the rest.
_TEXTS, _OTHERS = ("dataset", "protocol", "rule", "sha256"), ("counts", "roles")
_ROLES = ("training", "query", "gallery")


@dataclass(frozen=True)
class Manifest:
    """A split written down: file names by role, relative to the set's folder."""

    dataset: str
    protocol: str
    rule: str
    roles: Mapping[str, tuple[str, ...]]
    sha256: str
    counts: Mapping[str, int] = field(default_factory=dict)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest and verify its digests.

    Raises:
        DataError: if the file is no manifest, its lists do not match its digest, a role that is
            needed is missing or empty, or a name lies outside the set's folder.
    """
    try:
        raw = read_json(path)
        _check_form(raw)
        roles = {role: tuple(files) for role, files in raw["roles"].items()}
        _check_roles(roles, raw["counts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else error
        raise DataError(f"manifest {path} must be a JSON split manifest, got {said}") from error
    if manifest_digest(roles) != raw["sha256"]:
        raise DataError(f"manifest {path}: its lists do not match its sha256")
    if "seal" in raw and raw["seal"] != _seal(raw):
        raise DataError(f"manifest {path}: what it says does not match its seal")
    return Manifest(
        raw["dataset"], raw["protocol"], raw["rule"], roles, raw["sha256"], raw["counts"]
    )


def _check_form(raw: object) -> None:
    """Refuse what is no manifest.

    Raises:
        ValueError: saying what was found in the place of what.
        KeyError: naming what is missing.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(f"a {type(raw).__name__} in the place of a mapping")
    for name in _TEXTS:
        if not isinstance(raw[name], str):
            raise ValueError(f"a {type(raw[name]).__name__} in the place of the text {name}")
    for name in _OTHERS:
        if not isinstance(raw[name], Mapping):
            raise ValueError(f"a {type(raw[name]).__name__} in the place of the mapping {name}")
    for role, files in raw["roles"].items():
        if not isinstance(files, list):
            raise ValueError(f"a {type(files).__name__} in the place of the list of {role} images")
    unknown = raw.keys() - {*_TEXTS, *_OTHERS, "identities", "seal"}
    if unknown:
        raise ValueError(f"the unknown key {min(unknown)!r}")


def _check_roles(roles: Mapping[str, tuple[object, ...]], counts: object) -> None:
    """Refuse roles that form no split of files below one folder.

    Raises:
        ValueError: saying what is wrong with which role.
    """
    for role, files in roles.items():
        if role not in _ROLES:
            raise ValueError(f"the unknown role {role!r} ({', '.join(_ROLES)} are known)")
        if not files:
            raise ValueError(f"an empty list of {role} images")
        for file in files:
            if not isinstance(file, str) or not _is_inside(file):
                raise ValueError(f"{file!a:.80} in the place of a name below the set's folder")
        if len(set(files)) != len(files):
            raise ValueError(f"a {role} image that is listed twice")
    if "query" not in roles or not roles.keys() & {"training", "gallery"}:
        raise ValueError("no images for query, or none for training and gallery")
    if counts != {role: len(files) for role, files in roles.items()}:
        raise ValueError("counts that are not those of its lists")


def _is_inside(file: str) -> bool:
    """Tell whether a name means one file below a folder, and is written in the one usual way."""
    parts = PurePosixPath(file).parts
    return bool(parts) and ".." not in parts and "\0" not in file and (
        file == "/".join(parts) and not file.startswith("/")
    )  # fmt: skip


def _seal(raw: Mapping[str, Any]) -> str:  # Any: parsed JSON
    """Return the SHA-256 of all that a manifest says beside its `seal`."""
    kept = {key: value for key, value in raw.items() if key != "seal"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def manifest_digest(roles: Mapping[str, Iterable[str]]) -> str:
    """Return the SHA-256 of the sorted lines `role<TAB>path`."""
    return lines_digest([f"{role}\t{file}" for role, files in roles.items() for file in files])


def split_by_manifest(items: Items, manifest: Manifest) -> Split:
    """Return the split that `manifest` lists; without a gallery role the training set is it.

    A manifest without training rows (an unseen protocol) can be examined but not trained on.
    Listed files that `items` skipped are left out and counted in the notes.

    Raises:
        DataError: if a listed file is not among `items`, naming the first one.
    """
    row = {file: i for i, file in enumerate(items.files)}
    skipped = set(items.skipped)
    listed = [f for files in manifest.roles.values() for f in files]
    missing = [f for f in listed if f not in row and f not in skipped]
    if missing:
        raise DataError(
            f"{manifest.dataset}: {len(missing)} images of split '{manifest.protocol}' are "
            f"missing, the first is {missing[0]}"
        )
    rows = {
        r: np.array([row[f] for f in files if f not in skipped], dtype=np.int64)
        for r, files in manifest.roles.items()
    }
    left_out = len(skipped.intersection(listed))
    notes = (f"{left_out} images of the split's manifest skipped",) if left_out else ()
    training = rows.get("training", np.empty(0, dtype=np.int64))
    gallery = rows.get("gallery", training)
    return make_split(items, manifest.protocol, training, rows["query"], gallery, notes=notes)


def write_manifest(path: Path, dataset: str, items: Items, split: Split, rule: str) -> None:
    """Write a split down as file names by role; a file that is there is left as it is.

    Raises:
        StoreError: if it cannot be written.
    """
    rows = {"training": split.training, "query": split.query}
    if not np.array_equal(split.training, split.gallery):
        rows["gallery"] = split.gallery
    roles = {role: [items.files[i] for i in found] for role, found in rows.items() if len(found)}
    counts = {role: len(files) for role, files in roles.items()}
    said = {"dataset": dataset, "protocol": split.protocol, "rule": rule, "counts": counts,
            "identities": len(items.class_names), "sha256": manifest_digest(roles)}  # fmt: skip
    manifest = {**said, "seal": _seal({**said, "roles": roles}), "roles": roles}
    write_atomic(path, (json.dumps(manifest, indent=0, ensure_ascii=False) + "\n").encode())
