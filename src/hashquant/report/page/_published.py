"""Published beside measured numbers: those with a figure first, then a line a method without."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.report.blocks import examined_as
from hashquant.report.captions import counted
from hashquant.report.cards.lines import NO_FIGURE, NOT_MEASURED, WITHIN
from hashquant.report.cards.readings import READINGS
from hashquant.report.cards.text import claimed, elsewhere, off, origin, without_figure
from hashquant.report.naming import named
from hashquant.report.numerals import spread, within
from hashquant.report.page._grid import Cell, Column, Grid, cells
from hashquant.settings.names import Names
from hashquant.settings.reference import Sources

Line = Mapping[Any, Any]  # Any: one line of the cards, by column

COLUMNS = (
    Column("method", filtered=True, rows=True), Column("trained on"), Column("examined on"),
    Column("bits", True), Column("metric"), Column("published", True), Column("measured", True),
    Column("95 % interval", True), Column("verdict", filtered=True, counted=True),
    Column("what differs"), Column("source"),
)  # fmt: skip


def card_grid(
    cards: pd.DataFrame | None, sources: Sources | None, names: Names | None = None
) -> Grid | None:
    """Return the reproduction cards, or None without sources; columns without a text are left out.

    `cards.csv` has the cells without a figure one by one.
    """
    if cards is None or cards.empty or sources is None:
        return None
    names = names or Names()
    cards = named(cards, names)
    found = cards[cards["verdict"] != NO_FIGURE].to_dict("records")
    notes = list(dict.fromkeys(map(origin, found)))
    rows = [_card(line, notes.index(origin(line)) + 1) for line in found]
    rows += [_without(line, sources, names) for line in without_figure(cards)]
    kept = [at for at in range(len(COLUMNS)) if any(row[at].text for row in rows)]
    return Grid(
        "cards", _caption(found, len(cards) - len(found)), [COLUMNS[at] for at in kept],
        [[row[at] for at in kept] for row in rows], notes=notes, search=True,
    )  # fmt: skip


def _caption(found: Sequence[Line], without: int) -> str:
    said = [f"{counted(len(found), 'published number')} beside what was measured."]
    if not found:
        said = ["No published number was found of any cell of this suite."]
    if without:
        said.append(f"{counted(without, 'cell')} without one: a line a method, which says where "
                    "else numbers of it were found.")  # fmt: skip
    used = {line["metric"] for line in found}
    said += [f"{name}: {reading.text}." for name, reading in READINGS.items() if name in used]
    return " ".join(said)


def _card(line: Line, note: int) -> list[Cell]:
    verdict = line["verdict"]
    aside = {WITHIN: off(line), NOT_MEASURED: line["note"]}.get(verdict, "")
    place = (line["dataset"], examined_as(line["target"]), f"{line['bits']:,}", line["metric"],
             claimed(line))  # fmt: skip
    measured = spread(line["measured"], line["sd"]), within(line["low"], line["high"])
    return [
        Cell(line["label"], "row long"), *cells((*place, *measured)),
        Cell(verdict, f"verdict {verdict.partition(' ')[0]}", aside),
        Cell(line["differs"], "wide"), Cell(f"note {note}", "quiet"),
    ]  # fmt: skip


def _without(line: Line, sources: Sources, names: Names) -> list[Cell]:
    paper = sources.methods.get(line["method"])
    place = (Cell(line["trained"], "wide"), Cell(line["examined"], "wide"), line["bits"],
             "", "", "", "")  # fmt: skip
    known = "" if paper else line["note"]
    if paper and paper.claims:
        known = f"found for {elsewhere(paper)}"
    return [
        Cell(names.method(line["method"]), "row"), *cells(place),
        Cell(NO_FIGURE, "verdict no wide", known), *cells(("", "")),
    ]  # fmt: skip
