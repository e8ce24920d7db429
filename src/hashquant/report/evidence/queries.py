"""What the single queries say of a table: means with their replicates, paired differences."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hashquant.records.record import EvalRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.evidence._reading import common, fault, floors, seed_hours
from hashquant.report.frame import Metric
from hashquant.report.rows import LONGEST_CODE, REFERENCE, uncoded
from hashquant.settings.suite import base_spec, whole_spec
from hashquant.settings.words import split_target
from hashquant.statistics import (
    Difference,
    Interval,
    Moderation,
    Resampler,
    SeedVariance,
    Spread,
    difference,
    logit,
    logit_slope,
    moderate,
    share_interval,
)

#: The metric whose values are stored for each query.
HEADLINE = Metric("mAP")
#: Significance level of all marks and verdicts.
ALPHA = 0.05
#: Fewest bootstrap replicates of a report, those it takes where they fit, and most replicates ×
#: identities.
REPLICATES, USUAL, DRAWS = 2000, 10_000, 2 * 10**7

Key = tuple[str, int, bool]  # label, bits, secondary comparison


@dataclass(frozen=True, eq=False)
class Queries:
    """The average precision of every query in one cell, (s, q): a row a seed, NaN if excluded.

    `runs` names the trained runs in the order of `seeds`, `source` the networks they rest on, ""
    where none was trained.
    """

    ap: np.ndarray
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    source: str = ""

    def scatter(self) -> float:
        """Return the variance between seeds of the logit of mAP, 0 for one seed."""
        means = [logit(float(mean)) for mean in np.nanmean(self.ap, axis=1)]
        return float(np.var(means, ddof=1)) if len(means) > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """The cells of a block whose queries are known, over one common order of queries.

    `identity` (q,) says whom each query shows, `floors` (q,) what average precision a random order
    of the gallery has for it. `reasons` says of the other cells what is missing. `prior` is what
    the whole suite says of seeds, None where it has one seed; `seed_hours` how long one more seed
    of all rows would train. Draws of identities are shared by all cells, draws of seeds by all
    cells of the same runs.
    """

    block: Block
    identity: np.ndarray
    cells: Mapping[Key, Queries]
    reasons: Mapping[Key, str]
    replicates: int
    floors: np.ndarray
    prior: Moderation | None = None
    seed_hours: float = float("nan")
    _people: dict[Key, np.ndarray] = field(default_factory=dict)
    _found: dict[tuple[Key, bytes], tuple[float, np.ndarray]] = field(default_factory=dict)

    def mean(self, key: Key) -> float:
        """Return a cell's mean over seeds and queries."""
        return self._cell(key)[0]

    def draws(self, key: Key) -> np.ndarray:
        """Return a cell's mean in every bootstrap replicate, (b,)."""
        return self._cell(key)[1]

    def interval(self, key: Key) -> Interval:
        """Return the 95 % interval of a cell's mean, within what an mAP can be, 0 … 1."""
        return share_interval(self.mean(key), self.draws(key))

    def difference(self, key: Key, rival: Key) -> Difference:
        """Return the paired difference of a cell to another one: other people, another training."""
        return difference(self.mean(key) - self.mean(rival), self.draws(key) - self.draws(rival))

    def among_people(self, key: Key, rival: Key) -> Difference:
        """Return the paired difference of these trained networks: other people, the same seeds."""
        drawn = self.people(key) - self.people(rival)
        return difference(self.mean(key) - self.mean(rival), drawn)

    def people(self, key: Key) -> np.ndarray:
        """Return a cell's mean on other people in every bootstrap replicate, (b,)."""
        if key not in self._people:
            self._people[key] = self._resampler.people(self.cells[key].ap)
        return self._people[key]

    @property
    def column(self) -> str:
        """Name what was trained on what, where seeds scatter alike."""
        return f"{self.block.dataset} → {self.block.target}"

    def can_tell(self, comparisons: int) -> bool:
        """Tell whether Holm's correction over so many can leave a difference significant."""
        return 2 * comparisons / (self.replicates + 1) <= ALPHA

    def over(self, key: Key, chosen: np.ndarray) -> tuple[float, np.ndarray]:
        """Return a cell's mean over some of the queries (q,) and its bootstrap replicates (b,)."""
        place = key, chosen.tobytes()
        if place not in self._found:
            known = self.cells[key]
            ap, runs = np.where(chosen, known.ap, np.nan), "+".join(known.runs)
            mean, spread = self._resampler.mean(ap), self.spread(key)
            if spread is not None:  # of the logit
                spread = replace(spread, variance=spread.variance / logit_slope(mean) ** 2)
            self._found[place] = mean, self._resampler.replicates(ap, runs, spread)
        return self._found[place]

    def floor(self, chosen: np.ndarray | None = None) -> float:
        """Return the mAP of a random order over all queries or some, (q,); NaN where not known."""
        floors = self.floors if chosen is None else self.floors[chosen]
        return float(np.nanmean(floors)) if np.isfinite(floors).any() else float("nan")

    def _cell(self, key: Key) -> tuple[float, np.ndarray]:
        return self.over(key, np.ones(len(self.identity), dtype=bool))

    def spread(self, key: Key, planned: int = 0) -> Spread | None:
        """Return how the logit of a cell's mAP moves from seed to seed.

        None where nothing tells: one seed and no prior. What was not trained stands on its own
        seeds. With `planned` seeds, the freedom is what so many in all cells would give.
        """
        known = self.cells[key]
        if not known.source or key[:2] in self.block.untrained or self.prior is None:
            found = Spread(known.scatter(), float(max(planned, len(known.ap)) - 1))
        else:
            moderated = self.prior.spread(
                key[0], self.column, known.scatter(), len(known.ap), planned=planned
            )
            found = moderated or Spread(known.scatter(), float(max(planned, len(known.ap)) - 1))
        return found if found.freedom > 0 else None

    @functools.cached_property
    def _resampler(self) -> Resampler:
        # The same people are drawn alike whatever was trained on, other people independently.
        queries = split_target(self.block.target)[0]
        return Resampler(self.identity, replicates=self.replicates, queries=queries)


