"""What a score costs: mAP against equal bits, stored bytes, search time and training time."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hashquant.records.record import EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.evidence.queries import HEADLINE
from hashquant.report.frame import DECIMALS
from hashquant.report.tables import _trainingtimes as trainingtimes
from hashquant.report.tables import searchtimes
from hashquant.report.tables._trainingtimes import TrainingTime, cell_minutes, cell_speed
from hashquant.report.tables.searchtimes import (
    CLOCKS,
    CodeFormat,
    cell_times,
    searched_among,
)

NAN = float("nan")
COLUMNS = [
    "dataset", "target", "protocol", "family", "label", "bits", "competes", "mean", "sd", "n",
    "code_bytes", "codebook_bytes", *searchtimes.COLUMNS, *trainingtimes.COLUMNS,
    *trainingtimes.SPEED, "front_bits",
    "front_bytes", "front_time", "front_minutes", "clock",
]  # fmt: skip

Line = dict[str, Any]  # Any: one line of the frame, by column

#: What must be equal for two times to be compared.
CONDITIONS = {
    "time": ("search_items", "search_threads", "search_cpu"),
    "minutes": ("train_machine",),
}
#: How a list of winners and a figure call each budget.
NAMES = {
    "bits": "Equal bits", "bytes": "Equal stored bytes", "time": "Equal search time",
    "minutes": "Equal training time",
}  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """One way to call two codes equally dear: the column of the frame, and how it is said."""

    name: str
    column: str
    unit: str

    @property
    def measured(self) -> bool:
        """Whether a cost is read from a clock: it then depends on the machine, and on noise."""
        return self.name in CONDITIONS

    def priced(self, value: float) -> float:
        """Return a cost as it is compared: times are told apart by two digits, not by noise.

        >>> Budget("time", "search_ms_faiss", "ms").priced(0.1449)
        0.14
        """
        return float(f"{value:.2g}") if self.measured else value


BITS, BYTES = Budget("bits", "bits", "bits"), Budget("bytes", "code_bytes", "bytes")
MINUTES = Budget("minutes", "train_minutes", "min")


def stored_cells(block: Block) -> dict[tuple[str, int], list[EvalRecord]]:
    """Return the records of each (row, stored bits) in reading order, a run once.

    What has no code stands in a block at every code length; here it is listed by its own bits.
    """
    found: dict[tuple[str, int], dict[str, EvalRecord]] = {}
    for record in sorted(block.evals, key=lambda r: r.spec.seed):
        if HEADLINE.find(record) is not None:
            cell = record.spec.label, record.cost.code_bits
            found.setdefault(cell, {}).setdefault(record.run_id, record)
    order = sorted(found, key=lambda cell: (block.place(cell[0]), cell[1]))
    return {cell: list(found[cell].values()) for cell in order}


def mean_sd(cell: Sequence[EvalRecord]) -> Line:
    """Return mean, sd (missing for one seed) and n of the mAP of some records."""
    values = [score.value for record in cell if (score := HEADLINE.find(record)) is not None]
    sd = statistics.stdev(values) if len(values) > 1 else NAN
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values)}


def budgets_frame(
    blocks: Sequence[Block], trained: Mapping[str, TrainingTime] | None = None
) -> pd.DataFrame:
    """Return a line per (block, row, bits): its mAP, what its code costs, and four Pareto marks.

    Search times are those of the code's format, over all blocks (`searchtimes`), in milliseconds
    a query; minutes of training are medians over seeds of `trained`, by run_id. `front_…` tells
    whether no other row scores more at the same cost or as much at a lower one; references do not
    compete. Time is that of `clock`: faiss where it served every competing row, else the suite's
    own kernel; rows timed or trained in another way than most do not compete for that budget.
    """
    times = searchtimes.search_times(blocks)
    frames = [_costs(block, times, trained or {}) for block in blocks]
    filled = [_marked(frame) for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)


def _costs(
    block: Block, times: Mapping[CodeFormat, Line], trained: Mapping[str, TrainingTime]
) -> pd.DataFrame:
    place = {"dataset": block.dataset, "target": block.target, "protocol": block.protocol}
    lines = [
        place
        | {"family": block.families[label], "label": label, "bits": bits}
        | {"competes": block.competes(label, cell[0].spec.bits)}
        | mean_sd(cell)
        | {"code_bytes": cell[0].cost.code_bytes, "codebook_bytes": cell[0].cost.codebook_bytes}
        | cell_times(cell, times)
        | cell_minutes(cell, trained)
        | cell_speed(cell)
        for (label, bits), cell in stored_cells(block).items()
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _marked(frame: pd.DataFrame) -> pd.DataFrame:
    """Choose the clock and mark the Pareto fronts."""
    frame["clock"] = _clock(frame)
    for budget in budgets_of(frame, every=True):
        front = _front(frame, budget)
        frame[f"front_{budget.name}"] = [place in front for place in frame.index]
    return frame


def _clock(frame: pd.DataFrame) -> str:
    """Return the clock that serves all competing rows, or "" where no row was timed."""
    rivals = frame[frame["competes"]]
    timed = _alike(rivals[rivals[list(CLOCKS)].notna().any(axis=1)], "time")
    return next((name for name in CLOCKS if len(timed) and timed[name].notna().all()), "")


def _alike(timed: pd.DataFrame, budget: str) -> pd.DataFrame:
    """Return the rows whose times were taken under the conditions of most of them."""
    if timed.empty:
        return timed
    conditions = _conditions(timed, budget)
    most = max(sorted(set(conditions), reverse=True), key=conditions.count)
    return timed[[condition == most for condition in conditions]]


def _conditions(lines: pd.DataFrame, budget: str) -> list[tuple[Any, ...]]:  # Any: cells
    # Not a number equals nothing, not even itself.
    kept = lines[list(CONDITIONS[budget])]
    return list(kept.where(kept.notna(), 0).itertuples(index=False, name=None))


def budgets_of(frame: pd.DataFrame, *, every: bool = False) -> list[Budget]:
    """Return the budgets that a block's lines can be compared by; with `every`, all four."""
    clock = str(frame["clock"].iloc[0]) if len(frame) else ""
    timed = [Budget("time", clock, "ms")] if clock or every else []
    known = frame["train_minutes"].notna() & frame["competes"]
    return [BITS, BYTES, *timed, *([MINUTES] if every or known.any() else [])]


