"""Tables of a README from stored records: written between markers, all rows of them.

A marker names code lengths and columns, each a suite, its training set and a target:

    <!-- results bits=24,48 cross-domain:lfw:lfw cross-domain:lfw:lfw-unseen -->
    <!-- /results -->
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from tabulate import tabulate

from hashquant.errors import UsageError, unknown_name
from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import select_blocks
from hashquant.report.captions import head
from hashquant.report.evidence.queries import Evidence, gather
from hashquant.report.forms.markdown import escape
from hashquant.report.numerals import NOTHING, number
from hashquant.report.rows import UNTRAINED
from hashquant.report.tables.maps import Cell, MapTable, block_tables
from hashquant.settings.names import Names

BEGIN, END = r"<!-- results (?P<asked>[^>]*?) ?-->", "<!-- /results -->"
_BETWEEN = re.compile(rf"(?P<head>{BEGIN})\n(?P<body>.*?){END}", re.DOTALL)
DECIMALS = 3


@dataclass(frozen=True)
class _Column:
    """What one column shows: a suite, its training set and a target."""

    suite: str
    train: str
    target: str


Studies = Sequence[Evidence]


def studied(records: SuiteRecords, names: Names) -> Studies:
    """Return the blocks of a suite with their queries: all that a table needs."""
    return gather(records, select_blocks(records, names=names))


def filled(text: str, study: Callable[[str], Studies]) -> str:
    """Return a README with every marked table written anew; `study` reads a suite (`studied`).

    Raises:
        UsageError: if a marker is not understood, or names what is not stored.
    """
    known: dict[str, Studies] = {}

    def written(match: re.Match[str]) -> str:
        bits, columns = _asked(match["asked"])
        for column in columns:
            if column.suite not in known:
                known[column.suite] = study(column.suite)
        return f"{match['head']}\n{_table(bits, columns, known)}\n{END}"

    return _BETWEEN.sub(written, text)


def marked(text: str) -> int:
    """Return how many tables of a README are written from records."""
    return len(_BETWEEN.findall(text))


def _asked(text: str) -> tuple[tuple[int, ...], list[_Column]]:
    lengths, _, rest = text.partition(" ")
    name, equals, numbers = lengths.partition("=")
    parts = [part.split(":") for part in rest.split()]
    if name != "bits" or not equals or not parts or any(len(part) != 3 for part in parts):
        raise UsageError(
            f"a marker must read 'results bits=N,N SUITE:TRAINED:TARGET …', got 'results {text}'"
        )
    return tuple(int(bits) for bits in numbers.split(",")), [_Column(*part) for part in parts]


def _table(bits: tuple[int, ...], columns: list[_Column], known: Mapping[str, Studies]) -> str:
    """Return one table as Markdown, and below it what its marks mean."""
    tables = [_chosen(column, known[column.suite]) for column in columns]
    labels = [label for table in tables for label in dict.fromkeys(table.cells["label"])]
    lines: dict[str, list[str]] = {}
    for label in dict.fromkeys(labels):
        fails = any(table.block.fails(label) for table in tables if label in table.block.families)
        name = escape(tables[0].block.names.row(label)) + (f" ({UNTRAINED})" if fails else "")
        lines[label] = [name, *(_field(table, label, bits) for table in tables)]
    heads = ["", *(escape(head(table.block)) for table in tables)]
    ordered = sorted(lines, key=lambda label: _place(label, tables))
    rows = [lines[label] for label in ordered]
    drawn = tabulate(rows, heads, "pipe", disable_numparse=True, colalign=["left"] * len(heads))
    return f"{_compact(drawn)}\n\n{_said(bits, tables)}"


def _place(label: str, tables: list[MapTable]) -> tuple[bool, tuple[int, int, int, str]]:
    return next(t.block.place(label) for t in tables if label in t.block.families)


def _compact(table: str) -> str:
    """Return a table of Markdown without the padding: a change of one cell changes one line."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    cells[1] = ["---"] * len(cells[0])
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def _chosen(column: _Column, studies: Studies) -> MapTable:
    places = {f"{study.block.dataset}:{study.block.target}": study for study in studies}
    wanted = f"{column.train}:{column.target}"
    if wanted not in places:
        raise unknown_name(f"training set and target of suite {column.suite}", wanted, places)
    return block_tables([places[wanted]])[0]


def _field(table: MapTable, label: str, bits: tuple[int, ...]) -> str:
    """Return a row's mAP at each code length; what has no code has one number for all."""
    mine = table.cells[(table.cells["label"] == label) & table.cells["bits"].isin(bits)]
    by = {cell["bits"]: cell for cell in mine.to_dict("records")}
    texts = [_number(table, by.get(length)) for length in bits]
    if any(r.cost.query_form == "float" for r in table.block.evals if r.spec.label == label):
        texts = texts[:1]
    return " / ".join(texts)


def _number(table: MapTable, cell: Cell | None) -> str:
    if cell is None or not cell["n"]:
        return NOTHING
    text = number(float(str(cell["mean"])), DECIMALS)
    if not cell["trained"]:
        return f"*{text}*"
    if table.rank(cell) == 1:
        return f"**{text}**"
    return text + (f"<sup>{sign}</sup>" if (sign := table.sign(cell)) else "")


def _said(bits: tuple[int, ...], tables: list[MapTable]) -> str:
    """Say what the numbers are, and in which columns most is undecided, so that none is marked."""
    cells = pd.concat([table.marked for table in tables])
    seeds = sorted({int(n) for n in cells["n"] if n})
    many = " or ".join(map(str, seeds))
    over = "1 seed" if seeds == [1] else f"the mean of {many} seeds"
    lengths = " / ".join(map(str, bits))
    blank = [head(t.block) for t in tables if t.told is not None and not t.told.marked]
    said = f"; in “{'”, “'.join(blank)}” most is undecided and nothing is marked" if blank else ""
    return f"mAP over the full ranking at {lengths} bits, {over}{said}."