def gather(records: SuiteRecords, blocks: Sequence[Block]) -> list[Evidence]:
    """Read the queries behind every block, in the blocks' order; what is missing is named."""
    read: dict[tuple[str, str], Mapping[str, np.ndarray]] = {}
    for record in (record for block in blocks for record in block.evals):
        place = record.run_id, record.target
        if place not in read:
            read[place] = records.per_query(record)
    identities = [
        common(read[r.run_id, r.target].get("label") for r in block.evals) for block in blocks
    ]
    replicates = _replicates(blocks, identities)
    studies = [
        _evidence(block, identity, replicates, read)
        for block, identity in zip(blocks, identities, strict=True)
    ]
    prior = moderate([cell for study in studies for cell in _scatter(study)])
    return [
        replace(study, prior=prior, seed_hours=seed_hours(study.block, records.trains))
        for study in studies
    ]


def _scatter(study: Evidence) -> list[SeedVariance]:
    """Return the variance between seeds of every trained cell, by its headline comparison."""
    return [
        SeedVariance(label, study.column, known.source, known.scatter(), len(known.ap) - 1)
        for (label, bits, secondary), known in study.cells.items()
        if known.source and not secondary and (label, bits) not in study.block.untrained
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
            runs = tuple(r.run_id for r in records)
            cells[key] = Queries(np.stack(rows), seeds, runs, _source(block, records[0]))
    least = floors(block.evals, identity, read)
    return Evidence(block, identity, cells, reasons, replicates, least)


def _source(block: Block, record: EvalRecord) -> str:
    """Name the trained networks behind a cell: its own, or those that its codes were fitted on."""
    spec = record.spec
    if block.families[spec.label] == REFERENCE and not uncoded(record):
        return ""
    trained = base_spec(whole_spec(spec))
    # One float embedding is behind the codes of every length that are fitted on it.
    real = uncoded(record) or trained.bits > LONGEST_CODE
    return f"{block.dataset} {trained.label} {'' if real else trained.bits}"


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
    wrong = fault(ap, arrays["label"], identity, score.value)
    return (None, wrong) if wrong else (ap.astype(np.float64), "")
