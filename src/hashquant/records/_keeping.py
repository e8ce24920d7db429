"""What is done with files of the store: written, and set aside where they cannot stand."""

import logging
from pathlib import Path

from hashquant.errors import StoreError
from hashquant.machine.files import set_aside, write_atomic
from hashquant.machine.strictjson import read_json
from hashquant.records.record import EvalRecord, RecordError, TrainRecord, read_record, to_json

LOGGER = logging.getLogger(__name__)


def peek(path: Path) -> TrainRecord | None:
    """Return a training record, or None where it is missing or damaged; nothing is set aside."""
    try:
        return read_record(TrainRecord, path)
    except (OSError, RecordError):
        return None


def says(path: Path, key: str) -> str:
    """Return what a record says of itself, or nothing where it cannot be read."""
    try:
        raw = read_json(path)
    except (OSError, ValueError):
        return ""
    return str(raw.get(key, "")) if isinstance(raw, dict) else ""


def text_of(record: TrainRecord | EvalRecord, path: Path) -> bytes:
    """Return a record as the bytes of its file.

    Raises:
        StoreError: if it holds a number that no record can.
    """
    try:
        return to_json(record).encode()
    except ValueError as error:
        raise StoreError(f"cannot write {path}: {error}") from error


def write(path: Path, data: bytes, fault: str = "") -> None:
    """Write a file; what stands there and is damaged, or is no file, is kept beside it."""
    if fault and path.exists():
        set_aside(path)
    make_room(path)
    write_atomic(path, data)


def make_room(path: Path) -> None:
    """Set aside a folder that stands where a file is to be written."""
    if path.is_dir():
        away(path, "is a folder")


def away(path: Path, reason: str) -> None:
    """Set a file or folder aside, and say so."""
    aside = set_aside(path)
    LOGGER.warning("%s set aside as %s: %s", path, aside.name, reason)
