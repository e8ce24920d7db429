"""What the single queries say of a table: intervals, paired differences, cells that tie."""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from hashquant.records.record import EvalRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.frame import Metric
from hashquant.statistics import (
    Difference,
    Interval,
    Resampler,
    Spread,
    difference,
    holm,
    interval,
    pooled_spread,
)
from hashquant.statistics.chance import expected_random_ap

#: The metric whose values are stored for each query.
HEADLINE = Metric("mAP")
#: Significance level of all marks and verdicts.
ALPHA = 0.05
#: Fewest bootstrap replicates of a report, those it takes where they fit, and most replicates ×
#: identities.
REPLICATES, USUAL, DRAWS = 2000, 10_000, 2 * 10**7
#: How far a record's score may lie from the mean of its queries' values.
TOLERANCE = 1e-6

Key = tuple[str, int, bool]  # label, bits, secondary comparison


@dataclass(frozen=True, eq=False)
class Queries:
    """The average precision of every query in one cell, (s, q): a row a seed, NaN if excluded.

    `runs` names the trained runs in the order of `seeds`.
    """

    ap: np.ndarray
    seeds: tuple[int, ...]
    runs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The cells of a block whose queries are known, over one common order of queries.

    `identity` (q,) says whom each query shows, `floors` (q,) what average precision a random order
    of the gallery has for it. `reasons` says of the other cells what is missing.
    Draws of identities are shared by all cells, draws of seeds by all cells of the same runs.
    """

    block: Block
    identity: np.ndarray
    cells: Mapping[Key, Queries]
    reasons: Mapping[Key, str]
    replicates: int
    floors: np.ndarray
    _found: dict[tuple[Key, bytes], tuple[float, np.ndarray]] = field(default_factory=dict)

    def mean(self, key: Key) -> float:
        """Return a cell's mean over seeds and queries."""
        return self._cell(key)[0]

    def draws(self, key: Key) -> np.ndarray:
        """Return a cell's mean in every bootstrap replicate, (b,)."""
        return self._cell(key)[1]

    def interval(self, key: Key) -> Interval:
        """Return the 95 % interval of a cell's mean, cut to what an mAP can be, 0 … 1."""
        found = interval(self.mean(key), self.draws(key))
        return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))

    def difference(self, key: Key, rival: Key) -> Difference:
        """Return the paired difference of a cell to another one."""
        return difference(self.mean(key) - self.mean(rival), self.draws(key) - self.draws(rival))

    def can_tell(self, comparisons: int) -> bool:
        """Tell whether Holm's correction over so many can leave a difference significant."""
        return 2 * comparisons / (self.replicates + 1) <= ALPHA

    def over(self, key: Key, chosen: np.ndarray) -> tuple[float, np.ndarray]:
        """Return a cell's mean over some of the queries (q,) and its bootstrap replicates (b,)."""
        place = key, chosen.tobytes()
        if place not in self._found:
            known = self.cells[key]
            ap, runs = np.where(chosen, known.ap, np.nan), "+".join(known.runs)
            drawn = self._resampler.replicates(ap, runs, self._spread(key))
            self._found[place] = self._resampler.mean(ap), drawn
        return self._found[place]

    def floor(self, chosen: np.ndarray | None = None) -> float:
        """Return the mAP of a random order over all queries or some, (q,); NaN where not known."""
        floors = self.floors if chosen is None else self.floors[chosen]
        return float(np.nanmean(floors)) if np.isfinite(floors).any() else float("nan")

    def _cell(self, key: Key) -> tuple[float, np.ndarray]:
        return self.over(key, np.ones(len(self.identity), dtype=bool))

    def _spread(self, key: Key) -> Spread | None:
        """Return how a row varies from seed to seed over its code lengths.

        None for one seed, and for rows whose code lengths share their trained runs.
        """
        label, _, secondary = key
        fitted = any(r.spec.base for r in self.block.evals if r.spec.label == label)
        row = {
            q.runs: q.ap
            for (name, _, s), q in self.cells.items()
            if (name, s) == (label, secondary)
        }
        several = [ap for ap in row.values() if len(ap) > 1]
        return pooled_spread(several) if several and not fitted else None

    @functools.cached_property
    def _resampler(self) -> Resampler:
        # The same people are drawn alike whatever was trained on, other people independently.
        queries = self.block.target.partition("+")[0]
        return Resampler(self.identity, replicates=self.replicates, queries=queries)


def gather(records: SuiteRecords, blocks: Sequence[Block]) -> list[Evidence]:
    """Read the queries behind every block, in the blocks' order; what is missing is named."""
    read: dict[tuple[str, str], Mapping[str, np.ndarray]] = {}
    for record in (record for block in blocks for record in block.evals):
        place = record.run_id, record.target
        if place not in read:
            read[place] = records.per_query(record)
    identities = [
        _common(read[r.run_id, r.target].get("label") for r in block.evals) for block in blocks
    ]
    replicates = _replicates(blocks, identities)
    return [
        _evidence(block, identity, replicates, read)
        for block, identity in zip(blocks, identities, strict=True)
    ]


