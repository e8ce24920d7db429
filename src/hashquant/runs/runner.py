"""All cells of a plan: cached ones are kept, failures become records, the rest goes on."""

import functools
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from hashquant.errors import DataError, HashQuantError, StoreError
from hashquant.plugins import registry
from hashquant.records.gate import gate_at
from hashquant.records.provenance import provenance
from hashquant.records.record import Gate
from hashquant.records.store import CellFolder, Store
from hashquant.runs._gating import judged_apart, kept_gate
from hashquant.runs.cell import Trained, save_failure, train_cell
from hashquant.runs.diagnosis import diagnosed
from hashquant.runs.examination import examine
from hashquant.runs.planning import Cell
from hashquant.runs.preparation import (
    Examination,
    Place,
    Prepared,
    held_out,
    prepare,
    prepare_target,
)
from hashquant.runs.tally import Ending, Tally
from hashquant.settings.suite import run_id

LOGGER = logging.getLogger(__name__)


@runtime_checkable
class Watcher(Protocol):
    """What a run tells while it goes on."""

    def show(self, text: str) -> None:
        """Name what is running now."""

    def advance(self, units: int, text: str = "") -> None:
        """Count finished epochs and examinations; less than zero takes back what is made anew."""

    def say(self, text: str) -> None:
        """Tell a finished cell's outcome."""


@dataclass(frozen=True)
class Surroundings:
    """Where a run takes its images from, computes, and keeps its records.

    `progress` is told how many files of how many are decoded; `resident` as in `Place`; `jobs` is
    how many cells go side by side on the device, this one included.
    """

    store: Store
    data_root: Path
    device: torch.device
    on_bad_image: str = "stop"
    force: bool = False
    progress: Callable[[int, int], None] | None = None
    resident: bool = True
    jobs: int = 1


def units(cell: Cell) -> int:
    """Return a cell's length in the progress bar: its epochs and its examinations."""
    return cell.spec.epochs + len(cell.targets)


def title(cell: Cell) -> str:
    """Return how a cell is called while it runs."""
    return f"{cell.spec.dataset} {cell.spec.label} {cell.spec.bits} bit seed {cell.spec.seed}"


def run(cells: Sequence[Cell], here: Surroundings, watcher: Watcher, tally: Tally) -> None:
    """Run every cell in turn, counting outcomes in `tally` as they come.

    Raises:
        StoreError: if results cannot be written: what is stored stays, nothing more can be.
        KeyboardInterrupt: as it came; finished cells and the last epoch are stored.
    """
    # Reads the commit once, now: it may move on while the code in memory does not.
    provenance(here.device)
    for cell, contest in contested(cells, here, watcher, tally):
        with counting_failure(tally):
            ending = _ending(cell, contest, here, watcher)
        tally.add(ending)


@contextmanager
def counting_failure(tally: Tally) -> Iterator[None]:
    """Count a cell whose results cannot be written as failed."""
    try:
        yield
    except StoreError:
        tally.counts["failed"] += 1
        raise


def contested(
    cells: Sequence[Cell], here: Surroundings, watcher: Watcher, tally: Tally
) -> Iterator[tuple[Cell, "Contest"]]:
    """Yield each cell with its data set, which is loaded once; tell and count what has none."""
    for reference, group in groupby(cells, key=lambda cell: cell.spec.dataset):
        batch = list(group)
        try:
            watcher.show(f"{reference}: loading")
            contest = load(batch[0], here)
        except HashQuantError as error:
            _refuse(batch, error, watcher, tally)
            continue
        for refusal in contest.refused.values():
            watcher.say(f"error: {refusal}")
            tally.data_missing |= isinstance(refusal, DataError)
        yield from ((cell, contest) for cell in batch)


@dataclass(frozen=True)
class Contest:
    """A training set and all that its models are examined on.

    `refused` are the targets that cannot be used, each with the reason; `own` gives queries held
    out from the training classes, where there are any, whether or not they are a target.
    """

    prepared: Prepared
    examinations: Mapping[str, Examination]
    refused: Mapping[str, HashQuantError]
    own: Callable[[], Examination | None] = lambda: None


def load(cell: Cell, here: Surroundings) -> Contest:
    """Load a cell's training set and its targets onto the device.

    Raises:
        HashQuantError: if the training set, or none of the targets, can be used.
    """
    spec = cell.spec
    place = Place(here.data_root, here.device, here.on_bad_image, here.progress, here.resident)
    dataset = registry.make_dataset(spec.dataset, spec.dataset_options)
    prepared = prepare(dataset, spec.dataset, place, spec)
    examinations: dict[str, Examination] = {}
    refused: dict[str, HashQuantError] = {}
    for target in cell.targets:
        try:
            examined = registry.make_dataset(target.dataset, cell.options[target.dataset])
            examinations[target.name] = prepare_target(examined, target, place, spec, prepared)
        except HashQuantError as error:
            refused[target.name] = error
    if refused and not examinations:
        raise next(iter(refused.values()))
    own = functools.cache(lambda: held_out(dataset, spec.dataset, place, spec, prepared))
    return Contest(prepared, examinations, refused, own)


def is_cached(cell: Cell, contest: Contest, here: Surroundings) -> bool:
    """Tell whether a cell stands complete in the store, for every target that can be examined.

    Its records are read, and vouch for every file that is there (`records.vouching`).
    """
    folder, name = kept_in(cell, contest, here)
    return folder.trained(name).record is not None and not any(_missing(folder, name, contest))


