"""The mAP table of each block: as a reader sees it, and as CSV, from one pandas frame."""

import dataclasses
import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block, select_blocks
from hashquant.report.captions import (
    caption,
    damaged,
    head,
    joint_caption,
    marks,
    short_note,
    sign,
    target_line,
    title,
)
from hashquant.report.evidence.judgement import Told, judged, told
from hashquant.report.evidence.queries import HEADLINE, Evidence, gather
from hashquant.report.forms.display import Display, Mark, Sheet
from hashquant.report.forms.spreadsheet import csv_text
from hashquant.report.frame import Metric, cells, check_metric
from hashquant.report.numerals import bracketed, scored
from hashquant.report.settings import fixed_settings
from hashquant.settings.suite import RunSpec
from hashquant.settings.suite import digest as digest_of

Cell = Mapping[Hashable, Any]  # Any: one row of `frame.cells`, by column
#: What a CSV holds of each code length.
CSV_KINDS = ("mean", "sd", "low", "high", "n", "undecided", "undecided_people", "trained", "note")
RANKS = "Best in bold, second underlined."


@dataclass(frozen=True)
class MapTable:
    """One table: a block's cells for one kind of comparison, and what must be said with them.

    `spread` is what shall stand beside a mean: "sd" or "interval". A table that stands beside
    others shares their caption and footnotes: `among` holds the cells of all of them.
    """

    block: Block
    metric: Metric
    cells: pd.DataFrame
    secondary: bool
    evidence: Evidence
    spread: str = "sd"
    among: pd.DataFrame | None = None

    @functools.cached_property
    def joint(self) -> pd.DataFrame:
        """The cells that share caption and footnotes."""
        return self.cells if self.among is None else self.among

    @functools.cached_property
    def footnotes(self) -> dict[str, int]:
        """Number every note that is shown in reading order."""
        notes = dict.fromkeys(filter(None, map(self.note, self.joint["note"])))
        return {note: number for number, note in enumerate(notes, start=1)}

    def note(self, text: str) -> str:
        """Return what the table shows of a cell's note."""
        return short_note(text, len(self.block.families))

    @functools.cached_property
    def seeds(self) -> int:
        """Seeds of the cell that has most."""
        return int(self.joint["n"].max()) if len(self.joint) else 0

    def grid(
        self, write: Callable[["MapTable", Cell], Any], *, short: bool = False
    ) -> pd.DataFrame:
        """Return the table as a reader sees it: one line per row, one column per code length.

        The index holds section (family, or that a row did not train) and name; `write` turns a
        cell into a text, or a text with marks.
        """
        names = self.block.names
        frame = self.cells.assign(
            section=self.cells["label"].map(self.block.section),
            label=self.cells["label"].map(names.short if short else names.row),
            text=[write(self, cell) for cell in self.cells.to_dict("records")],
        )
        wide = frame.pivot_table(
            index=["section", "label"], columns="bits", values="text", aggfunc="first", sort=False
        )
        return wide.reindex(columns=sorted(wide.columns))

    def number(self, cell: Cell) -> str:
        """Write a mean with what stands beside it, and n where it is not that of the caption."""
        return (bracketed if self.shown == "interval" else scored)(cell, self.seeds)

    @functools.cached_property
    def shown(self) -> str:
        """What stands beside the means: the spread asked for, sd where no interval is known."""
        return self.spread if self.joint["low"].notna().any() else "sd"

    @functools.cached_property
    def told(self) -> Told | None:
        """What the table can tell; None where nothing of it was compared."""
        if not self.cells["compared"].any():
            return None
        return told(self.cells, self.evidence, secondary=self.secondary)

    @property
    def marked(self) -> pd.DataFrame:
        """The cells as they are marked: none of a table that leaves most undecided."""
        shown = self.told is None or self.told.marked
        return self.cells if shown else self.cells.assign(
            compared=False, rank=[self.rank(cell) for cell in self.cells.to_dict("records")]
        )  # fmt: skip

    def rank(self, cell: Cell) -> int:
        """Return 1 for the best of a code length and 2 for the second; 0 where most is undecided.

        Where the queries are unknown nothing was tested, and the means are marked as they are.
        """
        open_ = self.told is not None and not self.told.marked and math.isfinite(self.told.least)
        return 0 if open_ else int(cell["rank"])

    def sign(self, cell: Cell) -> str:
        """Return what stands behind a number: `=` or `=s` where it is undecided."""
        return sign(cell) if self.told is not None and self.told.marked else ""

    @property
    def noun(self) -> str:
        """What the classes of the training set are: "identities" or "classes"."""
        return self.block.names.classes_of(self.block.dataset)

    @property
    def title(self) -> str:
        """What was trained on what, and which metric."""
        return title(self.block, self.metric, secondary=self.secondary)

    @property
    def caption(self) -> str:
        """All that the numbers depend on, in plain text."""
        return caption(self.block, self.metric, self.cells, self.shown)


