"""One search time per code format: codes of one format are searched by the same program."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hashquant.records.record import EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.captions import at_once, counted
from hashquant.report.forms.display import Display
from hashquant.report.numerals import NOTHING, number

NAN = float("nan")
#: The clocks, best first, and what a table calls them.
CLOCKS = {"search_ms_faiss": "faiss", "search_ms_kernel": "own kernel"}
#: Ends of the spread shown beside a median, in per cent of the cells.
ENDS = (5, 95)
COLUMNS = (
    *(name for clock in CLOCKS for name in (clock, f"{clock}_p5", f"{clock}_p95")),
    "search_cells", "search_items", "search_threads", "search_cpu",
)  # fmt: skip

Line = dict[str, Any]  # Any: numbers and names of one format, by column


@dataclass(frozen=True, order=True)
class CodeFormat:
    """What decides which search program runs, on how much, and where.

    `cpu` says too how many cells went at once, where there was more than one.
    """

    query_form: str
    bits: int
    subspaces: int
    codewords: int
    items: float
    threads: float
    cpu: str

    @property
    def name(self) -> str:
        """How a table calls the code.

        >>> CodeFormat("table", 24, 4, 64, 1e5, 1.0, "").name
        '24 bits: 4 books of 64 codewords'
        """
        if self.query_form in ("table", "additive"):
            books = "books" if self.query_form == "table" else "full-length books"
            return f"{self.bits} bits: {self.subspaces} {books} of {self.codewords} codewords"
        return f"{self.bits:,} bits, {'binary' if self.query_form == 'bits' else self.query_form}"


def code_format(record: EvalRecord) -> CodeFormat | None:
    """Return the format a record was timed in, or None where it was not timed."""
    if not any(clock in record.timing for clock in CLOCKS):
        return None
    cost, timing = record.cost, record.timing
    return CodeFormat(
        cost.query_form, cost.code_bits, cost.subspaces, cost.codewords,
        timing.get("search_items", 0.0), timing.get("search_threads", 0.0),
        (record.provenance.cpu if record.provenance else "") + at_once(timing),
    )  # fmt: skip


def search_times(blocks: Sequence[Block]) -> dict[CodeFormat, Line]:
    """Return each format's times over all cells of a suite: the `COLUMNS` of a line.

    Times are medians in milliseconds a query, with the 5th and the 95th percentile.
    """
    found: dict[CodeFormat, dict[tuple[str, str], EvalRecord]] = defaultdict(dict)
    for block in blocks:
        for record in block.evals:
            form = code_format(record)
            if form is not None:
                found[form][record.run_id, record.target] = record
    return {form: _pooled(form, [*found[form].values()]) for form in sorted(found)}


def _pooled(form: CodeFormat, records: Sequence[EvalRecord]) -> Line:
    line: Line = {}
    for clock in CLOCKS:
        times = [record.timing[clock] for record in records if clock in record.timing]
        low, high = np.percentile(times, ENDS) if times else (NAN, NAN)
        line |= {clock: statistics.median(times) if times else NAN,
                 f"{clock}_p5": float(low), f"{clock}_p95": float(high)}  # fmt: skip
    return line | {
        "search_cells": len(records),
        "search_items": form.items or NAN,
        "search_threads": form.threads or NAN,
        "search_cpu": form.cpu,
    }


def cell_times(cell: Sequence[EvalRecord], times: Mapping[CodeFormat, Line]) -> Line:
    """Return the line of the format that most records of a cell were timed in."""
    forms = Counter(form for record in cell if (form := code_format(record)) is not None)
    if not forms:
        return dict.fromkeys(COLUMNS, NAN) | {"search_cells": 0, "search_cpu": ""}
    return times[max(sorted(forms), key=forms.__getitem__)]


def searched_among(items: float, threads: float, cpu: str) -> str:
    """Say what was searched, and how; "" where that is not stored.

    >>> searched_among(1e5, 1.0, "Xeon"), searched_among(float("nan"), 1.0, "")
    ('100,000 items, 1 thread, Xeon', '')
    """
    if not items > 0:
        return ""
    parts = [counted(int(items), "item")]
    parts += [counted(int(threads), "thread")] if threads > 0 else []
    return ", ".join([*parts, *([cpu] if cpu else [])])


def search_table(times: Mapping[CodeFormat, Line]) -> Display:
    """Return the table of formats with the spread of their times."""
    rows = [
        [form.name, searched_among(form.items, form.threads, form.cpu),
         str(line["search_cells"]), *(_spread(line, clock) for clock in CLOCKS)]
        for form, line in times.items()
    ]  # fmt: skip
    heads = ["code format", "searched", "cells", *(f"ms ({name})" for name in CLOCKS.values())]
    return Display.of("Search time of each code format", rows, heads, "llrrr", keys=2)


def _spread(line: Line, clock: str) -> str:
    if np.isnan(line[clock]):
        return NOTHING
    low, high = (number(line[f"{clock}_p{end}"], 3) for end in ENDS)
    return f"{number(line[clock], 3)} ({low} … {high})"
