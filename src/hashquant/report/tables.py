"""The mAP table of each block as Markdown, LaTeX, CSV and plain text, from one pandas frame."""

import textwrap
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tabulate import tabulate

from hashquant.config import RunSpec
from hashquant.report.blocks import Block, select_blocks
from hashquant.report.captions import caption, counted, ranking, title
from hashquant.report.frame import DECIMALS, Metric, cells, check_metric
from hashquant.store import SuiteRecords

Cell = Mapping[Hashable, Any]  # Any: one row of `frame.cells`, by column
#: Columns a terminal table may take.
TERMINAL_WIDTH = 98
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\|*`<>"} | {"\n": " "})


@dataclass(frozen=True)
class MapTable:
    """One table: a block's cells for one kind of comparison, and what must be said with them."""

    block: Block
    metric: Metric
    cells: pd.DataFrame
    secondary: bool

    @property
    def footnotes(self) -> dict[str, int]:
        """Number every note in reading order."""
        notes = dict.fromkeys(note for note in self.cells["note"] if note)
        return {note: number for number, note in enumerate(notes, start=1)}

    @property
    def seeds(self) -> int:
        """Seeds of the cell that has most."""
        return int(self.cells["n"].max()) if len(self.cells) else 0

    def grid(self, write: Callable[["MapTable", Cell], str]) -> pd.DataFrame:
        """Return the table as text: one line per row, one column per code length.

        The index holds family and label; `write` turns one cell (a mapping) into text.
        """
        frame = self.cells.assign(
            text=[write(self, cell) for cell in self.cells.to_dict("records")]
        )
        wide = frame.pivot_table(
            index=["family", "label"], columns="bits", values="text", aggfunc="first", sort=False
        )
        return wide.reindex(columns=sorted(wide.columns))

    def number(self, cell: Cell, plus_minus: str) -> str:
        """Write mean, sd where there is one, and n where it is not that of the caption."""
        if not cell["n"]:
            return "–"
        text = f"{cell['mean']:.{DECIMALS}f}"
        if cell["n"] != 1:
            text += f"{plus_minus}{cell['sd']:.{DECIMALS}f}"
        return text if cell["n"] == self.seeds else f"{text} (n={cell['n']})"

    @property
    def title(self) -> str:
        """What was trained on what, and which metric."""
        return title(self.block, self.metric, secondary=self.secondary)

    @property
    def caption(self) -> str:
        """All that the numbers depend on, in plain text."""
        return caption(self.block, self.metric, self.cells)


def map_tables(
    records: SuiteRecords, metric: Metric, like: RunSpec | None = None
) -> list[MapTable]:
    """Return the tables of a suite; a block compared in two ways has two.

    Raises:
        UsageError: if no record holds the metric.
    """
    check_metric(metric, records)
    tables = []
    for block in select_blocks(records, like):
        for secondary in (False, True):
            found = cells(block, metric, secondary=secondary)
            if len(found) and (not secondary or found["n"].any()):
                tables.append(MapTable(block, metric, found, secondary))
    return tables


def terminal_table(records: SuiteRecords, *, like: RunSpec | None = None) -> str:
    """Return the suite's headline mAP tables for a terminal of 100 columns.

    The best of each code length is marked `*`, the second `°`; a cell without a number shows
    "–" and the number of its reason below. Without a record it is one sentence.
    `like` chooses the settings shown, as in `write_report`.
    """
    if not records.trains and not records.evals and not records.damaged:
        return f"suite '{records.suite}' has no stored record"
    found = map_tables(records, Metric("mAP"), like)
    parts = [_terminal(table) for table in found if not table.secondary]
    if records.damaged:
        parts.append(_wrap(_damaged(records)))
    return "\n\n".join(parts)


def markdown(tables: list[MapTable], records: SuiteRecords, digest: str) -> str:
    """Return the tables as Markdown: best bold, second underlined, reasons as footnotes."""
    parts = [f"<!-- records: {digest} -->", f"# {records.suite}"]
    for table in tables:
        grid = table.grid(_markdown_cell)
        frame = grid.reset_index()
        frame["family"] = frame["family"].mask(frame["family"].duplicated(), "")
        frame["label"] = [label.translate(_MARKDOWN) for label in frame["label"]]
        frame.columns = pd.Index(["family", "method", *(f"{bits} bits" for bits in grid.columns)])
        text = tabulate(
            frame,  # type: ignore[arg-type]  # tabulate reads frames; its stub names dicts only
            headers="keys", tablefmt="pipe", showindex=False, disable_numparse=True,
            colalign=["left", "left", *["right"] * len(grid.columns)],
        )  # fmt: skip
        notes = [f"<sup>{n}</sup> {t.translate(_MARKDOWN)}" for t, n in table.footnotes.items()]
        caption = table.caption + ranking(table.cells, "Best in bold, second underlined.")
        parts += [f"## {table.title}".translate(_MARKDOWN), text]
        parts += ["  \n".join(notes)] if notes else []
        parts.append(f"*{caption.translate(_MARKDOWN)}*")
    if records.damaged:
        parts.append(_damaged(records).translate(_MARKDOWN))
    return "\n\n".join(parts) + "\n"


def csv(tables: list[MapTable], digest: str) -> str:
    """Return all tables as one CSV: a line per row, four columns per code length.

    The first line is a comment (`# records: …`); read the rest with `skiprows=1`. `note` says why
    a mean is missing.
    """
    frames = []
    for table in tables:
        block = table.block
        wide = table.cells.pivot(
            index=["family", "label"], columns="bits", values=["mean", "sd", "n", "note"]
        )
        order = [(kind, bits) for bits in block.bits for kind in ("mean", "sd", "n", "note")]
        frame = wide.reindex(columns=pd.MultiIndex.from_tuples(order))
        frame.columns = pd.Index([f"{bits}_bits_{kind}" for kind, bits in order])
        frame = frame.loc[list(dict.fromkeys(zip(table.cells["family"], table.cells["label"],
                                                 strict=True)))]  # fmt: skip
        used = table.cells[table.cells["n"] > 0].groupby("label")["comparison"].first()
        frame = frame.reset_index()
        frame.insert(0, "dataset", block.dataset)
        frame.insert(1, "target", block.target)
        frame.insert(2, "metric", str(table.metric))
        frame.insert(5, "comparison", frame["label"].map(used))
        frame["split_digest"] = block.evals[0].split_digest if block.evals else ""
        frame["comparability_key"] = block.evals[0].comparability_key if block.evals else ""
        frames.append(frame)
    joined = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    tail = ["split_digest", "comparability_key"]
    joined = joined[[c for c in joined.columns if c not in tail] + tail] if frames else joined
    return f"# records: {digest}\n{joined.to_csv(index=False)}"


def _markdown_cell(table: MapTable, cell: Cell) -> str:
    text = table.number(cell, " ± ")
    text = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(cell["rank"], text)
    mark = table.footnotes.get(cell["note"])
    return text + (f"<sup>{mark}</sup>" if mark else "")


def _terminal_cell(table: MapTable, cell: Cell) -> str:
    # The footnote names the missing seeds; what follows the bar is padded to align the digits.
    note = table.footnotes.get(cell["note"])
    text = table.number(cell, " ±").partition(" (")[0] if note else table.number(cell, " ±")
    return f"{text}|{ ({1: '*', 2: '°'}.get(cell['rank'], ' ') + (f'[{note}]' if note else '')) }"


def _terminal(table: MapTable) -> str:
    grid = table.grid(_terminal_cell).apply(_align)
    labels = [textwrap.fill(label, 28, subsequent_indent="  ") for _, label in grid.index]
    used = room = max(len(line) for label in labels for line in label.splitlines())
    groups: list[list[int]] = [[]]
    for place, width in enumerate(grid.map(len).max().clip(lower=8) + 2):
        if groups[-1] and used + width > TERMINAL_WIDTH:
            groups.append([])
            used = room
        groups[-1].append(place)
        used += int(width)
    parts = [_wrap(f"{table.title}: {table.caption}")]
    for group in groups:
        shown = grid.iloc[:, group]
        rows = [[label, *row] for label, row in zip(labels, shown.to_numpy(), strict=True)]
        heads = ["method", *(f"{bits} bits" for bits in shown.columns)]
        aligned = ["left", *["right"] * len(group)]
        parts.append(
            tabulate(rows, heads, "simple", disable_numparse=True, colalign=aligned,
                     preserve_whitespace=True)
        )  # fmt: skip
    parts += [_wrap(f"[{n}] {text}") for text, n in table.footnotes.items()]
    marks = ranking(table.cells, "* best, ° second").strip()
    return "\n".join([*parts, marks] if marks else parts)


def _align(column: "pd.Series[str]") -> "pd.Series[str]":
    parts = column.str.split("|", n=1, expand=True)
    return parts[0] + parts[1].str.ljust(int(parts[1].str.len().max()))


def _damaged(records: SuiteRecords) -> str:
    number = len(records.damaged)
    verb = "is" if number == 1 else "are"
    return (
        f"{counted(number, 'stored file')} could not be read and {verb} left out: "
        f"{', '.join(records.damaged)}"
    )


def _wrap(text: str) -> str:
    return textwrap.fill(text, TERMINAL_WIDTH, subsequent_indent="    ", break_on_hyphens=False)
