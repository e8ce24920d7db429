"""Whether a run trained: its mAP is clear of a random order's, and its loss fell (ADR 0017).

It is judged on queries held out from the run's own training classes. Records made before gates
were stored get theirs here, from the per-query values and losses that they hold.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from hashquant.records.record import (
    EvalRecord,
    Gate,
    RecordError,
    RecordType,
    TrainRecord,
    read_record,
)
from hashquant.records.store import Store, SuiteRecords
from hashquant.records.vouching import EVAL, PER_QUERY, TRAIN, usable
from hashquant.settings.suite import base_spec, whole_spec
from hashquant.settings.words import target_name
from hashquant.statistics.chance import expected_random_ap, random_ap_variance

#: How much of the way from a random order to a perfect one the mAP must have gone.
LEAST_GAIN = 0.02
#: How many standard errors of a random order's mAP it must lie above that.
ERRORS = 3.0
#: How much of the first epoch's loss some term must have fallen by.
LEAST_FALL = 0.02
#: What `Gate.judged_on` says of training images that were held out for validation.
VALIDATION = "validation"
#: Protocols whose queries are of classes that were not trained on.
OTHER_CLASSES = ("cross", "unseen")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a run is judged on: the queries of its own training classes, held out from training.

    `ap` is NaN where nothing is `relevant` among the `gallery` items; `label` says whom a query
    shows.
    """

    name: str
    ap: Float64[np.ndarray, " q"]
    relevant: Int64[np.ndarray, " q"]
    label: Int64[np.ndarray, " q"]
    gallery: int

    @classmethod
    def of(cls, name: str, per_query: Mapping[str, np.ndarray], gallery: int) -> "HeldOut | None":
        """Take it from stored values of queries; None where they are not whole."""
        ap, relevant, label = (per_query.get(key) for key in ("ap", "relevant", "label"))
        if ap is None or relevant is None or label is None or np.isnan(ap).all():
            return None
        if not (ap.shape == relevant.shape == label.shape and possible(relevant, gallery)):
            return None
        return cls(name, ap, relevant, label, gallery)


def judge(taught: TrainRecord, held: HeldOut) -> Gate:
    """Return whether a run trained; `taught` is the record whose losses tell (`taught_by`)."""
    kept = ~np.isnan(held.ap)
    ap, relevant, label = held.ap[kept], held.relevant[kept], held.label[kept]
    chance = expected_random_ap(relevant, held.gallery)
    score, floor = float(ap.mean()), float(chance.mean())
    margin = max(LEAST_GAIN * (1.0 - floor), ERRORS * _error(relevant, held.gallery, label))
    faults = []
    if not score - floor > margin:
        whose = (
            "training images held out" if held.name == VALIDATION else "its own held-out queries"
        )
        faults.append(f"mAP {score:.4f} on {whose}, a random order has {floor:.4f}")
    if loss_fell(taught) is False:
        first, examined = (terms.get("total", math.nan) for terms in _compared(taught))
        faults.append(f"no term of its loss fell (total {first:.4g}, in the end {examined:.4g})")
    return Gate(not faults, score, floor, margin, held.name, "; ".join(faults))


def _error(
    relevant: Int64[np.ndarray, " q"], gallery: int, label: Int64[np.ndarray, " q"]
) -> float:
    """Return the standard error of a random order's mAP, queries of one class taken as one."""
    spread = np.sqrt(random_ap_variance(relevant, gallery))
    _, place = np.unique(label, return_inverse=True)
    return float(np.sqrt(np.square(np.bincount(place, spread)).sum()) / len(label))


def loss_fell(record: TrainRecord) -> bool | None:
    """Tell whether a training's loss fell; None where that cannot be told.

    The examined epoch is compared with the first. It fell where the total or one of its terms is
    lower by `LEAST_FALL` of the sum of all terms' sizes in the first epoch: an adversarial term
    may rise meanwhile. One epoch tells nothing, nor does the first where it is the examined one.
    """
    if len(record.losses) < 2 or record.selected_epoch == 1:
        return None
    first, examined = _compared(record)
    size = sum(abs(value) for name, value in first.items() if name != "total")
    size = size or abs(first.get("total", 0.0))
    return any(first[name] - examined.get(name, math.inf) > LEAST_FALL * size for name in first)


