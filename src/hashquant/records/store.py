"""Results on disk: one folder a cell, every file written whole and then renamed into place."""

import errno
import io
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from hashquant.errors import UsageError, legible
from hashquant.machine.filenames import former_name, safe_name
from hashquant.machine.files import guarded, set_aside, write_atomic
from hashquant.machine.locks import locked
from hashquant.machine.refusals import reason_of
from hashquant.machine.strictjson import read_json
from hashquant.records.record import (
    EvalRecord,
    RecordError,
    RecordType,
    TrainRecord,
    from_json,
    to_json,
)
from hashquant.settings.suite import RunSpec

TRAIN, EVAL, PER_QUERY, CODES = "train.json", "eval.json", "per_query.npz", "codes.npz"
DISTRIBUTIONS = "distributions.npz"
#: Letters that are added to a log at once, at most.
MOST_LOGGED = 100_000
MODEL, CHECKPOINT, LOG = "model.safetensors", "checkpoint.pt", "log.txt"
LOCK = ".lock"


@dataclass(frozen=True)
class SuiteRecords:
    """Everything stored of one suite; `damaged` names the files that could not be read.

    `folders` says where the examination of a run on a target lies.
    """

    suite: str
    trains: tuple[TrainRecord, ...]
    evals: tuple[EvalRecord, ...]
    damaged: tuple[str, ...] = ()
    folders: Mapping[tuple[str, str], Path] = field(default_factory=dict)

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
        return read_arrays(folder / name) if folder is not None else {}


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
        return former if _said(former / EVAL, "target") == target else folder

    def train_record(self) -> TrainRecord | None:
        """Return the stored training record; a damaged one is set aside and reads as None."""
        return _load(TrainRecord, self.path / TRAIN)

    def eval_record(self, target: str) -> EvalRecord | None:
        """Return the examination on `target`, whole with its per-query file, or None."""
        folder = self.target_folder(target)
        if not (folder / PER_QUERY).is_file():
            return None
        return _load(EvalRecord, folder / EVAL)

    def save_train(self, record: TrainRecord) -> None:
        """Write the training record.

        Raises:
            StoreError: if it cannot be written, with the reason.
        """
        write_atomic(self.path / TRAIN, to_json(record).encode())

    def save_eval(
        self,
        record: EvalRecord,
        per_query: Mapping[str, np.ndarray],
        codes: Mapping[str, np.ndarray],
        distributions: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write an examination; the record comes last, so that it vouches for the arrays.

        Distributions may be missing, as they are of examinations made before there were any.

        Raises:
            StoreError: if it cannot be written, with the reason.
        """
        folder = self.target_folder(record.target)
        write_arrays(folder / CODES, codes)
        write_arrays(folder / PER_QUERY, per_query)
        if distributions is not None:
            write_arrays(folder / DISTRIBUTIONS, distributions)
        write_atomic(folder / EVAL, to_json(record).encode())

    def append_log(self, text: str) -> None:
        """Add lines to the cell's log.

        Raises:
            StoreError: if it cannot be written.
        """
        with guarded(self.log):
            self.path.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as log:
                log.write(legible(text.rstrip(), MOST_LOGGED) + "\n")


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
        runs = {run for path in paths if (run := _said(path, "run_id"))}
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
        """Return every readable record of a suite, in path order."""
        trains: list[TrainRecord] = []
        evals: list[EvalRecord] = []
        damaged: list[str] = []
        folders: dict[tuple[str, str], Path] = {}
        for path in sorted((self.root / suite).rglob("*.json")):
            try:
                text = path.read_text(encoding="utf-8")
                if path.name == TRAIN:
                    trains.append(from_json(TrainRecord, text))
                elif path.name == EVAL:
                    evals.append(from_json(EvalRecord, text))
                    folders[evals[-1].run_id, evals[-1].target] = path.parent
            except (OSError, UnicodeDecodeError, RecordError):
                damaged.append(str(path))
        return SuiteRecords(suite, tuple(trains), tuple(evals), tuple(damaged), folders)

    def trained(self) -> Iterator[tuple[CellFolder, TrainRecord]]:
        """Yield every training run of every suite that ended well, in path order."""
        try:
            paths = sorted(self.root.glob(f"*/*/*/*/*/{TRAIN}"))
        except OSError:  # a folder went while it was listed
            paths = []
        for path in paths:
            try:
                record = from_json(TrainRecord, path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, RecordError):
                continue
            if record.status == "done":
                yield CellFolder(path.parent), record

    def suites(self) -> list[str]:
        """Return the suites that have stored records."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if any(p.rglob(TRAIN)))


def _said(path: Path, key: str) -> str:
    """Return what a record says of itself, or nothing where it cannot be read."""
    try:
        raw = read_json(path)
    except (OSError, ValueError):
        return ""
    return str(raw.get(key, "")) if isinstance(raw, dict) else ""


def _load(cls: type[RecordType], path: Path) -> RecordType | None:
    try:
        return from_json(cls, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, RecordError):
        set_aside(path)
        return None


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a stored .npz file, or none where it is missing or damaged."""
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error):
        return {}


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a .npz file, the same bytes for the same arrays.

    Raises:
        StoreError: if it cannot be written, with the reason.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    write_atomic(path, buffer.getvalue())
