"""What a record vouches for: the one place that tells whole files from damaged and foreign ones.

A record from schema 4 on holds the SHA-256 of every file beside it. A file that an older record,
or none, vouches for is taken where it fits what the record says. What is absent is not damaged:
codes and weights are kept out of git (ADR 0019).
"""

import functools
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import numpy as np
from safetensors import SafetensorError, safe_open

from hashquant.machine.seals import BROKEN, file_digest
from hashquant.records.arrays import DamagedError, read_arrays
from hashquant.records.record import EvalRecord, RecordError, RecordType, TrainRecord, read_record
from hashquant.settings.suite import run_id

TRAIN, EVAL, PER_QUERY, CODES = "train.json", "eval.json", "per_query.npz", "codes.npz"
DISTRIBUTIONS, MODEL = "distributions.npz", "model.safetensors"

#: How far the mean of the queries' average precision may lie from the mAP that a record holds.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Found(Generic[RecordType]):
    """A stored record, None where it is missing or cannot stand, and what is wrong, by file."""

    record: RecordType | None
    faults: Mapping[Path, str]


def trained(folder: Path, name: str) -> Found[TrainRecord]:
    """Return the finished training of run `name` in a cell's folder, its weights as stored.

    One that ended otherwise is no fault; one of another run is.
    """
    path = folder / TRAIN
    try:
        record = read_record(TrainRecord, path)
    except FileNotFoundError:
        return Found(None, {})
    except RecordError as error:
        return Found(None, {path: str(error)})
    if record.run_id != name:
        return Found(None, {path: f"is of run {record.run_id[:40]}, not of {name}"})
    if record.status != "done":
        return Found(None, {})
    right = run_id(record.spec, record.dataset_version)
    if right != name:
        return Found(None, {path: f"holds the settings of run {right}, not of {name}"})
    wrong = weights_fault(record, folder)
    return Found(None, {folder / MODEL: wrong}) if wrong else Found(record, {})


def examined(folder: Path, name: str, target: str) -> Found[EvalRecord]:
    """Return the examination of run `name` on `target`, whole with every array that is stored."""
    path = folder / EVAL
    try:
        record = read_record(EvalRecord, path)
    except FileNotFoundError:
        return Found(None, {})
    except RecordError as error:
        return Found(None, {path: str(error)})
    if (record.run_id, record.target) != (name, target):
        whose = f"run {record.run_id[:40]} on {record.target[:80]}"
        return Found(None, {path: f"is of {whose}, not of run {name} on {target}"})
    faults = {folder / file: why for file, why in array_faults(record, folder).items()}
    whole = not faults and os.path.lexists(folder / PER_QUERY)
    return Found(record if whole else None, faults)


def array_faults(record: EvalRecord, folder: Path) -> dict[str, str]:
    """Say of every stored file of arrays that an examination cannot vouch for why, by name."""
    faults = {}
    for name in (PER_QUERY, CODES, DISTRIBUTIONS):
        seal = record.files.get(name, "")
        try:
            if seal:
                _check(folder / name, seal)
            else:
                arrays(record, folder, name)
        except DamagedError as error:
            faults[name] = str(error)
    return faults


def arrays(record: EvalRecord, folder: Path, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of one file beside an examination, or none where it is absent.

    Raises:
        DamagedError: if the record does not vouch for it, with the reason.
    """
    seal = record.files.get(name, "")
    found = read_arrays(folder / name, seal)
    if found and not seal:
        wrong = _FITS[name](record, found)
        if wrong:
            raise DamagedError(wrong)
    return found


def usable(record: EvalRecord, folder: Path, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of one file of an examination that its record vouches for, or none.

    A file that is there and is not used is named in the log, once.
    """
    try:
        return arrays(record, folder, name)
    except DamagedError as error:
        _tell(str(folder / name), str(error))
        return {}


@functools.cache
def _tell(path: str, reason: str) -> None:
    logging.getLogger(__name__).warning("%s is not used: it %s", path, reason)


def weights_fault(record: TrainRecord, folder: Path) -> str:
    """Say why a training does not vouch for the weights stored beside it; "" if it does."""
    path, seal = folder / MODEL, record.files.get(MODEL, "")
    try:
        if seal:
            _check(path, seal)
        elif os.path.lexists(path):
            file_digest(path)  # refuses what is no file
            with safe_open(path, framework="np"):
                pass
    except DamagedError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except (SafetensorError, ValueError, MemoryError):
        return "is no readable file of weights"
    return ""


def _check(path: Path, seal: str) -> None:
    """Raise DamagedError where a file is present and its bytes are not those of the seal."""
    try:
        if file_digest(path) != seal:
            raise DamagedError(BROKEN)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DamagedError(f"cannot be read: {error.strerror or error}") from error


def _queries_fit(record: EvalRecord, found: Mapping[str, np.ndarray]) -> str:
    wrong = per_query_fault(found)
    if wrong:
        return wrong
    ap, count = found["ap"], record.queries
    if len(ap) != count:
        return f"holds {len(ap)} queries, its record {count}"
    headline = record.curves[0].comparison if record.curves else ""
    score = next(
        (
            score.value
            for score in record.scores
            if (score.metric.lower(), score.cutoff, score.ties) == ("map", 0, "expected")
            and score.comparison in (headline, "")
        ),
        None,
    )
    kept = ap[~np.isnan(ap)]
    mean = float(kept.mean(dtype=np.float64)) if len(kept) else None
    if score is None or mean is None or abs(mean - score) <= TOLERANCE:
        return ""
    return f"does not belong to its record: its mean ap is {mean!r}, the record's mAP {score!r}"


def per_query_fault(found: Mapping[str, np.ndarray]) -> str:
    """Say why arrays cannot be the values of queries: a label and an ap of each, and numbers."""
    label, ap = found.get("label"), found.get("ap")
    fits = (
        label is not None
        and ap is not None
        and label.dtype == np.int64
        and label.shape == ap.shape == (label.size,)
        and all(np.issubdtype(array.dtype, np.number) for array in found.values())
        and all(array.shape == ap.shape for array in found.values())
        and not np.issubdtype(found.get("relevant", label).dtype, np.floating)
    )
    return "" if fits else "must hold numbers, a label and an ap of each query"


def _codes_fit(record: EvalRecord, found: Mapping[str, np.ndarray]) -> str:
    sizes = {"gallery": record.gallery, "gallery_label": record.gallery, "query": record.queries}
    for name, size in sizes.items():
        if name in found and (found[name].ndim == 0 or len(found[name]) != size):
            return f"must hold {size} rows of {name}, got shape {found[name].shape}"
    return ""


def _pairs_fit(record: EvalRecord, found: Mapping[str, np.ndarray]) -> str:
    counts = [found.get(name) for name in ("same", "different")]
    if any(array is None or array.dtype != np.int64 for array in counts):
        return "must hold counts of same and of different pairs"
    pairs = sum(int(array.sum()) for array in counts if array is not None)
    wanted = record.queries * record.gallery
    return "" if pairs == wanted else f"must count {wanted} pairs, got {pairs}"


_FITS = {PER_QUERY: _queries_fit, CODES: _codes_fit, DISTRIBUTIONS: _pairs_fit}