def competing(frame: pd.DataFrame, budget: Budget) -> pd.DataFrame:
    """Return the lines of a block that compete under a budget, cheapest first, best first.

    Further columns: `read` is the mean as tables show it, `cost` what is compared.
    """
    rivals = frame[frame["competes"]]
    if not budget.column:
        rivals = rivals.iloc[:0]
    elif budget.measured:
        rivals = _alike(rivals[rivals[budget.column].notna()], budget.name)
    cost = [budget.priced(float(value)) for value in rivals[budget.column]] if len(rivals) else []
    rivals = rivals.assign(read=rivals["mean"].round(DECIMALS), cost=cost)
    return rivals.sort_values(["cost", "read"], ascending=[True, False], kind="stable")


def _front(frame: pd.DataFrame, budget: Budget) -> set[Any]:  # Any: labels of the frame's index
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

    Levels are the code lengths or bytes that occur, of times those at which the winner changes.
    """
    rivals = competing(frame, budget)
    front = rivals[rivals[f"front_{budget.name}"].astype(bool)]
    said = []
    for level in sorted(set((front if budget.measured else rivals)["cost"])):
        inside = front[front["cost"] <= level]
        best = inside[inside["read"] == inside["read"].max()]
        names = " and ".join(
            f"{label} {bits} bits" for label, bits in zip(best["label"], best["bits"], strict=True)
        )
        text = f"{level:.2g}" if budget.measured else f"{level:,.0f}"
        said.append(f"at ≤ {text} {budget.unit}: {names}, {best['mean'].iloc[0]:.{DECIMALS}f}")
    return said


def searched(lines: pd.DataFrame) -> str:
    """Say among how many items, with how many threads and where most rows were timed, or ""."""
    alike = _alike(lines[lines["search_items"].notna()], "time")
    return among(alike.iloc[0].to_dict()) if len(alike) else ""


def encoded_on(lines: pd.DataFrame) -> str:
    """Say on what most rows' codes were made, or ""."""
    known = [str(where) for where in lines["encode_machine"] if where]
    return max(sorted(set(known)), key=known.count, default="")


def trained_on(lines: pd.DataFrame) -> str:
    """Say on which machine most rows were trained, or ""."""
    alike = _alike(lines[lines["train_minutes"].notna()], "minutes")
    return str(alike["train_machine"].iloc[0]) if len(alike) else ""


def among(line: Mapping[Any, Any]) -> str:  # Any: one line of the frame, by column
    """Say among how many items, with how many threads and where one row was timed, or ""."""
    return searched_among(line["search_items"], line["search_threads"], line["search_cpu"])


def front_points(frame: pd.DataFrame, budget: Budget) -> list[tuple[float, float]]:
    """Return the Pareto front of a block's lines as points (cost, mAP), cheapest first."""
    front = competing(frame, budget)
    front = front[front[f"front_{budget.name}"].astype(bool)]
    points = zip(front[budget.column].astype(float), front["mean"], strict=True)
    return sorted(set(points))
