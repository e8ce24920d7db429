"""What a score costs: mAP against equal bits, equal stored bytes and equal search time."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tabulate import tabulate

from hashquant.record import EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.captions import counted
from hashquant.report.evidence import HEADLINE
from hashquant.report.figures.style import row_order
from hashquant.report.frame import DECIMALS
from hashquant.report.numerals import NOTHING, number, spread
from hashquant.report.tables import escape

NAN = float("nan")
CLOCKS = ("search_ms_faiss", "search_ms_kernel")
COLUMNS = [
    "dataset", "target", "protocol", "family", "label", "bits", "mean", "sd", "n", "code_bytes",
    "codebook_bytes", *CLOCKS, "search_items", "search_threads", "front_bits", "front_bytes",
    "front_time", "clock",
]  # fmt: skip

Line = dict[str, Any]  # Any: one line of the frame, by column


@dataclass(frozen=True)
class Budget:
    """One way to call two codes equally dear: the column of the frame, and how it is said."""

    name: str
    column: str
    unit: str

    def priced(self, value: float) -> float:
        """Return a cost as it is compared: times are told apart by two digits, not by noise.

        >>> Budget("time", "search_ms_faiss", "ms").priced(0.1449)
        0.14
        """
        return float(f"{value:.2g}") if self.name == "time" else value


BITS, BYTES = Budget("bits", "bits", "bits"), Budget("bytes", "code_bytes", "bytes")


def stored_cells(block: Block) -> dict[tuple[str, int], list[EvalRecord]]:
    """Return the records of each (row, stored bits) in reading order, a run once.

    What has no code stands in a block at every code length; here it is listed by its own bits.
    """
    found: dict[tuple[str, int], dict[str, EvalRecord]] = {}
    for record in sorted(block.evals, key=lambda r: r.spec.seed):
        if HEADLINE.find(record) is not None:
            cell = record.spec.label, record.cost.code_bits
            found.setdefault(cell, {}).setdefault(record.run_id, record)
    order = sorted(found, key=lambda cell: (row_order(cell[0], block.families[cell[0]]), cell[1]))
    return {cell: list(found[cell].values()) for cell in order}


def mean_sd(cell: Sequence[EvalRecord]) -> Line:
    """Return mean, sd (missing for one seed) and n of the mAP of some records."""
    values = [score.value for record in cell if (score := HEADLINE.find(record)) is not None]
    sd = statistics.stdev(values) if len(values) > 1 else NAN
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values)}


def budgets_frame(blocks: Sequence[Block]) -> pd.DataFrame:
    """Return a line per (block, row, bits): its mAP, what its code costs, and three Pareto marks.

    Times are medians over seeds, in milliseconds a query. `front_…` tells whether no other row
    scores more at the same cost or as much at a lower one; references do not compete. Time is
    that of `clock`: faiss where it served every competing row, else the suite's own kernel; rows
    timed among another number of items or with other threads than most do not compete for it.
    """
    frames = [_marked(_costs(block)) for block in blocks if block.evals]
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)


def _costs(block: Block) -> pd.DataFrame:
    place = {"dataset": block.dataset, "target": block.target, "protocol": block.protocol}
    lines = [
        place
        | {"family": block.families[label], "label": label, "bits": bits}
        | mean_sd(cell)
        | {"code_bytes": cell[0].cost.code_bytes, "codebook_bytes": cell[0].cost.codebook_bytes}
        | {name: _median(cell, name) for name in (*CLOCKS, "search_items", "search_threads")}
        for (label, bits), cell in stored_cells(block).items()
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _median(cell: Sequence[EvalRecord], name: str) -> float:
    values = [record.timing[name] for record in cell if name in record.timing]
    return statistics.median(values) if values else NAN


def _marked(frame: pd.DataFrame) -> pd.DataFrame:
    """Choose the clock and mark the Pareto fronts."""
    frame["clock"] = _clock(frame)
    for budget in budgets_of(frame, every=True):
        front = pareto(frame, budget)
        frame[f"front_{budget.name}"] = [place in front for place in frame.index]
    return frame


def _clock(frame: pd.DataFrame) -> str:
    """Return the clock that serves all competing rows, or "" where no row was timed."""
    timed = _alike(frame[frame["family"] != "reference"])
    return next((name for name in CLOCKS if len(timed) and timed[name].notna().all()), "")


def _alike(rivals: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that were timed, among as many items and with as many threads as most."""
    timed = rivals[rivals[list(CLOCKS)].notna().any(axis=1)]
    if timed.empty:
        return timed
    settings = list(zip(timed["search_items"].fillna(0), timed["search_threads"].fillna(0),
                        strict=True))  # fmt: skip
    most = max(sorted(set(settings), reverse=True), key=settings.count)
    return timed[[setting == most for setting in settings]]


def budgets_of(frame: pd.DataFrame, *, every: bool = False) -> list[Budget]:
    """Return the budgets that a block's lines can be compared by; with `every`, the three."""
    clock = str(frame["clock"].iloc[0]) if len(frame) else ""
    timed = [Budget("time", clock, "ms")] if clock or every else []
    return [BITS, BYTES, *timed]


def competing(frame: pd.DataFrame, budget: Budget) -> pd.DataFrame:
    """Return the lines of a block that compete under a budget, cheapest first, best first.

    Further columns: `read` is the mean as tables show it, `cost` what is compared.
    """
    rivals = frame[frame["family"] != "reference"]
    if budget.name == "time":
        rivals = _alike(rivals) if budget.column else rivals.iloc[:0]
    cost = [budget.priced(float(value)) for value in rivals[budget.column]] if len(rivals) else []
    rivals = rivals.assign(read=rivals["mean"].round(DECIMALS), cost=cost)
    return rivals.sort_values(["cost", "read"], ascending=[True, False], kind="stable")