def _compared(record: TrainRecord) -> tuple[Mapping[str, float], Mapping[str, float]]:
    return record.losses[0], record.losses[(record.selected_epoch or len(record.losses)) - 1]


def has_gate(record: TrainRecord) -> bool:
    """Tell whether there is something that a run may have failed to learn.

    A code that took no step of its own and is fitted on nobody's embedding (`random`) has not.
    """
    return record.status == "done" and bool(record.losses or record.base_run)


def gates(records: SuiteRecords) -> dict[str, Gate]:
    """Return the gate of every run that has one, by its run_id: the stored one, or judged now.

    A run that is missing here cannot be told, and counts as trained.
    """
    trains = {record.run_id: record for record in records.trains if record.status == "done"}
    homes = {r.run_id: r for r in records.evals if is_home(r)}
    found = {name: record.gate for name, record in trains.items() if record.gate is not None}
    for name in sorted(trains.keys() & homes.keys() - found.keys()):
        record, home = trains[name], homes[name]
        held = HeldOut.of(home.target, records.per_query(home), home.gallery)
        if held is not None and has_gate(record):
            found[name] = judge(_taught_among(trains, record), held)
    return found


def gate_at(store: Store, record: TrainRecord) -> Gate | None:
    """Return the gate of one run, stored or judged now; None where it cannot be told."""
    return record.gate or judged_again(store, record)


def judged_again(store: Store, record: TrainRecord) -> Gate | None:
    """Judge one run by its stored examination, whatever gate is stored; None without one."""
    spec = record.spec
    folder = store.cell(spec, record.run_id).target_folder(target_name(spec.dataset))
    home = _read(EvalRecord, folder / EVAL)
    if home is None or not is_home(home) or not has_gate(record):
        return None
    held = HeldOut.of(home.target, usable(home, folder, PER_QUERY), home.gallery)
    return None if held is None else judge(taught_by(store, record), held)


def taught_by(store: Store, record: TrainRecord) -> TrainRecord:
    """Return the record whose losses tell of a run: its own, or its base's.

    Of codes that are a prefix of longer ones it is that of those, or of their base.
    """
    if _tells(record) or not record.base_run:
        return record
    prefix, own = record.spec.prefix, record.spec
    spec = whole_spec(own) if prefix else base_spec(own)
    below = _read(TrainRecord, store.cell(spec, record.base_run).path / TRAIN)
    if below is None:
        return record
    return taught_by(store, below) if prefix and not below.spec.prefix else below


def _taught_among(trains: Mapping[str, TrainRecord], record: TrainRecord) -> TrainRecord:
    """Return the same as `taught_by`, of records that are read already."""
    below = None if _tells(record) else trains.get(record.base_run)
    if below is None:
        return record
    again = record.spec.prefix and not below.spec.prefix
    return _taught_among(trains, below) if again else below


def _tells(record: TrainRecord) -> bool:
    """Tell whether a run's own losses say if it trained.

    Not where it took no step; nor where they did not fall and its method stands on a base by
    itself, for it may begin with a fit that leaves little to learn.
    """
    begun = bool(record.spec.base) and not record.spec.head_only
    return bool(record.losses) and not (begun and loss_fell(record) is False)


def is_home(record: EvalRecord) -> bool:
    """Tell whether queries are held out from the training classes: the training set's own split."""
    return (
        record.target == target_name(record.spec.dataset) and record.protocol not in OTHER_CLASSES
    )


def floor_from(per_query: Mapping[str, np.ndarray], gallery: int) -> float | None:
    """Return the mAP of a random order over all queries that have something relevant, or None."""
    relevant = per_query.get("relevant")
    if relevant is None or not possible(relevant, gallery):
        return None
    return float(np.nanmean(expected_random_ap(relevant, gallery)))


def possible(relevant: Int64[np.ndarray, " q"], gallery: int) -> bool:
    """Tell whether these can be numbers of relevant items in a gallery, and not all are 0."""
    return bool(relevant.any() and relevant.min() >= 0 and relevant.max() <= gallery)


def _read(cls: type[RecordType], path: Path) -> RecordType | None:
    """Read a record; None where it is missing or damaged, and nothing is set aside."""
    try:
        return read_record(cls, path)
    except (OSError, RecordError):
        return None
