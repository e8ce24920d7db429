"""Manifests: splits written down as file names by role, sealed by their digest."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hashquant.data.items import Items, Split, lines_digest, make_split
from hashquant.errors import DataError
from hashquant.machine.files import write_atomic
from hashquant.machine.strictjson import read_json


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
    """Read a manifest and verify its digest.

    Raises:
        DataError: if the file is no manifest or its lists do not match its digest.
    """
    try:
        raw = read_json(path)
        roles = {role: tuple(files) for role, files in raw["roles"].items()}
        found = Manifest(
            raw["dataset"], raw["protocol"], raw["rule"], roles, raw["sha256"], raw["counts"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"manifest {path} must be a JSON split manifest, got {error}") from error
    if manifest_digest(roles) != found.sha256:
        raise DataError(f"manifest {path}: its lists do not match its sha256")
    return found


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
    manifest = {"dataset": dataset, "protocol": split.protocol, "rule": rule, "counts": counts,
                "identities": len(items.class_names), "sha256": manifest_digest(roles),
                "roles": roles}  # fmt: skip
    write_atomic(path, (json.dumps(manifest, indent=0, ensure_ascii=False) + "\n").encode())