def _missing(
    folder: CellFolder, run: str, contest: Contest
) -> Iterator[tuple[Examination, Mapping[Path, str]]]:
    """Yield what is not yet examined, was with another split, or is damaged: in which files."""
    for name, examination in contest.examinations.items():
        found = folder.examined(run, name)
        if found.record is None or found.record.split_digest != examination.split_digest:
            yield examination, found.faults


def kept_in(cell: Cell, contest: Contest, here: Surroundings) -> tuple[CellFolder, str]:
    """Return the folder of a cell, and its run_id."""
    name = run_id(cell.spec, contest.prepared.version)
    return here.store.cell(cell.spec, name), name


def _refuse(batch: list[Cell], error: HashQuantError, watcher: Watcher, tally: Tally) -> None:
    watcher.say(f"error: {error}")
    tally.data_missing |= isinstance(error, DataError)
    tally.counts["failed"] += len(batch)
    watcher.advance(sum(units(cell) for cell in batch))


def _ending(cell: Cell, contest: Contest, here: Surroundings, watcher: Watcher) -> Ending:
    watcher.show(title(cell))
    ending = settled(cell, contest, here, watcher)
    return ending or told(cell, attempt(cell, contest, here, watcher), watcher)


def settled(cell: Cell, contest: Contest, here: Surroundings, watcher: Watcher) -> Ending | None:
    """Return and tell how a cell ended that is not to be run; None for one that is.

    Raises:
        StoreError: if the reason why it cannot be made cannot be written.
    """
    folder, name = kept_in(cell, contest, here)
    if cell.status:
        save_failure(folder, cell.spec, name, cell.status, cell.reason)
        watcher.say(f"{title(cell)}: {cell.status}: {cell.reason}")
        watcher.advance(units(cell))
        return Ending(cell.status, cell.reason)
    if not here.force and is_cached(cell, contest, here):
        watcher.say(f"{title(cell)}: cached")
        watcher.advance(units(cell))
        record = folder.train_record()
        gate = gate_at(here.store, record) if record else None
        untrained, kept = _told_untrained(cell, gate, watcher), folder.kept(contest.examinations)
        return Ending("cached", untrained=untrained, kept=kept)
    return None


def _told_untrained(cell: Cell, gate: Gate | None, watcher: Watcher) -> bool:
    """Tell whether a cell did not train, also to the watcher, with the reason."""
    if gate is None or gate.trained:
        return False
    watcher.say(f"{title(cell)}: did not train: {gate.reason} (docs/adr/0017)")
    return True


def told(cell: Cell, ending: Ending, watcher: Watcher) -> Ending:
    """Tell how a cell ended for good, and return that."""
    if ending.reason:
        watcher.say(f"{title(cell)}: {ending.status}: {ending.reason}")
    watcher.advance(max(units(cell) - ending.seen, 0))
    return ending


def attempt(cell: Cell, contest: Contest, here: Surroundings, watcher: Watcher) -> Ending:
    """Train and examine a cell, and return how it ended; any failure becomes its record.

    Raises:
        StoreError: if results cannot be written.
        KeyboardInterrupt: as it came, with a record that says so.
    """
    folder, name = kept_in(cell, contest, here)
    seen = 0

    def on_epoch(epoch: int, terms: dict[str, float]) -> None:
        nonlocal seen
        text = f" loss {terms['total']:.3f}" if "total" in terms else ""
        watcher.advance(max(epoch + 1 - seen, 0), text)
        seen = max(epoch + 1, seen)

    try:
        trained = train_cell(
            cell.spec, contest.prepared, here.store, here.device, on_epoch,
            fresh=here.force, jobs=here.jobs,
        )  # fmt: skip
        if cell.spec.dataset not in contest.examinations:
            judged_apart(trained, contest.own, here.store, folder, here.device)
        _examine(trained, contest, folder, here, watcher, title(cell))
        untrained = _told_untrained(cell, kept_gate(here.store, folder, name), watcher)
    except StoreError:
        raise
    except KeyboardInterrupt:
        save_failure(folder, cell.spec, name, "interrupted", f"stopped after epoch {seen}")
        raise
    except Exception as error:  # the one border where any failure of a cell becomes a record
        status, reason = diagnosed(error)
        save_failure(folder, cell.spec, name, status, reason)
        folder.append_log(traceback.format_exc())
        return Ending(status, reason, seen)
    outcome = "failed" if contest.refused else "done"
    return Ending(outcome, seen=seen, untrained=untrained, kept=folder.kept(contest.examinations))


def _examine(
    trained: Trained, contest: Contest, folder: CellFolder, here: Surroundings,
    watcher: Watcher, name: str,
) -> None:  # fmt: skip
    """Examine a trained cell on every target that is missing or damaged, or on all by force."""
    missing = list(_missing(folder, trained.record.run_id, contest))
    for path, reason in (fault for _, faults in missing for fault in faults.items()):
        LOGGER.warning("%s %s: it is set aside and made again", path, reason)
    wanted = contest.examinations.values() if here.force else [each for each, _ in missing]
    for examination in wanted:
        found = examine(
            trained.network, trained.record, examination, folder, here.device, jobs=here.jobs
        )
        watcher.say(f"{name}: {found.protocol} {found.target}: mAP {found.scores[0].value:.4f}")
