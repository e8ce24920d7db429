"""The budgets as Markdown: what each row costs, and who wins under each budget."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from hashquant.report.blocks import Block
from hashquant.report.budgets import NAMES, among, budgets_of, searched, trained_on, winners
from hashquant.report.numerals import NOTHING, number, spread
from hashquant.report.searchtimes import CLOCKS, search_markdown, search_times
from hashquant.report.tables import escape

_SEARCH = (
    "Codes of one format (family, length, number and size of books) are searched by the same "
    "program: what their times differ by is the machine's noise. So the search time is one per "
    "code format, the median over all cells of the suite, whatever the method and the data set; "
    "in brackets the 5–95 % spread of the cells."
)
_TRAINING = (
    "Minutes of training are the clock's, on the machine that trained, whatever else ran on it; "
    "only rows trained on the same machine as most compete. A method fitted on another's embedding "
    "needs that training too: its minutes include it."
)


def budgets_markdown(frame: pd.DataFrame, blocks: Sequence[Block], suite: str) -> str:
    """Return the budgets as Markdown: per block a table, and who wins under each budget."""
    parts = [
        f"# Budgets, suite {escape(suite)}",
        "mAP (mean ± sd over seeds) beside what a code costs: its bits, the whole bytes it is "
        "stored in, the codebooks all items share, milliseconds a query, and minutes of training "
        "(median over seeds). Pareto marks say under which budget no other row scores more at the "
        "same cost or as much at a lower one: **b** equal bits, **s** equal stored bytes, **t** "
        "equal search time, **m** equal training time (two digits of a time). References are "
        "shown but do not compete. Fronts compare means; intervals are in intervals.md.",
    ]
    times = search_times(blocks)
    if times:
        parts += [_SEARCH, search_markdown(times)]
    if frame["train_minutes"].notna().any():
        parts.append(_TRAINING)
    for block in blocks:
        mine = frame[(frame["dataset"] == block.dataset) & (frame["target"] == block.target)]
        if len(mine):
            parts += [f"## {escape(block.name)}", _grid(mine), *_said(mine)]
    return "\n\n".join(parts) + "\n"


def _grid(mine: pd.DataFrame) -> str:
    usual, machine = _usual(mine)
    rows = []
    for line in mine.to_dict("records"):
        here, trained = among(line), line["train_machine"]
        other = [f"timed: {here}"] if here and here != usual else []
        other += [f"trained: {trained}"] if trained and trained != machine else []
        rows.append(
            [escape(line["label"]), f"{line['bits']:,}", _mean(line, int(mine["n"].max())),
             f"{line['code_bytes']:,}", f"{line['codebook_bytes']:,}",
             *(number(line[clock], 3) for clock in CLOCKS), number(line["train_minutes"], 1),
             "; ".join(other), _marks(line)]
        )  # fmt: skip
    heads = ["row", "bits", "mAP", "stored bytes", "codebook bytes",
             *(f"ms ({name})" for name in CLOCKS.values()), "training min", "elsewhere", "Pareto",
             ]  # fmt: skip
    aligned = ["left", *["right"] * 7, "left", "left"]
    return tabulate(rows, heads, "pipe", disable_numparse=True, colalign=aligned)


def _usual(mine: pd.DataFrame) -> tuple[str, str]:
    """Return how most rows were timed, and on what they were trained."""
    rivals = mine[mine["family"] != "reference"]
    return searched(rivals) or searched(mine), trained_on(rivals) or trained_on(mine)


def _mean(line: Mapping[Any, Any], most: int) -> str:
    return spread(line["mean"], line["sd"]) + (f" (n={line['n']})" if line["n"] < most else "")


def _marks(line: Mapping[Any, Any]) -> str:
    if line["family"] == "reference":
        return NOTHING
    marks = zip("bstm", NAMES, strict=True)
    return " ".join(f"**{mark}**" for mark, name in marks if line[f"front_{name}"])


def _said(mine: pd.DataFrame) -> list[str]:
    """Say what was searched and trained where, and who wins at each level of each budget."""
    clock = str(mine["clock"].iloc[0])
    usual, machine = _usual(mine)
    where = f"Searched: {usual}, where a row says nothing else. " if usual else ""
    by = f"Equal search time is by {CLOCKS[clock]}." if clock else "No search time is stored."
    on = f" Trained on: {machine}." if machine else ""
    lines = [
        f"- {NAMES[budget.name]}: {escape('; '.join(said))}."
        for budget in budgets_of(mine)
        if (said := winners(mine, budget))
    ]
    return [f"*{where}{by}{on}*", *(["\n".join(lines)] if lines else [])]