def _replicates(blocks: Sequence[Block], identities: Sequence[np.ndarray]) -> int:
    """Return as many replicates as Holm's correction over all pairs of a block's cells needs.

    The smallest p-value, 2 / (replicates + 1), must stay below ALPHA / comparisons. All blocks
    have the same number, so that their replicates can be averaged.
    """
    wanted, people = USUAL, 1
    for block, identity in zip(blocks, identities, strict=True):
        rivals = [sum(block.competes(x, bits) for x in block.families) for bits in block.bits]
        comparisons = sum(n * (n - 1) // 2 for n in rivals)
        wanted = max(wanted, round(3 * comparisons / ALPHA))
        people = max(people, len(np.unique(identity)))
    return max(REPLICATES, min(wanted, DRAWS // people))


def _evidence(
    block: Block,
    identity: np.ndarray,
    replicates: int,
    read: Mapping[tuple[str, str], Mapping[str, np.ndarray]],
) -> Evidence:
    cells: dict[Key, Queries] = {}
    reasons: dict[Key, str] = {}
    for key, records in _by_cell(block.evals).items():
        rows = []
        for record in records:
            ap, reason = _ap(record, read[record.run_id, record.target], identity, key[2])
            if ap is None:
                reasons[key] = f"seed {record.spec.seed} {reason}"
                break
            rows.append(ap)
        else:
            seeds = tuple(record.spec.seed for record in records)
            cells[key] = Queries(np.stack(rows), seeds, tuple(r.run_id for r in records))
    floors = _floors(block.evals, identity, read)
    return Evidence(block, identity, cells, reasons, replicates, floors)


def _floors(
    evals: Sequence[EvalRecord],
    identity: np.ndarray,
    read: Mapping[tuple[str, str], Mapping[str, np.ndarray]],
) -> np.ndarray:
    """Return the floor of every query, (q,), from any record that tells what is relevant to it."""
    for record in evals:
        relevant = read[record.run_id, record.target].get("relevant")
        if relevant is not None and relevant.shape == identity.shape:
            return expected_random_ap(relevant, record.gallery)
    return np.full(len(identity), np.nan)


def _common(labels: Iterable[np.ndarray | None]) -> np.ndarray:
    """Return the identities that most records were examined on, (q,)."""
    found = [array for array in labels if array is not None and array.ndim == 1]
    if not found:
        return np.zeros(0, dtype=np.int64)
    votes = Counter(array.tobytes() for array in found)
    most = max(votes.values())
    return next(a for a in found if votes[a.tobytes()] == most).astype(np.int64)


def _by_cell(evals: Iterable[EvalRecord]) -> dict[Key, list[EvalRecord]]:
    found: dict[Key, list[EvalRecord]] = {}
    for record in sorted(evals, key=lambda r: r.spec.seed):
        for secondary in (False, True):
            if HEADLINE.find(record, secondary=secondary) is not None:
                key = record.spec.label, record.spec.bits, secondary
                found.setdefault(key, []).append(record)
    return found


def _ap(
    record: EvalRecord, arrays: Mapping[str, np.ndarray], identity: np.ndarray, secondary: bool
) -> tuple[np.ndarray | None, str]:
    """Return the average precision of a record's queries, (q,), or None and why there is none."""
    score = HEADLINE.find(record, secondary=secondary)
    name = f"ap_{score.comparison}" if secondary and score else "ap"
    if "label" not in arrays:
        return None, "has no readable file of its queries"
    if score is None or name not in arrays:
        return None, f"has no values of its queries ({name})"
    ap = arrays[name]
    fault = _fault(ap, arrays["label"], identity, score.value)
    return (None, fault) if fault else (ap.astype(np.float64), "")


def _fault(ap: np.ndarray, label: np.ndarray, identity: np.ndarray, mean: float) -> str:
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


def judged(frame: pd.DataFrame, evidence: Evidence, *, secondary: bool = False) -> pd.DataFrame:
    """Return a table's cells with low, high and `tied_with_best` filled where queries are known.

    A cell ties with the best if its paired difference to the best rival of its code length is not
    significant; Holm's correction runs over all such comparisons of the table. References do not
    compete. Where the queries of the best are unknown, nothing of that length ties.
    """
    keys = [(row["label"], row["bits"], secondary) for row in frame.to_dict("records")]
    intervals = {key: evidence.interval(key) for key in keys if key in evidence.cells}
    tied = _tied(frame, evidence, secondary)
    return frame.assign(
        low=[intervals[key].low if key in intervals else float("nan") for key in keys],
        high=[intervals[key].high if key in intervals else float("nan") for key in keys],
        tied_with_best=[key in tied for key in keys],
    )


def _tied(frame: pd.DataFrame, evidence: Evidence, secondary: bool) -> set[Key]:
    compared: dict[Key, float] = {}
    rivals = frame[frame["competes"] & frame["mean"].notna()]
    for bits, part in rivals.groupby("bits"):
        best = (str(part["label"].iloc[part["mean"].argmax()]), int(str(bits)), secondary)
        for label in part["label"]:
            key = (str(label), best[1], secondary)
            if key != best and {key, best} <= evidence.cells.keys():
                compared[key] = evidence.difference(key, best).p_value
    if not evidence.can_tell(len(compared)):
        return set()
    corrected = holm(list(compared.values()))
    return {key for key, p in zip(compared, corrected, strict=True) if p > ALPHA}