def map_tables(
    records: SuiteRecords, metric: Metric, like: RunSpec | None = None, spread: str = "sd"
) -> list[MapTable]:
    """Return the tables of a suite; a block compared in two ways has two.

    Raises:
        UsageError: if no record holds the metric.
    """
    check_metric(metric, records)
    return block_tables(gather(records, select_blocks(records, like)), metric, spread)


def block_tables(
    studies: Sequence[Evidence], metric: Metric = HEADLINE, spread: str = "sd"
) -> list[MapTable]:
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
                tables.append(MapTable(evidence.block, metric, found, secondary, evidence, spread))
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
    return f"{block.trained}: {targets}, {group[0].metric}"


def beside_caption(group: Sequence[MapTable]) -> str:
    """Say what the targets of one table share."""
    first = group[0]
    return joint_caption([table.block for table in group], first.metric, first.joint, first.shown)


def map_sheet(tables: Sequence[MapTable], records: SuiteRecords, name: str = "map") -> Sheet:
    """Return the tables as a reader sees them; `name` is the stem of their files.

    What one training set has on several targets comes first, beside each other.
    """
    displays = [_joined(group) for group in beside(tables)]
    displays += [_alone(table) for table in tables]
    if records.damaged:
        displays.append(Display("", pd.DataFrame(), "", before=[damaged(records)]))
    return Sheet(name, records.suite, records.suite, "", displays)


def _alone(table: MapTable) -> Display:
    grid = table.grid(_mark)
    frame = _labelled(grid, pd.Index([f"{bits} bits" for bits in grid.columns]), "method")
    said = f"{table.caption} {marks(table.marked, RANKS, table.noun)}".strip()
    return _display(table, table.title, frame, said, above=told_lines([table]))


def _joined(group: Sequence[MapTable]) -> Display:
    grids = {head(table.block): table.grid(_mark) for table in group}
    heads = [(name, f"{bits} bits") for name, grid in grids.items() for bits in grid.columns]
    joined = pd.concat(list(grids.values()), axis=1)
    frame = _labelled(joined, pd.MultiIndex.from_tuples(heads), ("", "method"))
    signs = marks(pd.concat([table.marked for table in group]), RANKS, group[0].noun)
    said = f"{beside_caption(group)} {signs}".strip()
    lines = [target_line(table.block) for table in group]
    return _display(group[0], beside_title(group), frame, said, lines, told_lines(group))


def told_lines(group: Sequence[MapTable]) -> list[str]:
    """Return the line above a table that says what it can tell, one for each of its targets."""
    found = [(head(table.block), table.told) for table in group]
    named = len(group) > 1
    return [f"{name}: {told.sentence()}" if named else told.sentence()
            for name, told in found if told is not None]  # fmt: skip


def _labelled(grid: pd.DataFrame, heads: "pd.Index[Any]", first: Hashable) -> pd.DataFrame:
    """Return a grid with its labels as the first column, indexed by family."""
    frame = grid.set_axis(heads, axis=1)
    frame.insert(0, first, list(grid.index.get_level_values("label")))
    return frame.set_axis(grid.index.get_level_values("section"), axis=0)


def _display(
    table: MapTable, title: str, frame: pd.DataFrame, caption: str, lines: Sequence[str] = (),
    above: Sequence[str] = (),
) -> Display:  # fmt: skip
    return Display(
        title, frame, "l" + "r" * (len(frame.columns) - 1), families=list(frame.index),
        before=above, notes=list(table.footnotes), caption=caption, lines=lines,
    )  # fmt: skip


def _mark(table: MapTable, cell: Cell) -> Mark:
    note = table.footnotes.get(table.note(cell["note"]), 0)
    return Mark(table.number(cell), table.rank(cell), table.sign(cell), note, not cell["trained"])


def csv(tables: Sequence[MapTable], digest: str) -> str:
    """Return all tables as one CSV: a line per row, nine columns per code length.

    The first line is a comment (`# records: …`); read the rest with `skiprows=1`. `low` and `high`
    are the 95 % interval of the mean, `undecided` says that a cell is not told from the best,
    `undecided_people` that these trained networks are not, `note` why a mean is missing.
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
    return csv_text(joined, digest)
