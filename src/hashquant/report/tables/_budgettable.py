"""The budgets as a reader sees them: what each row costs, and who wins under each budget."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.captions import prefixes
from hashquant.report.forms.display import Display, Sheet, per_block
from hashquant.report.numerals import NOTHING, number, scored
from hashquant.report.tables.budgets import (
    NAMES,
    among,
    budgets_of,
    encoded_on,
    searched,
    trained_on,
    winners,
)
from hashquant.report.tables.searchtimes import CLOCKS, search_table, search_times

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
_ENCODING = (
    "Codes/s are images a second that a row's head turns from the trunk's features into stored "
    "codes (the median of five passes of up to 256 images): beam searches cost many times what "
    "nearest codewords do. The trunk is not in it, and comes on top."
)


def budgets_sheet(frame: pd.DataFrame, blocks: Sequence[Block], suite: str) -> Sheet:
    """Return the budgets: a table of search times, and per block costs and winners."""
    intro = (
        "mAP (mean ± sd over seeds) beside what a code costs: its bits, the whole bytes it is "
        "stored in, the codebooks all items share, milliseconds a query, and minutes of training "
        "(median over seeds). Pareto marks say under which budget no other row scores more at the "
        "same cost or as much at a lower one: b equal bits, s equal stored bytes, t equal search "
        "time, m equal training time (two digits of a time). References are shown but do not "
        "compete. Fronts compare means; intervals are in a table of their own."
    )
    if frame["train_minutes"].notna().any():
        intro += " ".join(["", *filter(None, [_TRAINING, prefixes(blocks)])])
    if frame["code_images_per_second"].notna().any():
        intro += " " + _ENCODING
    times = search_times(blocks)
    formats = [replace(search_table(times), before=[_SEARCH])] if times else []
    shown = [*formats, *per_block(frame, blocks, _table)]
    return Sheet("budgets", suite, f"Budgets of suite {suite}", intro, shown)


def _table(title: str, mine: pd.DataFrame) -> Display:
    (usual, machine), coder = _usual(mine), encoded_on(mine)
    timed = bool(mine["code_images_per_second"].notna().any())
    most = int(mine["n"].max())
    rows = []
    for line in mine.to_dict("records"):
        here, trained = among(line), line["train_machine"]
        other = [f"timed: {here}"] if here and here != usual else []
        other += [f"trained: {trained}"] if trained and trained != machine else []
        coded = line["encode_machine"]
        other += [f"encoded: {coded}"] if coded and coded != coder else []
        speed = [number(line["code_images_per_second"], 0, grouped=True)] if timed else []
        rows.append(
            [line["label"], f"{line['bits']:,}", scored(line, most),
             f"{line['code_bytes']:,}", f"{line['codebook_bytes']:,}",
             *(number(line[clock], 3) for clock in CLOCKS), *speed,
             number(line["train_minutes"], 1), "; ".join(other), _marks(line)]
        )  # fmt: skip
    heads = ["row", "bits", "mAP", "stored bytes", "codebook bytes",
             *(f"ms ({name})" for name in CLOCKS.values()), *(["codes/s"] if timed else []),
             "training min", "elsewhere", "Pareto"]  # fmt: skip
    shown = Display.of(title, rows, heads, "l" + "r" * (len(heads) - 3) + "ll", keys=2)
    return replace(shown, lines=[_measured(mine)], points=_winners(mine))


def _usual(mine: pd.DataFrame) -> tuple[str, str]:
    """Return how most rows were timed, and on what they were trained."""
    rivals = mine[mine["competes"]]
    return searched(rivals) or searched(mine), trained_on(rivals) or trained_on(mine)


def _marks(line: Mapping[Any, Any]) -> str:
    if not line["competes"]:
        return NOTHING
    marks = zip("bstm", NAMES, strict=True)
    return " ".join(mark for mark, name in marks if line[f"front_{name}"])


def _measured(mine: pd.DataFrame) -> str:
    """Say what was searched and trained where, and whose times were compared."""
    clock = str(mine["clock"].iloc[0])
    usual, machine = _usual(mine)
    where = f"Searched: {usual}, where a row says nothing else. " if usual else ""
    by = f"Equal search time is by {CLOCKS[clock]}." if clock else "No search time is stored."
    on = f" Trained on: {machine}." if machine else ""
    coder = encoded_on(mine)
    return where + by + on + (f" Codes made on: {coder}." if coder else "")


def _winners(mine: pd.DataFrame) -> list[str]:
    """Say who wins at each level of each budget."""
    return [
        f"{NAMES[budget.name]}: {'; '.join(said)}."
        for budget in budgets_of(mine)
        if (said := winners(mine, budget))
    ]
