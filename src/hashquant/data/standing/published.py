"""Whether files are those that were published, by the digests that their publishers state."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hashquant.errors import DataError

#: What tables say of images whose publisher states no digest to hold them against.
UNVERIFIED = "cannot be verified as the published files: no official digests of them are known"
#: What tables say of images that are known to be others.
CHANGED = "not the published files"


def check_published(folder: Path, sha256: Mapping[str, str], way_out: str) -> None:
    """Compare files below `folder` with the SHA-256 of each as published.

    55 MB take 0.15 s, which is spent on every load: damage without a new change time is seen too.

    Raises:
        DataError: if one is missing, cannot be read or differs; `way_out` is what a user can do.
    """
    for name, wanted in sha256.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
        if found != wanted:
            raise DataError(
                f"{path} must be the published file, its SHA-256 begins with {found[:12]} and not "
                f"with {wanted[:12]}{way_out}"
            )
