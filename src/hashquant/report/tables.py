"""The mAP table of each block as Markdown and CSV, from one pandas frame."""

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tabulate import tabulate

from hashquant.config import RunSpec
from hashquant.config import digest as digest_of
from hashquant.report.blocks import Block, select_blocks
from hashquant.report.captions import (
    caption,
    counted,
    head,
    joint_caption,
    marks,
    target_line,
    title,
)
from hashquant.report.evidence import HEADLINE, Evidence, gather, judged
from hashquant.report.frame import DECIMALS, Metric, cells, check_metric
from hashquant.report.settings import fixed_settings
from hashquant.store import SuiteRecords

Cell = Mapping[Hashable, Any]  # Any: one row of `frame.cells`, by column
#: What a CSV holds of each code length.
CSV_KINDS = ("mean", "sd", "low", "high", "n", "tied_with_best", "note")
MARKDOWN_RANKS = "Best in bold, second underlined."
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\|*`<>"} | {"\n": " "})


@dataclass(frozen=True)
class MapTable:
    """One table: a block's cells for one kind of comparison, and what must be said with them.

    A table that stands beside others shares their caption and footnotes: `among` holds the cells
    of all of them.
    """

    block: Block
    metric: Metric
    cells: pd.DataFrame
    secondary: bool
    evidence: Evidence
    among: pd.DataFrame | None = None

    @property
    def footnotes(self) -> dict[str, int]:
        """Number every note in reading order."""
        cells = self.cells if self.among is None else self.among
        notes = dict.fromkeys(note for note in cells["note"] if note)
        return {note: number for number, note in enumerate(notes, start=1)}

    @property
    def seeds(self) -> int:
        """Seeds of the cell that has most."""
        cells = self.cells if self.among is None else self.among
        return int(cells["n"].max()) if len(cells) else 0

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
    return block_tables(gather(records, select_blocks(records, like)), metric)


def block_tables(studies: Sequence[Evidence], metric: Metric = HEADLINE) -> list[MapTable]:
    """Return the tables of blocks whose queries were gathered.

    Only mAP over the full ranking has intervals and marks of significance: it is what is stored
    of each query.
    """
    tables = []
    for evidence in studies:
        for secondary in (False, True):
            found = cells(evidence.block, metric, secondary=secondary)
            if str(metric).lower() == str(HEADLINE).lower():
                found = judged(found, evidence, secondary=secondary)
            if len(found) and (not secondary or found["n"].any()):
                tables.append(MapTable(evidence.block, metric, found, secondary, evidence))
    return tables


def beside(tables: Sequence[MapTable]) -> list[list[MapTable]]:
    """Return the headline tables that fit beside each other, single-domain first.

    Such tables share training set, settings, rows and code lengths: one model, several targets.
    """
    groups: dict[str, list[MapTable]] = {}
    for table in tables:
        block = table.block
        if block.evals and not table.secondary:
            shared = [fixed_settings(block.spec), sorted(block.families), block.bits]
            groups.setdefault(digest_of(shared), []).append(table)
    found = []
    for group in groups.values():
        if len(group) > 1:
            among = pd.concat([table.cells for table in group], ignore_index=True)
            ordered = sorted(group, key=lambda table: not table.block.single_domain)
            found.append([dataclasses.replace(table, among=among) for table in ordered])
    return found


def beside_title(group: Sequence[MapTable]) -> str:
    """Name a table of several targets."""
    block = group[0].block
    targets = "single-domain beside cross-domain" if block.single_domain else "several targets"
    return f"{block.dataset}: {targets}, {group[0].metric}"


def beside_caption(group: Sequence[MapTable]) -> str:
    """Say what the targets of one table share."""
    among = group[0].cells if group[0].among is None else group[0].among
    return joint_caption([table.block for table in group], group[0].metric, among)


def markdown(tables: list[MapTable], records: SuiteRecords, digest: str) -> str:
    """Return the tables as Markdown: best bold, second underlined, reasons as footnotes.

    What one training set has on several targets comes first, beside each other.
    """
    parts = [f"<!-- records: {digest} -->", f"# {records.suite}"]
    groups = beside(tables)
    parts += ["## Single-domain beside cross-domain"] if groups else []
    for group in groups:
        parts += _markdown_beside(group)
    for table in tables:
        grid = table.grid(_markdown_cell)
        text = markdown_grid(grid, [f"{bits} bits" for bits in grid.columns])
        caption = f"{table.caption} {marks(table.cells, MARKDOWN_RANKS)}".strip()
        parts += [f"## {escape(table.title)}", text, *_markdown_notes(table)]
        parts.append(f"*{escape(caption)}*")
    if records.damaged:
        parts.append(escape(damaged(records)))
    return "\n\n".join(parts) + "\n"


def _markdown_beside(group: list[MapTable]) -> list[str]:
    grids = {head(table.block): table.grid(_markdown_cell) for table in group}
    heads = [f"{name}, {bits} bits" for name, grid in grids.items() for bits in grid.columns]
    joined = pd.concat(list(grids.values()), axis=1)
    text = markdown_grid(joined, [escape(name) for name in heads])
    said = f"{beside_caption(group)} {marks(pd.concat([t.cells for t in group]), MARKDOWN_RANKS)}"
    lines = [f"*{escape(line)}*" for line in (said.strip(), *(target_line(t.block) for t in group))]
    return [f"### {escape(beside_title(group))}", text, *_markdown_notes(group[0]), *lines]


def markdown_grid(grid: pd.DataFrame, heads: Sequence[str]) -> str:
    """Return a grid of texts as a Markdown table, each family named at its first row."""
    frame = grid.reset_index()
    frame["family"] = frame["family"].mask(frame["family"].duplicated(), "")
    frame["label"] = [escape(label) for label in frame["label"]]
    frame.columns = pd.Index(["family", "method", *heads])
    return tabulate(
        frame,  # type: ignore[arg-type]  # tabulate reads frames; its stub names dicts only
        headers="keys", tablefmt="pipe", showindex=False, disable_numparse=True,
        colalign=["left", "left", *["right"] * len(heads)],
    )  # fmt: skip


def _markdown_notes(table: MapTable) -> list[str]:
    """Return the footnotes of a table as one paragraph, or nothing."""
    notes = [f"<sup>{number}</sup> {escape(text)}" for text, number in table.footnotes.items()]
    return ["  \n".join(notes)] if notes else []


def escape(text: str) -> str:
    r"""Return plain text as Markdown on one line.

    >>> print(escape("a|b*"))
    a\|b\*
    """
    return text.translate(_MARKDOWN)


def csv(tables: list[MapTable], digest: str) -> str:
    """Return all tables as one CSV: a line per row, seven columns per code length.

    The first line is a comment (`# records: …`); read the rest with `skiprows=1`. `low` and `high`
    are the 95 % interval of the mean, `note` says why a mean is missing.
    """
    frames = []
    for table in tables:
        block = table.block
        wide = table.cells.pivot(index=["family", "label"], columns="bits", values=list(CSV_KINDS))
        order = [(kind, bits) for bits in block.bits for kind in CSV_KINDS]
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
    """Write one cell with its marks."""
    text = table.number(cell, " ± ")
    text = {1: f"**{text}**", 2: f"<u>{text}</u>"}.get(cell["rank"], text)
    text += "†" if cell["tied_with_best"] else ""
    mark = table.footnotes.get(cell["note"])
    return text + (f"<sup>{mark}</sup>" if mark else "")


def damaged(records: SuiteRecords) -> str:
    """Say which stored files could not be read."""
    number = len(records.damaged)
    verb = "is" if number == 1 else "are"
    return (
        f"{counted(number, 'stored file')} could not be read and {verb} left out: "
        f"{', '.join(records.damaged)}"
    )
