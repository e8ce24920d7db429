"""Which records one table may join: per training data set and target, of equal settings only."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hashquant.records.gate import OTHER_CLASSES
from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.drawing.kinds import MANY, part_name
from hashquant.report.drawing.style import row_order
from hashquant.report.rows import (
    REFERENCE,
    UNTRAINED,
    bases_only,
    cut_from,
    failed_runs,
    row_families,
    uncoded,
    untrained_cells,
)
from hashquant.report.settings import alike, differences, fixed_settings, own_settings
from hashquant.settings.names import Names
from hashquant.settings.suite import RunSpec, canonical_json, digest
from hashquant.settings.words import split_target, target_name

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
    A method without a code (`float`) has one record a seed, which stands in every code length
    as a copy with those bits. `untrained` says of every (row, bits) that did not train why.
    `names` says what readers call all of it.
    """

    dataset: str
    target: str
    spec: RunSpec
    evals: tuple[EvalRecord, ...]
    gaps: tuple[Gap, ...]
    families: Mapping[str, str]
    left_out: int = 0
    differs: tuple[str, ...] = ()
    untrained: Mapping[tuple[str, int], str] = field(default_factory=dict)
    names: Names = field(default_factory=Names)

    @property
    def bits(self) -> tuple[int, ...]:
        """Every code length asked for, ascending."""
        asked = {record.spec.bits for record in self.evals} | {gap.bits for gap in self.gaps}
        return tuple(sorted(asked))

    def competes(self, label: str, bits: int) -> bool:
        """Tell whether a cell may be best and be compared: no reference, and trained."""
        return self.families[label] != REFERENCE and (label, bits) not in self.untrained

    def kind(self, label: str) -> str:
        """Return the kind of a row where the block holds many, else ""."""
        return self.names.kind(label) if len(self.families) > MANY else ""

    def order(self, label: str) -> tuple[int, int, int, str]:
        """Return the sorting key of a row: by family, among many by kind too."""
        return row_order(label, self.families[label], self.kind(label))

    def place(self, label: str) -> tuple[bool, tuple[int, int, int, str]]:
        """Return the sorting key of a row: what did not train comes last."""
        return self.fails(label), self.order(label)

    def section(self, label: str) -> str:
        """Return what a row stands under in a table: its family (and kind), or `UNTRAINED`."""
        named = part_name(self.families[label], self.kind(label))
        return UNTRAINED if self.fails(label) else named

    def rivals(self, label: str) -> bool:
        """Tell whether a row competes at some code length."""
        return self.families[label] != REFERENCE and not self.fails(label)

    def fails(self, label: str) -> bool:
        """Tell whether a row trained at none of the code lengths it has scores of."""
        lengths = {r.spec.bits for r in self.evals if r.spec.label == label}
        return bool(lengths) and all((label, bits) in self.untrained for bits in lengths)

    @property
    def scored(self) -> set[str]:
        """The rows that were examined here."""
        return {record.spec.label for record in self.evals}

    @property
    def protocol(self) -> str:
        """How queries and gallery were drawn ("seen", "cross"), or "" without an examination."""
        return self.evals[0].protocol if self.evals else ""

    @property
    def trained(self) -> str:
        """What readers call the data set that was trained on."""
        return self.names.dataset(self.dataset)

    @property
    def examined(self) -> str:
        """What readers call the examined data set, its options in brackets."""
        return self.names.target(self.target)

    @property
    def option(self) -> str:
        """What the target's name says beside its data set ("norm_stats=target")."""
        return split_target(self.target)[1]

    @property
    def of_itself(self) -> bool:
        """Whether the target is what was trained on, with no option."""
        return self.target == target_name(self.dataset)

    @property
    def single_domain(self) -> bool:
        """Whether queries are of the identities trained on."""
        return split_target(self.target)[0] == self.dataset and self.protocol not in OTHER_CLASSES

    @property
    def cross_domain(self) -> bool:
        """Whether queries are of identities, or of a data set, that were not trained on."""
        return self.protocol in OTHER_CLASSES

    @property
    def name(self) -> str:
        """What readers call the data set, and the target after an arrow where it is another one."""
        return self.names.block(self.dataset, self.target)

    @property
    def identifier(self) -> str:
        """The same with the identifiers that records hold."""
        return Names().block(self.dataset, self.target)


def examined_as(target: str) -> str:
    """Write a target for a reader: the data set, and its options in brackets.

    >>> examined_as("olivetti+norm_stats=target")
    'olivetti (norm_stats=target)'
    """
    return Names().target(target)


def records_digest(records: SuiteRecords) -> str:
    """Return 12 hex digits that name a set of records, whatever their order.

    They name what the records say, not how they are kept: sealing one again changes nothing.
    """
    stored: tuple[TrainRecord | EvalRecord, ...] = (*records.trains, *records.evals)
    return digest(
        sorted(canonical_json(dataclasses.replace(r, files={}, schema_version=0)) for r in stored)
    )


