"""Results on disk: one folder a cell, every file written whole and then renamed into place."""

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hashquant.errors import UsageError
from hashquant.machine.files import guarded, set_aside, walk
from hashquant.machine.seals import digest
from hashquant.records import vouching
from hashquant.records._keeping import away, make_room, peek, text_of, write
from hashquant.records.arrays import write_arrays
from hashquant.records.record import (
    EvalRecord,
    RecordError,
    TrainRecord,
    read_record,
)
from hashquant.records.vouching import (
    CODES,
    DISTRIBUTIONS,
    EVAL,
    MODEL,
    PER_QUERY,
    TRAIN,
    Found,
    usable,
)
from hashquant.settings.suite import RunSpec

CHECKPOINT, LOG = "checkpoint.pt", "log.txt"


@dataclass(frozen=True)
class SuiteRecords:
    """Everything stored of one suite; `damaged` names what could not be read, `reasons` why.

    `folders` says where the examination of a run on a target lies. An array file that its record
    does not vouch for is not used: it is named in the log, and reads as if it were absent.
    """

    suite: str
    trains: tuple[TrainRecord, ...]
    evals: tuple[EvalRecord, ...]
    damaged: tuple[str, ...] = ()
    folders: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def per_query(self, record: EvalRecord) -> dict[str, np.ndarray]:
        """Return the stored values of each query: "ap", "label", "relevant" and others.

        "ap" is the headline's average precision, "ap_<comparison>" that of the other comparison;
        NaN where nothing is relevant. Empty where the file is missing or damaged.
        """
        return self._arrays(record, PER_QUERY)

    def distributions(self, record: EvalRecord) -> dict[str, np.ndarray]:
        """Return the stored counts of `search.distributions`, or nothing as `per_query`."""
        return self._arrays(record, DISTRIBUTIONS)

    def codes(self, record: EvalRecord) -> dict[str, np.ndarray]:
        """Return the stored codes, or nothing as `per_query`: they are kept out of git."""
        return self._arrays(record, CODES)

    def _arrays(self, record: EvalRecord, name: str) -> dict[str, np.ndarray]:
        folder = self.folders.get((record.run_id, record.target))
        return usable(record, folder, name) if folder is not None else {}


def folder_name(text: str) -> str:
    """Return `text` as one safe folder name.

    >>> folder_name("folder:/home/a b/faces")
    'folder-home-a-b-faces'
    """
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "unnamed"


class CellFolder:
    """One cell's files: training record, weights, and one sub-folder per target."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / MODEL
        self.checkpoint = path / CHECKPOINT
        self.log = path / LOG

    def trained(self, name: str) -> Found[TrainRecord]:
        """Return the finished training of run `name`, or what is wrong; nothing is changed."""
        return vouching.trained(self.path, name)

    def examined(self, name: str, target: str) -> Found[EvalRecord]:
        """Return the whole examination of run `name`, or what is wrong; nothing is changed."""
        return vouching.examined(self.path / folder_name(target), name, target)

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
        folder = self.path / folder_name(record.target)
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
        folders = [self.path / folder_name(target) for target in targets]
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
                log.write(text.rstrip() + "\n")

    def clear(self, folder: Path | None = None) -> None:
        """Set aside what stands where one of the cell's folders should be and is none."""
        for path in (*reversed(self.path.parents[:4]), self.path, folder or self.path):
            if os.path.lexists(path) and not path.is_dir():
                away(path, "is no folder")


class Store:
    """All cells below one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def cell(self, spec: RunSpec, run_id: str) -> CellFolder:
        """Return the folder of a run: its settings are part of the name (ADR 0005)."""
        parts = (spec.suite, folder_name(spec.dataset), spec.method, f"{spec.bits}bit")
        return CellFolder(self.root.joinpath(*parts, f"seed{spec.seed}-{run_id[:6]}"))

    @contextmanager
    def lock(self, suite: str) -> Iterator[None]:
        """Hold the suite's folder for one run.

        Raises:
            UsageError: if another run holds it, or the folder cannot be written.
        """
        folder = self.root / suite
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = (folder / ".lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"results folder {folder} must be writable, got: {error.strerror}"
            ) from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"results folder {folder} is in use by another run: wait for it, or give "
                    "this one its own --results-dir"
                ) from error
            yield

    def read(self, suite: str) -> SuiteRecords:
        """Return every readable record of a suite, in path order; folders too may be damaged."""
        trains: list[TrainRecord] = []
        evals: list[EvalRecord] = []
        reasons: dict[str, str] = {}
        folders: dict[tuple[str, str], Path] = {}
        for path in self.records(suite, reasons):
            try:
                if path.name == TRAIN:
                    trains.append(read_record(TrainRecord, path))
                else:
                    evals.append(read_record(EvalRecord, path))
                    folders[evals[-1].run_id, evals[-1].target] = path.parent
            except (OSError, RecordError) as error:
                reasons[str(path)] = str(error)
        damaged = tuple(sorted(reasons))
        return SuiteRecords(suite, tuple(trains), tuple(evals), damaged, folders, reasons)

    def records(self, suite: str, faults: dict[str, str]) -> list[Path]:
        """Return the records of a suite in path order; `faults` takes unreadable folders."""

        def fault(folder: Path, reason: str) -> None:
            faults[str(folder)] = f"this folder cannot be read: {reason}"

        found = walk(self.root / suite, fault)
        return sorted(at / name for at, names in found for name in names & {TRAIN, EVAL})

    def trained(self) -> Iterator[tuple[CellFolder, TrainRecord]]:
        """Yield every training run of every suite that ended well, in path order."""
        for path in sorted(self.root.glob(f"*/*/*/*/*/{TRAIN}")):
            record = peek(path)
            if record is not None and record.status == "done":
                yield CellFolder(path.parent), record

    def suites(self) -> list[str]:
        """Return the suites that have stored records, or a folder that cannot be read."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and self._holds(p.name))

    def _holds(self, suite: str) -> bool:
        unread: list[Path] = []
        found = walk(self.root / suite, lambda folder, reason: unread.append(folder))
        return any(TRAIN in names for _, names in found) or bool(unread)
