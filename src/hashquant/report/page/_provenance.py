"""Where every cell comes from, and the cells that did not come to be."""

from collections.abc import Sequence

from hashquant.records.record import EvalRecord, Provenance, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.numerals import NOTHING, number
from hashquant.report.page._grid import Cell, Column, Grid, cells
from hashquant.settings.names import Names

#: Hex digits of a commit that are shown.
COMMIT = 10


def failure_grid(records: SuiteRecords, blocks: Sequence[Block]) -> Grid | None:
    """Return every cell without a score or that did not train, and every damaged file."""
    rows = [
        [*cells((block.trained, block.examined)), Cell(block.names.row(gap.label), "row"),
         *cells((gap.bits, gap.seed)), Cell(gap.reason, "prose")]
        for block in blocks for gap in block.gaps
    ]  # fmt: skip
    rows += [
        [*cells((block.dataset, block.examined)), Cell(label, "row"), *cells((bits, NOTHING)),
         Cell(why, "prose")]
        for block in blocks if block.single_domain for (label, bits), why in block.untrained.items()
    ]  # fmt: skip
    rows += [
        [*cells((NOTHING, NOTHING)), Cell(path, "row"), *cells((NOTHING, NOTHING)),
         Cell("the stored file could not be read and is left out", "prose")]
        for path in records.damaged
    ]  # fmt: skip
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("method", rows=True, filtered=True), Column("bits", True, filtered=True),
        Column("seed", True), Column("reason", filtered=True),
    ]  # fmt: skip
    caption = "Cells without a score, and those that did not train, and why."
    return Grid("failures", caption, heads, rows, search=True) if rows else None


def left_out(blocks: Sequence[Block]) -> list[str]:
    """Say of each block how many records of other settings it leaves out."""
    return [
        f"{block.name}: {block.left_out} left out ({'; '.join(block.differs)})"
        for block in blocks
        if block.left_out
    ]


def provenance_grid(records: SuiteRecords, names: Names) -> Grid:
    """Return a row per stored examination: run, commits, machine and seconds of both parts."""
    trains = {train.run_id: train for train in records.trains}
    machines = list(environments(records))
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("method", rows=True, filtered=True), Column("bits", True, filtered=True),
        Column("seed", True, filtered=True), Column("run_id"), Column("trained at commit"),
        Column("training machine", filtered=True), Column("training s", True),
        Column("examined at commit"), Column("scoring machine", filtered=True),
        Column("scoring s", True),
    ]  # fmt: skip
    rows = [
        _row(record, trains.get(record.run_id), machines, names)
        for record in sorted(records.evals, key=_place)
    ]
    caption = "Every examination; machines are numbered below."
    return Grid("provenance", caption, heads, rows, search=True)


def _place(record: EvalRecord) -> tuple[object, ...]:
    spec = record.spec
    return spec.dataset, record.target, spec.label, spec.bits, spec.seed, record.run_id


def _row(
    record: EvalRecord, train: TrainRecord | None, machines: Sequence[str], names: Names
) -> list[Cell]:
    spec = record.spec
    made = train.provenance if train else None
    seconds = train.timing.get("train_seconds", float("nan")) if train else float("nan")
    scored = record.timing.get("score_seconds", float("nan"))
    texts = (
        spec.bits, spec.seed, record.run_id, _commit(made), _machine(made, machines),
        number(seconds, 2), _commit(record.provenance), _machine(record.provenance, machines),
        number(scored, 2),
    )  # fmt: skip
    place = (names.dataset(spec.dataset), names.target(record.target))
    return [*cells(place), Cell(names.row(spec.label), "row"), *cells(texts)]


def environments(records: SuiteRecords) -> dict[str, None]:
    """Return every machine that made a record, said in one line, in the order of the lines."""
    stored: tuple[TrainRecord | EvalRecord, ...] = (*records.trains, *records.evals)
    made = (record.provenance for record in stored)
    return dict.fromkeys(sorted({_said(provenance) for provenance in made if provenance}))


def _machine(provenance: Provenance | None, machines: Sequence[str]) -> str:
    return str(machines.index(_said(provenance)) + 1) if provenance else NOTHING


def _said(provenance: Provenance) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    exact = "deterministic" if provenance.deterministic else "not deterministic"
    device = dict.fromkeys((provenance.device, provenance.cpu))
    return f"{', '.join(device)}, threads {provenance.threads}, {exact}; {versions}"


def _commit(provenance: Provenance | None) -> str:
    if provenance is None:
        return NOTHING
    return provenance.commit[:COMMIT] + (" (changed)" if provenance.dirty else "")