def pareto(frame: pd.DataFrame, budget: Budget) -> set[Any]:  # Any: labels of the frame's index
    """Return where the lines stand than which none is better for as little, or as good for less."""
    found: set[Any] = set()
    best, price = -1.0, NAN
    for place, line in competing(frame, budget).to_dict("index").items():
        if line["read"] > best or (line["read"] == best and line["cost"] == price):
            found.add(place)
            best, price = line["read"], line["cost"]
    return found


def winners(frame: pd.DataFrame, budget: Budget) -> list[str]:
    """Say who wins at each level of a budget, for a block's lines.

    Levels are the code lengths or bytes that occur, of time those at which the winner changes.
    """
    rivals = competing(frame, budget)
    front = rivals[rivals[f"front_{budget.name}"].astype(bool)]
    said = []
    for level in sorted(set((front if budget.name == "time" else rivals)["cost"])):
        inside = front[front["cost"] <= level]
        best = inside[inside["read"] == inside["read"].max()]
        names = " and ".join(
            f"{label} {bits} bits" for label, bits in zip(best["label"], best["bits"], strict=True)
        )
        text = f"{level:.2g}" if budget.name == "time" else f"{level:,.0f}"
        said.append(f"at ≤ {text} {budget.unit}: {names}, {best['mean'].iloc[0]:.{DECIMALS}f}")
    return said


def clock_name(clock: str) -> str:
    """Say which clock was read.

    >>> clock_name("search_ms_faiss"), clock_name("search_ms_kernel")
    ('faiss', 'own kernel')
    """
    return {"search_ms_faiss": "faiss", "search_ms_kernel": "own kernel"}.get(clock, "")


def searched(lines: pd.DataFrame) -> str:
    """Say among how many items, and with how many threads, most rows were timed, or ""."""
    alike = _alike(lines)
    if alike.empty or alike["search_items"].isna().any():
        return ""
    items, threads = int(alike["search_items"].iloc[0]), alike["search_threads"].iloc[0]
    said = counted(items, "item")
    return said if pd.isna(threads) else f"{said}, {counted(int(threads), 'thread')}"


def budgets_markdown(frame: pd.DataFrame, blocks: Sequence[Block], suite: str) -> str:
    """Return the budgets as Markdown: per block a table, and who wins under each budget."""
    parts = [
        f"# Three budgets, suite {escape(suite)}",
        "mAP (mean ± sd over seeds) beside what a code costs: its bits, the whole bytes it is "
        "stored in, the codebooks all items share, and milliseconds a query, the median over "
        "seeds. Pareto marks say under which budget no other row scores more at the same cost or "
        "as much at a lower one: **b** equal bits, **s** equal stored bytes, **t** equal search "
        "time (two digits of it). Codes of one family, length and number of books are searched by "
        "the same program: what their times differ by is the machine's noise. References are "
        "shown but do not compete. Fronts compare means; intervals are in intervals.md.",
    ]
    for block in blocks:
        mine = frame[(frame["dataset"] == block.dataset) & (frame["target"] == block.target)]
        if len(mine):
            parts += [f"## {escape(block.name)}", _grid(mine), *_said(mine)]
    return "\n\n".join(parts) + "\n"


def _grid(mine: pd.DataFrame) -> str:
    usual = searched(mine[mine["family"] != "reference"]) or searched(mine)
    rows = []
    for place, line in enumerate(mine.to_dict("records")):
        other = searched(mine.iloc[[place]])
        rows.append(
            [escape(line["label"]), f"{line['bits']:,}", _mean(line, int(mine["n"].max())),
             f"{line['code_bytes']:,}", f"{line['codebook_bytes']:,}",
             *(number(line[clock], 3) for clock in CLOCKS),
             other if other != usual else "", _marks(line)]
        )  # fmt: skip
    heads = ["row", "bits", "mAP", "stored bytes", "codebook bytes", "ms (faiss)",
             "ms (own kernel)", "timed among", "Pareto"]  # fmt: skip
    aligned = ["left", *["right"] * 6, "left", "left"]
    return tabulate(rows, heads, "pipe", disable_numparse=True, colalign=aligned)


def _mean(line: Mapping[Any, Any], most: int) -> str:
    return spread(line["mean"], line["sd"]) + (f" (n={line['n']})" if line["n"] < most else "")


def _marks(line: Mapping[Any, Any]) -> str:
    if line["family"] == "reference":
        return NOTHING
    marks = zip("bst", ("front_bits", "front_bytes", "front_time"), strict=True)
    return " ".join(f"**{mark}**" for mark, column in marks if line[column])


def _said(mine: pd.DataFrame) -> list[str]:
    """Say what was searched, and who wins at each level of each budget."""
    clock = str(mine["clock"].iloc[0])
    usual = searched(mine[mine["family"] != "reference"]) or searched(mine)
    where = f"Searched: {usual}, where a row says nothing else. " if usual else ""
    by = f"Equal search time is by {clock_name(clock)}." if clock else "No search time is stored."
    names = {"bits": "Equal bits", "bytes": "Equal stored bytes", "time": "Equal search time"}
    lines = [
        f"- {names[budget.name]}: {escape('; '.join(said))}."
        for budget in budgets_of(mine)
        if (said := winners(mine, budget))
    ]
    return [f"*{where}{by}*", *(["\n".join(lines)] if lines else [])]


def front_points(frame: pd.DataFrame, budget: Budget) -> list[tuple[float, float]]:
    """Return the Pareto front of a block's lines as points (cost, mAP), cheapest first."""
    front = competing(frame, budget)
    front = front[front[f"front_{budget.name}"].astype(bool)]
    points = zip(front[budget.column].astype(float), front["mean"], strict=True)
    return sorted(set(points))
