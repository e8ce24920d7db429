"""What is read beside the values of queries: whom they show, their floors, what is wrong, hours."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from hashquant.records.gate import possible
from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.report.blocks import Block
from hashquant.statistics.chance import expected_random_ap

#: How far a record's score may lie from the mean of its queries' values.
TOLERANCE = 1e-6


def common(labels: Iterable[np.ndarray | None]) -> np.ndarray:
    """Return the identities that most records were examined on, (q,)."""
    found = [array for array in labels if array is not None and array.ndim == 1]
    if not found:
        return np.zeros(0, dtype=np.int64)
    votes = Counter(array.tobytes() for array in found)
    most = max(votes.values())
    return next(a for a in found if votes[a.tobytes()] == most).astype(np.int64)


def floors(
    evals: Sequence[EvalRecord],
    identity: np.ndarray,
    read: Mapping[tuple[str, str], Mapping[str, np.ndarray]],
) -> np.ndarray:
    """Return the floor of every query, (q,), from any record that tells what is relevant to it."""
    for record in evals:
        relevant = read[record.run_id, record.target].get("relevant")
        if relevant is None or relevant.shape != identity.shape:
            continue
        if possible(relevant, record.gallery):
            return expected_random_ap(relevant, record.gallery)
    return np.full(len(identity), np.nan)


def fault(ap: np.ndarray, label: np.ndarray, identity: np.ndarray, mean: float) -> str:
    """Say why the values of queries cannot stand for a record's `mean`, or nothing."""
    if ap.ndim != 1 or label.ndim != 1:
        return "has queries that show more than one identity"
    if ap.shape != identity.shape or not np.array_equal(label, identity):
        return "was examined on other queries"
    if len(np.unique(identity[np.isfinite(ap)])) < 2:
        return "has queries of one identity only"
    if abs(float(np.nanmean(ap)) - mean) > TOLERANCE:
        return "has a score that is not the mean of its queries"
    return ""


def seed_hours(block: Block, trains: Iterable[TrainRecord]) -> float:
    """Return how long all networks behind a block trained, a seed; NaN where one is not known."""
    done = {train.run_id: train for train in trains if "train_seconds" in train.timing}
    wanted: set[str] = set()
    below = {record.run_id for record in block.evals}
    while below - wanted:  # what codes were cut from, and what that was fitted on
        wanted |= below
        below = {done[run].base_run for run in below if run in done and done[run].base_run}
    if not wanted or not wanted <= done.keys():
        return float("nan")
    rows: dict[tuple[str, int], list[float]] = {}
    for train in (done[run] for run in wanted):
        took = rows.setdefault((train.spec.label, train.spec.bits), [])
        took.append(train.timing["train_seconds"])
    return sum(float(np.mean(took)) for took in rows.values()) / 3600
