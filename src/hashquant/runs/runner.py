"""All cells of a plan: cached ones are kept, failures become records, the rest goes on."""

import logging
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Protocol, runtime_checkable

from hashquant.errors import DataError, HashQuantError, StoreError
from hashquant.plugins.failures import calling
from hashquant.records.cellfolder import CellFolder
from hashquant.records.gate import gate_at
from hashquant.records.provenance import provenance
from hashquant.records.record import Gate
from hashquant.runs._gating import judged_apart, kept_gate
from hashquant.runs.cell import Trained, is_of, save_failure, train_cell
from hashquant.runs.contest import Contest, Surroundings, load
from hashquant.runs.diagnosis import diagnosed
from hashquant.runs.examination import examine
from hashquant.runs.planning import Cell
from hashquant.runs.preparation import (
    Examination,
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


def is_cached(cell: Cell, contest: Contest, here: Surroundings) -> bool:
    """Tell whether a cell stands complete in the store, for every target that can be examined.

    Its records are read, and vouch for every file that is there (`records.vouching`).
    """
    folder, name = kept_in(cell, contest, here)
    record = folder.trained(name).record
    done = record is not None and is_of(record, name, contest.prepared)
    return done and not any(_missing(folder, name, contest))


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

    One whose stored files the system does not let us look at has failed.

    Raises:
        StoreError: if the reason why it cannot be made cannot be written.
    """
    try:
        return _settled(cell, contest, here, watcher)
    except OSError as error:
        return told(cell, Ending(*diagnosed(error)), watcher)


def _settled(cell: Cell, contest: Contest, here: Surroundings, watcher: Watcher) -> Ending | None:
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
        return Ending("cached", untrained=untrained, record=record, kept=kept)
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
        with calling(f"method '{cell.spec.method}'"):  # the border where failures become records
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
    except HashQuantError as error:
        status, reason = diagnosed(error)
        save_failure(folder, cell.spec, name, status, reason)
        text = "".join(traceback.format_exception(error.__cause__ or error))
        folder.append_log(text.encode(errors="backslashreplace").decode())
        return Ending(status, reason, seen)
    ended, kept = "failed" if contest.refused else "done", folder.kept(contest.examinations)
    return Ending(ended, "", seen, untrained, trained.record, kept)


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
