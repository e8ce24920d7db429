"""Which records one table may join: per training data set and target, of equal settings only."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hashquant.config import FREE_IN_TABLE, RunSpec, canonical_json, digest
from hashquant.record import EvalRecord, TrainRecord
from hashquant.report.style import family_of
from hashquant.store import SuiteRecords

#: Longest reason a footnote repeats, in characters.
REASON_LENGTH = 160


@dataclass(frozen=True)
class Gap:
    """A cell of one seed that has no score, and why."""

    label: str
    bits: int
    seed: int
    reason: str


@dataclass(frozen=True)
class Block:
    """The comparable records of one training data set examined on one target.

    `spec` is that of the newest record. `left_out` counts the records of other settings, and
    `differs` says what sets them apart ("epochs 5"). `families` maps every row to its family.
    """

    dataset: str
    target: str
    spec: RunSpec
    evals: tuple[EvalRecord, ...]
    gaps: tuple[Gap, ...]
    families: Mapping[str, str]
    left_out: int = 0
    differs: tuple[str, ...] = ()

    @property
    def bits(self) -> tuple[int, ...]:
        """Every code length asked for, ascending."""
        asked = {record.spec.bits for record in self.evals} | {gap.bits for gap in self.gaps}
        return tuple(sorted(asked))

    @property
    def name(self) -> str:
        """The data set, and the target after an arrow where it is another one."""
        if self.dataset == self.target:
            return self.dataset
        return f"{self.dataset} → {self.target}"


def records_digest(records: SuiteRecords) -> str:
    """Return 12 hex digits that name a set of records, whatever their order."""
    return digest(sorted(canonical_json(r) for r in (*records.trains, *records.evals)))


def select_blocks(records: SuiteRecords, like: RunSpec | None = None) -> tuple[Block, ...]:
    """Group records into blocks, each of the newest settings examined (by `started_at`).

    With `like`, a block shows that spec's settings instead, if any of its records has them.
    """
    families = row_families(records)
    pairs: dict[tuple[str, str], list[EvalRecord]] = defaultdict(list)
    for record in records.evals:
        pairs[record.spec.dataset, record.target].append(record)
    trains: dict[str, list[TrainRecord]] = defaultdict(list)
    for train in records.trains:
        trains[train.spec.dataset].append(train)
    for dataset in set(trains) - {dataset for dataset, _ in pairs}:
        pairs[dataset, dataset] = []
    return tuple(
        _block(pair, pairs[pair], trains[pair[0]], families, like)
        for pair in sorted(pairs, key=lambda pair: (pair[0], pair[0] != pair[1], pair[1]))
    )


def row_families(records: SuiteRecords) -> dict[str, str]:
    """Return the family of every row, learnt from any record that tells its codewords."""
    words: dict[str, int] = {}
    stored: tuple[EvalRecord | TrainRecord, ...] = (*records.trains, *records.evals)
    for record in stored:
        if record.cost is not None:
            words[record.spec.method] = record.cost.codewords
    return {
        record.spec.label: family_of(record.spec.method, codewords=words.get(record.spec.method))
        for record in stored
    }


def _block(
    pair: tuple[str, str],
    evals: list[EvalRecord],
    trains: list[TrainRecord],
    families: Mapping[str, str],
    like: RunSpec | None,
) -> Block:
    candidates: list[EvalRecord | TrainRecord] = [*evals] if evals else [*trains]
    wanted = [record for record in candidates if like and _alike(record.spec, like)]
    newest = max(wanted or candidates, key=_age)
    shown = _of_settings(evals, newest)
    fixed = fixed_settings(newest.spec)
    own = [train for train in trains if fixed_settings(train.spec) == fixed]
    foreign: list[EvalRecord | TrainRecord] = [r for r in evals if r not in shown]
    foreign += [t for t in trains if t.status != "done" and t not in own]
    gaps = _gaps(own, shown, pair[1])
    labels = {r.spec.label for r in shown} | {gap.label for gap in gaps}
    return Block(
        *pair,
        newest.spec,
        tuple(sorted(shown, key=lambda r: (r.spec.label, r.spec.bits, r.spec.seed))),
        gaps,
        {label: families[label] for label in sorted(labels)},
        len(foreign),
        _differences(newest, foreign),
    )


def fixed_settings(spec: RunSpec) -> dict[str, object]:
    """Return the settings that must agree between the cells of one table."""
    names = [f.name for f in dataclasses.fields(spec) if f.name not in FREE_IN_TABLE]
    return {name: getattr(spec, name) for name in names}


def _alike(spec: RunSpec, like: RunSpec) -> bool:
    """Tell whether two specs agree in all that a table fixes, whatever their data sets."""
    same = dataclasses.replace(
        like, dataset=spec.dataset, dataset_options=spec.dataset_options, suite=spec.suite
    )
    return fixed_settings(spec) == fixed_settings(same)


def _own_settings(spec: RunSpec) -> str:
    return canonical_json([spec.settings, spec.schedule, spec.features])


def _age(record: EvalRecord | TrainRecord) -> tuple[str, str]:
    return record.started_at, record.run_id


def _of_settings(evals: Iterable[EvalRecord], newest: EvalRecord | TrainRecord) -> list[EvalRecord]:
    """Return the newest record of each cell and seed; seeds of one cell share all settings."""
    if isinstance(newest, TrainRecord):
        return []
    same = sorted((r for r in evals if r.comparability_key == newest.comparability_key), key=_age)
    latest = {(r.spec.label, r.spec.bits): _own_settings(r.spec) for r in same}
    kept = {
        (r.spec.label, r.spec.bits, r.spec.seed): r
        for r in same
        if _own_settings(r.spec) == latest[r.spec.label, r.spec.bits]
    }
    return list(kept.values())


def _gaps(trains: list[TrainRecord], shown: list[EvalRecord], target: str) -> tuple[Gap, ...]:
    scored = {(r.spec.label, r.spec.bits, r.spec.seed) for r in shown}
    latest = {(t.spec.label, t.spec.bits, t.spec.seed): t for t in sorted(trains, key=_age)}
    return tuple(
        Gap(*cell, _why(train, target))
        for cell, train in sorted(latest.items())
        if cell not in scored
    )


def _why(train: TrainRecord, target: str) -> str:
    if train.status == "done":
        return f"trained, but not examined on {target}"
    lines = train.reason.strip().splitlines()
    reason = lines[0] if lines else "no reason was stored"
    if len(reason) > REASON_LENGTH:
        reason = reason[: REASON_LENGTH - 1] + "…"
    return f"{train.status}: {reason}"


def _differences(
    newest: EvalRecord | TrainRecord, foreign: list[EvalRecord | TrainRecord]
) -> tuple[str, ...]:
    here = fixed_settings(newest.spec)
    found: set[str] = set()
    for record in foreign:
        there = fixed_settings(record.spec)
        names = [name for name in here if here[name] != there[name]]
        found.update(_setting(name, there[name]) for name in names)
        if not names:
            found.add(_quiet_difference(newest, record))
    return tuple(sorted(found))


def _quiet_difference(newest: EvalRecord | TrainRecord, record: EvalRecord | TrainRecord) -> str:
    if record.split_digest != newest.split_digest:
        return f"split {record.split_digest[:12]}"
    if isinstance(record, EvalRecord) and isinstance(newest, EvalRecord):
        if record.comparability_key != newest.comparability_key:
            return "another version of the data set"
        return "older records of the same cells"
    return "older records"


def _setting(name: str, value: object) -> str:
    plain = value if isinstance(value, str | int | float) else canonical_json(value)
    return f"{name.replace('_', ' ')} {plain}"
