"""One cell's folder: its training record, weights, checkpoint, log, and what it was examined on."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from hashquant.errors import legible
from hashquant.machine.filenames import former_name, safe_name
from hashquant.machine.files import guarded, set_aside
from hashquant.machine.seals import digest
from hashquant.records import vouching
from hashquant.records._keeping import away, make_room, peek, says, text_of, write
from hashquant.records.arrays import write_arrays
from hashquant.records.record import EvalRecord, RecordError, TrainRecord, read_record
from hashquant.records.vouching import (
    CODES,
    DISTRIBUTIONS,
    EVAL,
    MODEL,
    PER_QUERY,
    TRAIN,
    Found,
)

CHECKPOINT, LOG = "checkpoint.pt", "log.txt"
#: Letters that are added to a log at once, at most.
MOST_LOGGED = 100_000


class CellFolder:
    """One cell's files: training record, weights, and one sub-folder per target."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / MODEL
        self.checkpoint = path / CHECKPOINT
        self.log = path / LOG

    def target_folder(self, target: str) -> Path:
        """Return the folder of the examination on `target`, whether it is there or not.

        Under the name that such folders had before, which targets could share, it is only where
        the record inside says that it is of this target.
        """
        folder, former = self.path / safe_name(target), self.path / former_name(target)
        if former == folder or folder.is_dir():
            return folder
        return former if says(former / EVAL, "target") == target else folder

    def trained(self, name: str) -> Found[TrainRecord]:
        """Return the finished training of run `name`, or what is wrong; nothing is changed."""
        return vouching.trained(self.path, name)

    def examined(self, name: str, target: str) -> Found[EvalRecord]:
        """Return the whole examination of run `name`, or what is wrong; nothing is changed."""
        return vouching.examined(self.target_folder(target), name, target)

    def train_record(self, name: str = "") -> TrainRecord | None:
        """Return the stored training record, of run `name` where one is asked for.

        A damaged one, or another run's, is set aside with a warning and reads as None.
        """
        path = self.path / TRAIN
        try:
            record = read_record(TrainRecord, path)
        except FileNotFoundError:
            return None
        except RecordError as error:
            away(path, str(error))
            return None
        if name and record.run_id != name:
            away(path, f"is of run {record.run_id[:40]}, not of {name}")
            return None
        return record

    def save_train(self, record: TrainRecord) -> None:
        """Write the training record.

        Raises:
            StoreError: if it cannot be written, with the reason.
        """
        self.clear()
        write(self.path / TRAIN, text_of(record, self.path / TRAIN))

    def save_model(self, data: bytes) -> dict[str, str]:
        """Write the weights, and return what the training record holds of them: its `files`.

        Weights that no training vouches for are set aside.

        Raises:
            StoreError: if they cannot be written, with the reason.
        """
        self.clear()
        stored = peek(self.path / TRAIN)
        write(self.model, data, vouching.weights_fault(stored, self.path) if stored else "")
        return {MODEL: digest(data)}

    def save_eval(
        self,
        record: EvalRecord,
        per_query: Mapping[str, np.ndarray],
        codes: Mapping[str, np.ndarray],
        distributions: Mapping[str, np.ndarray] | None = None,
    ) -> EvalRecord:
        """Write an examination, and return its record as it is stored: with its files' digests.

        The record comes last, so that it vouches for the arrays. What stands there and is damaged
        or of another run is set aside, its record first: half of it would be taken for whole.
        Distributions may be missing, as they are of examinations made before there were any.

        Raises:
            StoreError: if it cannot be written, with the reason.
        """
        folder = self.target_folder(record.target)
        self.clear(folder)
        faults = vouching.examined(folder, record.run_id, record.target).faults
        for path in [folder / EVAL, *faults] if faults else ():
            if os.path.lexists(path):
                set_aside(path)
        kinds = {CODES: codes, PER_QUERY: per_query, DISTRIBUTIONS: distributions}
        files = {}
        for name, arrays in kinds.items():
            if arrays is not None:
                make_room(folder / name)
                files[name] = write_arrays(folder / name, arrays)
        stored = replace(record, files=files)
        write(folder / EVAL, text_of(stored, folder / EVAL))
        return stored

    def kept(self, targets: Iterable[str]) -> tuple[Path, ...]:
        """Return the files that a finished run and its examinations cannot be without."""
        folders = [self.target_folder(target) for target in targets]
        needed = [folder / name for folder in folders for name in (EVAL, PER_QUERY)]
        return (self.path / TRAIN, *needed)

    def append_log(self, text: str) -> None:
        """Add lines to the cell's log.

        Raises:
            StoreError: if it cannot be written.
        """
        self.clear()
        make_room(self.log)
        with guarded(self.log):
            self.path.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as log:
                log.write(legible(text.rstrip(), MOST_LOGGED) + "\n")

    def clear(self, folder: Path | None = None) -> None:
        """Set aside what stands where one of the cell's folders should be and is none."""
        for path in (*reversed(self.path.parents[:4]), self.path, folder or self.path):
            if os.path.lexists(path) and not path.is_dir():
                away(path, "is no folder")
