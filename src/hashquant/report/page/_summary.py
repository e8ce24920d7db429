"""The first screen of the page: what was run, and which method leads where."""

import math
import shlex
from collections.abc import Iterable, Sequence

import pandas as pd

from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.captions import PEOPLE, SEEDS, counted
from hashquant.report.frame import DECIMALS
from hashquant.report.numerals import NOTHING
from hashquant.report.page._grid import Cell, Column, Grid
from hashquant.report.tables.maps import MapTable


def facts(records: SuiteRecords, blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Return what the suite holds, as pairs of a name and a value."""
    shown = [record for block in blocks for record in block.evals]
    labels = dict.fromkeys(block.names.row(x) for block in blocks for x in block.families)
    failed = sum(train.status != "done" for train in records.trains)
    runs = counted(len(records.trains), "trained run") + (f", {failed} not done" if failed else "")
    trunks = (f"{b.names.trunk(b.spec.trunk, b.spec.trunk_rate)}, {b.spec.entering}, "
              f"{counted(b.spec.epochs, 'epoch')}" for b in blocks)  # fmt: skip
    return [
        ("Records", f"{runs}, {counted(len(records.evals), 'examination')}"),
        ("Methods", _several(labels, "; ")),
        ("Trained on", _several((block.trained for block in blocks), "; ")),
        ("Examined on", _several((block.examined for block in blocks), "; ")),
        ("Code lengths", _several(f"{bits} bits" for b in blocks for bits in b.bits)),
        ("Seeds", _several(_seeds(shown)) or NOTHING),
        ("Training", "; ".join(dict.fromkeys(trunks))),
        ("Commits", _several(_commits(records)) or NOTHING),
    ]  # fmt: skip


def _several(values: Iterable[object], between: str = ", ") -> str:
    return between.join(dict.fromkeys(map(str, values)))


def _seeds(shown: Sequence[EvalRecord]) -> list[int]:
    return sorted({record.spec.seed for record in shown})


def _commits(records: SuiteRecords) -> list[str]:
    stored: tuple[TrainRecord | EvalRecord, ...] = (*records.trains, *records.evals)
    made = (record.provenance for record in stored if record.provenance)
    return sorted({p.commit[:10] for p in made})


def leader_grid(tables: Sequence[MapTable]) -> Grid:
    """Return the best method of every block and code length, and those not told apart from it."""
    shown = [table for table in tables if not table.secondary]
    lengths = sorted({bits for table in shown for bits in table.block.bits})
    heads = [Column("trained → examined on", rows=True), Column("protocol")]
    heads += [Column(f"best at {bits} bits") for bits in lengths] + [Column("can be told")]
    rows = [
        [Cell(table.block.name, "row"), Cell(table.block.protocol),
         *(_leader(table, bits) for bits in lengths), _told(table)]
        for table in shown
    ]  # fmt: skip
    caption = (
        f"The highest mAP of each data set and code length. Behind {PEOPLE}: rows that other "
        f"people could put first; behind {SEEDS}: rows that another training could; all others are "
        "significantly below. References do not compete. Last column: the difference above which "
        "something can be told. Where most is undecided, no row is named."
    )
    return Grid("leaders", caption, heads, rows)


def _leader(table: MapTable, bits: int) -> Cell:
    mine = table.cells[(table.cells["bits"] == bits) & table.cells["competes"]]
    scored = mine[mine["n"] > 0]
    if scored.empty:
        return Cell(NOTHING)
    best = scored["mean"].max()
    scored = scored.assign(label=scored["label"].map(table.block.names.row))
    leads = scored[scored["mean"] == best]
    names = " and ".join(leads["label"])
    rest = scored[scored["mean"] < best]
    signs = pd.Series([table.sign(cell) for cell in rest.to_dict("records")], rest.index, str)
    parts = [
        f"{sign} {_all_of(list(rest['label'][signs == sign]), list(rest['label'][signs != sign]))}"
        for sign in (PEOPLE, SEEDS) if (signs == sign).any()
    ]  # fmt: skip
    return Cell(f"{names}: {best:.{DECIMALS}f}", "leader", small="; ".join(parts))


def _told(table: MapTable) -> Cell:
    """Return the difference that can be told, and with how many seeds which other one."""
    told = table.told
    if told is None or not math.isfinite(told.least):
        return Cell(NOTHING)
    after = f"{told.planned} seeds: {told.then:.3f}" if math.isfinite(told.then) else ""
    alone = "" if told.covered else "these networks only"
    now = f"above {told.least:.3f}" if told.least < 1 else "nothing"
    return Cell(now, small=after or alone)


def told(tables: Sequence[MapTable]) -> list[tuple[str, str]]:
    """Return the title of every table, and the line that says what it can tell."""
    return [(table.title, table.told.sentence()) for table in tables if table.told is not None]


def _all_of(named: Sequence[str], rest: Sequence[str]) -> str:
    """Name rows, or those that are left where they are fewer.

    >>> _all_of(["a", "b", "c"], ["d"]), _all_of(["a", "b"], []), _all_of(["a"], ["b"])
    ('all others but d', 'all others', 'a')
    """
    if len(named) == 1 or len(rest) >= len(named):
        return "; ".join(named)
    return f"all others but {'; '.join(rest)}" if rest else "all others"


def commands(suite: str) -> list[tuple[str, str]]:
    """Return the commands that make the page and its records again, with what each does."""
    name = shlex.quote(suite)
    return [
        (f"python run_bench.py report --suite {name}", "writes this page from the stored records"),
        (f"python run_bench.py verify --suite {name}", "recomputes the stored scores"),
        ("python run_bench.py explain RUN_ID", "prints all that made one cell, and its command"),
        (f"python run_bench.py --suite {name}", "runs what is not stored yet, and reports"),
    ]


def definitions(tables: Sequence[MapTable]) -> list[tuple[str, str]]:
    """Return the title and the caption of every headline table: all that its numbers depend on."""
    return [*dict.fromkeys((t.title, t.caption) for t in tables if not t.secondary)]
