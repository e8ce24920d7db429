"""The headline tables of a suite as plain text for a terminal of 100 columns."""

import textwrap
from collections.abc import Sequence
from functools import partial

import pandas as pd
from tabulate import tabulate

from hashquant.records.store import SuiteRecords
from hashquant.report.captions import damaged, head, marks, target_line
from hashquant.report.drawing.kinds import MANY
from hashquant.report.parts import Parts
from hashquant.report.rows import UNTRAINED
from hashquant.report.tables.maps import (
    Cell,
    MapTable,
    beside,
    beside_caption,
    beside_title,
    told_lines,
)

#: Columns a terminal table may take.
WIDTH = 98
RANKS = "* best, ° second."


def terminal_table(
    records: SuiteRecords, tables: Sequence[MapTable], parts: Parts | None = None
) -> str:
    """Return the suite's headline mAP tables for a terminal of 100 columns.

    The best of each code length is marked `*`, the second `°`, what is undecided `=` or, where
    only another training could turn it, `=s`; a cell without a number shows "–" and the number of
    its reason below. Targets of one training set stand beside each other where they fit. Without
    a record it is one sentence.
    `tables` are those of `records`, of mAP, as `write_report` returns them. One that cannot be
    written is told to `parts`; without them, it raises.
    """
    if not records.trains and not records.evals and not records.damaged:
        return f"suite '{records.suite}' has no stored record"
    found = [table for table in tables if not table.secondary]
    groups = {id(table.block): group for group in beside(found) for table in group}
    parts = parts or Parts(strict=True)
    shown: set[int] = set()
    texts = []
    for table in found:
        if id(table.block) in shown:
            continue
        group = groups.get(id(table.block), [])
        name = table.block.identifier
        text = parts.attempt(
            f"the joint table of {name}", partial(_joined, group), str, deed="shown"
        ) if group else ""  # fmt: skip
        shown |= {id(member.block) for member in group} if text else set()
        texts.append(text or parts.attempt(
            f"the table of {name}", partial(_single, table), partial(_bare, table), deed="shown"
        ))  # fmt: skip
    if records.damaged:
        texts.append(_wrap(damaged(records)))
    return "\n\n".join(texts)


def _bare(table: MapTable) -> str:
    """Return the means alone, where the table itself cannot be written."""
    cells = zip(table.cells["label"], table.cells["bits"], table.cells["mean"], strict=True)
    return "\n".join(
        [
            f"{table.block.identifier}, {table.metric}:",
            *(f"{label} {bits} bits: {mean:.4f}" for label, bits, mean in cells),
        ]
    )


def _single(table: MapTable) -> str:
    grid = table.grid(_cell, short=True).apply(_align)
    labels = _labels(grid)
    groups: list[list[int]] = [[]]
    used = room = _room(labels)
    for place, width in enumerate(_widths(grid)):
        if groups[-1] and used + width > WIDTH:
            groups.append([])
            used = room
        groups[-1].append(place)
        used += width
    parts = [_wrap(f"{table.title}: {table.caption}"), *map(_wrap, told_lines([table]))]
    parts += [_body(grid.iloc[:, group], labels, _sections(grid)) for group in groups]
    return "\n".join([*parts, *_below(table, table.marked)])


def _joined(group: Sequence[MapTable]) -> str:
    """Return the targets of one training set as one table, or nothing where it is too wide."""
    grids = [table.grid(_cell, short=True).apply(_align) for table in group]
    labels = _labels(grids[0])
    if _room(labels) + sum(sum(_widths(grid)) for grid in grids) > WIDTH:
        return ""
    body = _body(pd.concat(grids, axis=1), labels, _sections(grids[0]))
    parts = [_wrap(f"{beside_title(group)}: {beside_caption(group)}")]
    parts += [_wrap(target_line(table.block)) for table in group]
    parts += map(_wrap, told_lines(group))
    parts += [*_heads(group, [len(grid.columns) for grid in grids], body), body]
    return "\n".join([*parts, *_below(group[0], pd.concat([table.marked for table in group]))])


def _heads(group: Sequence[MapTable], columns: Sequence[int], body: str) -> list[str]:
    """Return the lines above a table that name each group of columns, as wide as the group."""
    dashes = next(line for line in body.splitlines() if line.startswith("--")).split("  ")
    at = len(dashes[0]) + 2
    cut = 1
    texts, starts = [], []
    for table, count in zip(group, columns, strict=True):
        width = sum(len(rule) + 2 for rule in dashes[cut : cut + count]) - 2
        texts.append([*textwrap.wrap(head(table.block), width), "-" * width])
        starts.append(at)
        at, cut = at + width + 2, cut + count
    high = max(map(len, texts))
    lines = []
    for row in range(high):
        line = ""
        for text, start in zip(texts, starts, strict=True):
            # Names stand on the line that runs under them, whatever the others take.
            shift = row - (high - len(text))
            line = line.ljust(start) + (text[shift] if shift >= 0 else "")
        lines.append(line.rstrip())
    return lines


def _sections(grid: pd.DataFrame) -> list[str]:
    """Return what each row stands under where rows are many; few need no headings here."""
    names = [str(part) for part, _ in grid.index]
    return names if len(names) > MANY else []


def _body(grid: pd.DataFrame, labels: Sequence[str], sections: Sequence[str]) -> str:
    rows: list[list[str]] = []
    for at, (label, row) in enumerate(zip(labels, grid.to_numpy(), strict=True)):
        if sections and (not at or sections[at] != sections[at - 1]):
            rows.append([sections[at], *[""] * len(row)])
        rows.append([label, *row])
    heads = ["method", *(f"{bits} bits" for bits in grid.columns)]
    aligned = ["left", *["right"] * len(grid.columns)]
    return tabulate(
        rows, heads, "simple", disable_numparse=True, colalign=aligned, preserve_whitespace=True
    )


def _below(table: MapTable, cells: pd.DataFrame) -> list[str]:
    notes = [_wrap(f"[{number}] {text}") for text, number in table.footnotes.items()]
    said = marks(cells, RANKS, table.noun)
    return [*notes, _wrap(said)] if said else notes


def _labels(grid: pd.DataFrame) -> list[str]:
    """Return the rows' names; what did not train says so, since few rows have no headings here."""
    before = "  " if _sections(grid) else ""
    names = [f"{row} ({UNTRAINED})" if part == UNTRAINED else row for part, row in grid.index]
    return [textwrap.fill(before + name, 28, subsequent_indent=before + "  ") for name in names]


def _room(labels: Sequence[str]) -> int:
    return max(len(line) for label in [*labels, "method"] for line in label.splitlines())


def _widths(grid: pd.DataFrame) -> list[int]:
    return [int(width) for width in grid.map(len).max().clip(lower=8) + 2]


def _cell(table: MapTable, cell: Cell) -> str:
    # The footnote names the missing seeds; what follows the bar is padded to align the digits.
    note = table.footnotes.get(table.note(cell["note"]))
    text = table.number(cell).replace(" ± ", " ±")
    text = text.partition(" (")[0] if note else text
    mark = {1: "*", 2: "°"}.get(table.rank(cell), " ") + table.sign(cell)
    return f"{text}|{mark}{f'[{note}]' if note else ''}"


def _align(column: "pd.Series[str]") -> "pd.Series[str]":
    parts = column.str.split("|", n=1, expand=True)
    return parts[0] + parts[1].str.ljust(int(parts[1].str.len().max()))


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
