"""Results on disk: one folder a cell, every file written whole and then renamed into place."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hashquant.errors import UsageError
from hashquant.machine.filenames import former_name, safe_name
from hashquant.machine.files import guarded, walk, write_atomic
from hashquant.machine.locks import locked
from hashquant.machine.refusals import reason_of
from hashquant.records._keeping import peek, says
from hashquant.records.cellfolder import CellFolder
from hashquant.records.record import EvalRecord, RecordError, TrainRecord, read_record
from hashquant.records.vouching import (
    CODES,
    DISTRIBUTIONS,
    EVAL,
    PER_QUERY,
    TRAIN,
    usable,
)
from hashquant.settings.suite import RunSpec

LOCK = ".lock"


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


class Store:
    """All cells below one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def cell(self, spec: RunSpec, run_id: str) -> CellFolder:
        """Return the folder of a run: its settings are part of the name (ADR 0005).

        Under the name that data sets had before, it is only where a record of this very run, or
        a training that was broken off, lies there.
        """
        below = Path(f"{spec.bits}bit", f"seed{spec.seed}-{run_id[:6]}")
        cell = self.root / spec.suite / safe_name(spec.dataset) / safe_name(spec.method) / below
        former = self.root / spec.suite / former_name(spec.dataset) / spec.method / below
        # No Path's method: a former name may be longer than the system allows.
        if former == cell or cell.is_dir() or not os.path.isdir(former):  # noqa: PTH112
            return CellFolder(cell)
        paths = [former / TRAIN, *former.glob(f"*/{EVAL}")]
        runs = {run for path in paths if (run := says(path, "run_id"))}
        return CellFolder(former if not runs or run_id in runs else cell)

    def suite_file(self, suite: str) -> Path:
        """Return where the file of a suite is kept that is not among the benchmarks."""
        return self.root / suite / f"{suite}.yaml"

    def keep_suite(self, suite: str, file: Path) -> None:
        """Keep a suite's file beside its records, so that what they are of can be run again.

        Raises:
            StoreError: if it cannot be written.
        """
        kept = self.suite_file(suite)
        with guarded(kept):
            text = file.read_bytes()
            if not kept.is_file() or kept.read_bytes() != text:
                write_atomic(kept, text)

    @contextmanager
    def lock(self, suite: str) -> Iterator[None]:
        """Hold the suite's folder for one run.

        Raises:
            UsageError: if another run holds it, or the folder cannot be written.
        """
        folder = self.root / suite
        with ExitStack() as held:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                if not os.access(folder, os.W_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                held.enter_context(locked(folder / LOCK, wait=False))
            except BlockingIOError as error:
                raise UsageError(
                    f"results folder {folder} is in use by another run: wait for it, or give "
                    "this one its own --results-dir"
                ) from error
            except OSError as error:
                where = f" ({error.filename})" if error.filename == str(folder / LOCK) else ""
                raise UsageError(
                    f"results folder {folder} must be writable, got: {reason_of(error)}{where}"
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
        try:
            paths = sorted(self.root.glob(f"*/*/*/*/*/{TRAIN}"))
        except OSError:  # a folder went while it was listed
            paths = []
        for path in paths:
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
