"""What older records lack, made from stored files: distributions from their codes, and seals."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from hashquant.machine.files import set_aside, write_atomic
from hashquant.machine.seals import file_digest
from hashquant.records.arrays import write_arrays
from hashquant.records.cellfolder import CellFolder
from hashquant.records.record import (
    SCHEMA_VERSION,
    SEALED_FROM,
    EvalRecord,
    TrainRecord,
    to_json,
)
from hashquant.records.store import Store
from hashquant.records.vouching import (
    CODES,
    DISTRIBUTIONS,
    EVAL,
    MODEL,
    PER_QUERY,
    TRAIN,
    array_faults,
    usable,
    weights_fault,
)
from hashquant.runs.verification import verify
from hashquant.search.comparisons import MissingCodesError, StoredCodes
from hashquant.search.distributions import distributions

ARRAYS = (PER_QUERY, CODES, DISTRIBUTIONS)


def complete_suite(store: Store, suite: str) -> Iterator[Path]:
    """Make what older records of a suite lack, and yield each file written.

    Distributions that are missing or damaged are made from stored codes; examinations without
    whole codes keep none. Records of before there were seals, and the files beside them, are
    sealed where `verify` finds nothing wrong: what no stored file tells (losses, times, weights)
    is sealed as it stands.

    Raises:
        HashQuantError: if stored codes do not fit each other.
        UsageError: if another run holds the suite.
        StoreError: if a file cannot be written.
    """
    with store.lock(suite):
        records = store.read(suite)
        wrong: set[Path] = set()
        for record in records.evals:
            folder = records.folders[record.run_id, record.target]
            made = _counted(record, folder)
            if made:
                yield folder / DISTRIBUTIONS
            elif not _unsealed(record, folder):
                continue
            held = replace(record, files={**record.files, **made})
            checked = verify(store, held, folder)
            if checked.differences or checked.unreadable:
                wrong.add(folder.parent)
                continue
            _seal(held, folder)
            if record.schema_version < SEALED_FROM:
                yield folder / EVAL
        for train in records.trains:
            cell = store.cell(train.spec, train.run_id)
            if cell.path not in wrong and _sealed_training(train, cell):
                yield cell.path / TRAIN


def _counted(record: EvalRecord, folder: Path) -> dict[str, str]:
    """Write the distributions of an examination that has none, or damaged ones; return their seal.

    Nothing is written, and nothing returned, where they are whole or no codes tell them.
    """
    path, faults = folder / DISTRIBUTIONS, array_faults(record, folder)
    if os.path.lexists(path) and DISTRIBUTIONS not in faults:
        return {}
    labels = usable(record, folder, PER_QUERY).get("label")
    arrays = usable(record, folder, CODES)
    if labels is None or not arrays:
        return {}
    try:
        found = distributions(
            StoredCodes.from_arrays(arrays, record.cost, torch.from_numpy(labels))
        )
    except MissingCodesError:
        return {}
    if DISTRIBUTIONS in faults:
        set_aside(path)
    return {DISTRIBUTIONS: write_arrays(path, found)}


def _unsealed(record: EvalRecord, folder: Path) -> bool:
    """Tell whether an examination, or a file beside it, has no seal."""
    stored = {name for name in ARRAYS if (folder / name).is_file()}
    return record.schema_version < SEALED_FROM or not stored <= record.files.keys()


def _seal(record: EvalRecord, folder: Path) -> None:
    stored = {n: file_digest(folder / n) for n in ARRAYS if (folder / n).is_file()}
    sealed = replace(record, files={**record.files, **stored}, schema_version=SCHEMA_VERSION)
    write_atomic(folder / EVAL, to_json(sealed).encode())


def _sealed_training(train: TrainRecord, cell: CellFolder) -> bool:
    """Seal a training record of before there were seals; tell whether it was one."""
    if train.schema_version >= SEALED_FROM or not (cell.path / TRAIN).is_file():
        return False
    if weights_fault(train, cell.path):
        return False
    files = {MODEL: file_digest(cell.model)} if cell.model.is_file() else {}
    cell.save_train(replace(train, files=files, schema_version=SCHEMA_VERSION))
    return True
