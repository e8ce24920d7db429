"""The mAP tables as one table to filter and sort, every other stored metric behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

from hashquant.report.captions import INTERVAL
from hashquant.report.frame import LOWER_IS_BETTER, Metric, means
from hashquant.report.numerals import NOTHING, spread
from hashquant.report.page._grid import Cell, Column, Grid, cells
from hashquant.report.tables.maps import MapTable

HEADLINE, SECONDARY = "headline", "other"
#: Comparisons as a narrow column names them.
COMPARED = {
    "hamming": "Hamming", "asymmetric-hamming": "asymmetric Hamming", "adc": "ADC", "sdc": "SDC",
}  # fmt: skip
RANKS = {0: "", 1: "best", 2: "second"}


def score_grid(tables: Sequence[MapTable]) -> Grid:
    """Return a row per (block, comparison, method), a column per code length; first of one block.

    The table's metrics are those of `metric_texts`.
    """
    lengths = sorted({bits for table in tables for bits in table.block.bits})
    notes = list(dict.fromkeys(note for table in tables for note in table.footnotes))
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("protocol", filtered=True), Column("comparison", filtered=True),
        Column("family", filtered=True), Column("method", rows=True), Column("compared by"),
    ]  # fmt: skip
    heads += [Column(f"{bits} bits", True, group="bits") for bits in lengths]
    rows = [row for table in tables for row in _rows(table, lengths, notes)]
    first = {}
    for table in tables[:1]:
        block = table.block
        first = {"trained on": block.trained, "examined on": block.examined, "comparison": HEADLINE}
    return Grid("scores", _caption(tables), heads, rows, first, notes, True, list(metrics(tables)))


def _caption(tables: Sequence[MapTable]) -> str:
    """Say what stands beside the means; only of mAP are intervals known."""
    deviation = "± standard deviation where there are several"
    if all(table.shown == "sd" for table in tables):
        return f"Mean over seeds, {deviation}."
    return (
        f"Mean over seeds, in brackets its 95 % interval ({INTERVAL}); of other metrics than mAP "
        f"{deviation}."
    )


def _labels(table: MapTable) -> list[str]:
    return list(dict.fromkeys(table.cells["label"]))


def _rows(table: MapTable, lengths: Sequence[int], notes: Sequence[str]) -> list[list[Cell]]:
    by_label: dict[str, dict[int, Mapping[Any, Any]]] = {}
    for cell in table.cells.to_dict("records"):
        by_label.setdefault(cell["label"], {})[cell["bits"]] = cell
    return [_row(table, label, by_bits, lengths, notes) for label, by_bits in by_label.items()]


def _row(
    table: MapTable,
    label: str,
    by_bits: Mapping[int, Mapping[Any, Any]],
    lengths: Sequence[int],
    notes: Sequence[str],
) -> list[Cell]:
    used = next((cell["comparison"] for cell in by_bits.values() if cell["n"]), "")
    block = table.block
    kind = SECONDARY if table.secondary else HEADLINE
    texts = (block.trained, block.examined, block.protocol, kind, block.section(label))
    compared = COMPARED.get(used, used or NOTHING)
    row = [*cells(texts), Cell(block.names.row(label), "row"), Cell(compared, "quiet")]
    return [*row, *(_score(table, by_bits.get(bits), notes) for bits in lengths)]


def _score(table: MapTable, cell: Mapping[Any, Any] | None, notes: Sequence[str]) -> Cell:
    if cell is None:
        return Cell("")
    mark = str(notes.index(table.note(cell["note"])) + 1) if cell["note"] else ""
    marks = ",".join(filter(None, [table.sign(cell), mark]))
    css = RANKS[table.rank(cell)] if cell["trained"] else "untrained"
    return Cell(table.number(cell), css, mark=marks)


def metrics(tables: Sequence[MapTable]) -> dict[str, Metric]:
    """Return every stored metric by the name a reader chooses it by, mAP first."""
    found = {
        Metric(score.metric, score.cutoff)
        for table in tables
        for record in table.block.evals
        for score in record.scores
    }
    ordered = sorted(found, key=lambda m: (m.name != "mAP", m.name, m.cutoff))
    return {_named(metric): metric for metric in ordered}


def _named(metric: Metric) -> str:
    smaller = metric.name.lower().startswith(LOWER_IS_BETTER)
    return f"{metric} (less is better)" if smaller else str(metric)


def metric_texts(tables: Sequence[MapTable]) -> dict[str, list[list[str]]]:
    """Return the numbers of every metric but the shown one, by row and code length of the grid."""
    lengths = sorted({bits for table in tables for bits in table.block.bits})
    return {
        name: [row for table in tables for row in _texts(table, metric, lengths)]
        for name, metric in metrics(tables).items()
        if tables and metric != tables[0].metric
    }


def _texts(table: MapTable, metric: Metric, lengths: Sequence[int]) -> list[list[str]]:
    found = means(table.block, metric, secondary=table.secondary)
    return [[_text(found.get((label, bits))) for bits in lengths] for label in _labels(table)]


def _text(cell: Mapping[str, Any] | None) -> str:
    return NOTHING if cell is None else spread(cell["mean"], cell["sd"])