def select_blocks(
    records: SuiteRecords, like: RunSpec | None = None, names: Names | None = None
) -> tuple[Block, ...]:
    """Group records into blocks, each of the newest settings examined (by `started_at`).

    With `like`, a block shows that spec's settings instead, if any of its records has them.
    Without `names` blocks and rows keep their identifiers.
    """
    families, failed = row_families(records), failed_runs(records)
    hidden, cut = bases_only(records), cut_from(records)
    pairs: dict[tuple[str, str], list[EvalRecord]] = defaultdict(list)
    for record in records.evals:
        pairs[record.spec.dataset, record.target].append(record)
    trains: dict[str, list[TrainRecord]] = defaultdict(list)
    for train in records.trains:
        if train.status != "done" or not (train.spec.label in hidden or train.run_id in cut):
            trains[train.spec.dataset].append(train)
    for dataset in set(trains) - {dataset for dataset, _ in pairs}:
        pairs[dataset, target_name(dataset)] = []
    return tuple(
        _block(pair, pairs[pair], trains[pair[0]], families, failed, like, names or Names())
        for pair in sorted(
            pairs, key=lambda pair: (pair[0], target_name(pair[0]) != pair[1], pair[1])
        )
    )


def _block(
    pair: tuple[str, str],
    evals: list[EvalRecord],
    trains: list[TrainRecord],
    families: Mapping[str, str],
    failed: Mapping[str, str],
    like: RunSpec | None,
    names: Names,
) -> Block:
    candidates: list[EvalRecord | TrainRecord] = [*evals] if evals else [*trains]
    wanted = [record for record in candidates if like and alike(record.spec, like)]
    newest = max(wanted or candidates, key=_age)
    shown = _of_settings(evals, newest)
    fixed = fixed_settings(newest.spec)
    own = [train for train in trains if fixed_settings(train.spec) == fixed]
    foreign: list[EvalRecord | TrainRecord] = [r for r in evals if r not in shown]
    foreign += [t for t in trains if t.status != "done" and t not in own]
    shown, gaps = _in_every_length(shown, own, _gaps(own, shown, names.target(pair[1])))
    labels = {r.spec.label for r in shown} | {gap.label for gap in gaps}
    return Block(
        *pair,
        newest.spec,
        tuple(sorted(shown, key=lambda r: (r.spec.label, r.spec.bits, r.spec.seed))),
        gaps,
        {label: families[label] for label in sorted(labels)},
        len(foreign),
        differences(newest, foreign),
        untrained_cells(shown, failed),
        names,
    )


def _in_every_length(
    shown: list[EvalRecord], trains: list[TrainRecord], gaps: tuple[Gap, ...]
) -> tuple[list[EvalRecord], tuple[Gap, ...]]:
    """Let what has no code stand in each code length of the others, or in its own alone."""
    newest: dict[str, int] = {r.spec.label: r.spec.bits for r in sorted(shown, key=_age)}
    records: tuple[EvalRecord | TrainRecord, ...] = (*shown, *trains)
    real = {record.spec.label for record in records if uncoded(record)}
    lengths = {r.spec.bits for r in shown if r.spec.label not in real}
    lengths |= {gap.bits for gap in gaps if gap.label not in real}
    if not real or not lengths:
        return shown, gaps
    kept = [r for r in shown if r.spec.label not in real or r.spec.bits == newest[r.spec.label]]
    scored = {(r.spec.label, r.spec.seed) for r in kept}
    spread = [record for record in kept if record.spec.label not in real]
    spread += [
        dataclasses.replace(record, spec=dataclasses.replace(record.spec, bits=bits))
        for record in kept
        if record.spec.label in real
        for bits in sorted(lengths)
    ]
    missing = dict.fromkeys(
        dataclasses.replace(gap, bits=bits)
        for gap in gaps
        if gap.label not in real or (gap.label, gap.seed) not in scored
        for bits in (sorted(lengths) if gap.label in real else [gap.bits])
    )
    return spread, tuple(sorted(missing, key=lambda gap: (gap.label, gap.bits, gap.seed)))


def _age(record: EvalRecord | TrainRecord) -> tuple[str, str]:
    return record.started_at, record.run_id


def _of_settings(evals: Iterable[EvalRecord], newest: EvalRecord | TrainRecord) -> list[EvalRecord]:
    """Return the newest record of each cell and seed; seeds of one cell share all settings."""
    if isinstance(newest, TrainRecord):
        return []
    same = sorted((r for r in evals if r.comparability_key == newest.comparability_key), key=_age)
    latest = {(r.spec.label, r.spec.bits): own_settings(r.spec) for r in same}
    kept = {
        (r.spec.label, r.spec.bits, r.spec.seed): r
        for r in same
        if own_settings(r.spec) == latest[r.spec.label, r.spec.bits]
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
