"""All that is stored of a suite, checked."""

from collections.abc import Iterator
from pathlib import Path

from hashquant.records.record import (
    SEALED_FROM,
    EvalRecord,
    RecordError,
    TrainRecord,
    read_record,
)
from hashquant.records.store import Store
from hashquant.records.vouching import EVAL, MODEL, TRAIN, weights_fault
from hashquant.runs.verification._checked import UNSEALED, Checked
from hashquant.runs.verification._examination import verify


def verify_suite(store: Store, suite: str) -> Iterator[Checked]:
    """Check every examination of a suite, in path order, then weights and what cannot be read."""
    faults: dict[str, str] = {}
    paths = store.records(suite, faults)
    for path in paths:
        if path.name != EVAL:
            continue
        try:
            record = read_record(EvalRecord, path)
        except (OSError, RecordError) as error:
            yield Checked(path.parent, unreadable=[f"{path}: {error}"])
        else:
            yield verify(store, record, path.parent)
    examined = {path.parent.parent for path in paths if path.name == EVAL}
    for path in paths:
        if path.name == TRAIN:
            yield from _training(path, alone=path.parent not in examined)
    for place, reason in faults.items():
        yield Checked(Path(place), unreadable=[f"{place}: {reason}"])


def _training(path: Path, *, alone: bool) -> Iterator[Checked]:
    """Check a training's weights; `alone`: no examination did read its record."""
    checked = Checked(path.parent)
    try:
        record = read_record(TrainRecord, path)
    except (OSError, RecordError) as error:
        if alone:
            checked.unreadable.append(f"{path}: {error}")
    else:
        weights = path.with_name(MODEL)
        wrong = weights_fault(record, path.parent)
        if wrong:
            checked.unreadable.append(f"{weights}: {wrong}")
        elif MODEL in record.files and not weights.exists():
            checked.notes.append("weights are not stored here: not checked")
        if record.schema_version < SEALED_FROM:
            checked.notes.append(UNSEALED)
    if checked.unreadable or checked.notes:
        yield checked
