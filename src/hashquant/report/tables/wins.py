"""How often each row of the tables is better than each other row, and how often significantly."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hashquant.report.captions import counted
from hashquant.report.evidence.queries import ALPHA, Evidence
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.numerals import NOTHING
from hashquant.report.tables.maps import MapTable
from hashquant.statistics import holm

#: Columns of the widest matrix: beyond it, a row says how many rivals it is ahead of.
WIDEST = 20
#: Counts of a row's rivals → what a reader calls them, where rows are too many for a matrix.
STANDINGS = {"ahead": "ahead of", "behind": "behind", "better": "significantly better than",
             "worse": "significantly worse than", "rivals": "rivals"}  # fmt: skip
STANDING = (
    "Rivals that a row is ahead of, and behind: the mAP is larger, or smaller, in more than half "
    "of the tables × code lengths; and those with a significant difference at least once (paired "
    "bootstrap over identities and seeds, Holm-corrected over all pairs and code lengths of a "
    "table, 5 %; with 1 seed the spread between seeds is not covered). References do not compete. "
    "Every pair stands in `wins.csv`."
)
COLUMNS = ["row", "rival", "better", "significantly_better", "compared", "tested"]


@dataclass
class _Count:
    """Ordered pairs of rows, counted over tables and code lengths."""

    better: Counter[tuple[str, str]]
    significant: Counter[tuple[str, str]]
    compared: Counter[tuple[str, str]]
    tested: Counter[tuple[str, str]]


def wins_frame(tables: Sequence[MapTable]) -> pd.DataFrame:
    """Return one line for each ordered pair of rows that some table holds both of.

    `compared` counts the tables × code lengths with a mean of both, `better` those where `row` has
    the larger one, `tested` those where the queries of both are known, `significantly_better`
    those where their paired difference is significant after Holm's correction over all pairs and
    code lengths of the table. References do not compete.
    """
    count = _Count(Counter(), Counter(), Counter(), Counter())
    places: dict[str, tuple[int, int, int, str]] = {}
    for table in tables:
        block = table.block
        places |= {x: block.order(x) for x in block.families if block.rivals(x)}
        _count_means(table.cells, count)
        _count_tests(table.cells, table.evidence, count)
    ordered = sorted(places, key=places.__getitem__)
    rows = [
        {"row": row, "rival": rival, "better": count.better[row, rival],
         "significantly_better": count.significant[row, rival],
         "compared": count.compared[row, rival], "tested": count.tested[row, rival]}
        for row, rival in itertools.permutations(ordered, 2)
        if count.compared[row, rival]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _rivals(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[cells["competes"] & (cells["n"] > 0)]


def _count_means(cells: pd.DataFrame, count: _Count) -> None:
    for _, part in _rivals(cells).groupby("bits"):
        means = dict(zip(part["label"], part["mean"], strict=True))
        for row, rival in itertools.permutations(means, 2):
            count.compared[row, rival] += 1
            count.better[row, rival] += bool(means[row] > means[rival])


def _count_tests(cells: pd.DataFrame, evidence: Evidence, count: _Count) -> None:
    pairs, ahead, p_values = [], [], []
    for bits, part in _rivals(cells).groupby("bits"):
        known = [x for x in part["label"] if (x, bits, False) in evidence.cells]
        for row, rival in itertools.combinations(known, 2):
            found = evidence.difference(
                (row, int(str(bits)), False), (rival, int(str(bits)), False)
            )
            pairs.append((row, rival))
            ahead.append(found.estimate > 0)
            p_values.append(found.p_value)
    if not evidence.can_tell(len(pairs)):
        return
    for (row, rival), first, p in zip(pairs, ahead, holm(p_values), strict=True):
        count.tested[row, rival] += 1
        count.tested[rival, row] += 1
        if p <= ALPHA:
            count.significant[(row, rival) if first else (rival, row)] += 1


def wins_sheet(frame: pd.DataFrame, suite: str) -> Sheet:
    """Return the matrix as a reader sees it: each row against each column."""
    title = f"Wins, suite {suite}"
    if frame.empty:
        return Sheet("wins", suite, title, "No two rows can be compared.", [])
    texts = {
        (line["row"], line["rival"]):
            f"{line['better']} ({line['significantly_better']}) of {line['compared']}"
        for line in frame.to_dict("records")
    }  # fmt: skip
    labels = list(dict.fromkeys([*frame["row"], *frame["rival"]]))
    if len(labels) > WIDEST:
        return Sheet(
            "wins", suite, title, f"{STANDING} {_tested(frame)}".strip(), [_standing(frame)]
        )
    rows = [[row, *(texts.get((row, rival), NOTHING) for rival in labels)] for row in labels]
    grid = Display.of("", rows, ["better ↓ than →", *labels], "l" + "r" * len(labels))
    return Sheet("wins", suite, title, _said(frame), [grid])


def standings(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a line a row of a `wins_frame`: how many rivals it stands before and behind.

    `ahead` and `behind` count rivals that have the smaller, or larger, mAP in more than half of
    what is compared; `better` and `worse` those with a significant difference at least once.
    """
    larger, smaller = (
        frame["better"] * 2 > frame["compared"],
        frame["better"] * 2 < frame["compared"],
    )
    reverse = frame.set_index(["row", "rival"])["significantly_better"]
    lost = [reverse.get((b, a), 0) for a, b in zip(frame["row"], frame["rival"], strict=True)]
    told = frame.assign(
        ahead=larger, behind=smaller, better=frame["significantly_better"] > 0,
        worse=np.array(lost) > 0, rivals=1,
    )  # fmt: skip
    return told.groupby("row", sort=False)[list(STANDINGS)].sum().reset_index()


def _standing(frame: pd.DataFrame) -> Display:
    rows = [
        [str(line["row"]), *(str(line[name]) for name in STANDINGS)]
        for line in standings(frame).to_dict("records")
    ]
    return Display.of("", rows, ["method", *STANDINGS.values()], "l" + "r" * len(STANDINGS))


def _said(frame: pd.DataFrame) -> str:
    said = (
        "Tables × code lengths in which the row has the larger mAP than the column; in brackets "
        "those in which the difference is significant (paired bootstrap over identities and "
        "seeds, Holm-corrected over all pairs and code lengths of a table, 5 %; with 1 seed the "
        "spread between seeds is not covered). References do not compete."
    )
    return f"{said} {_tested(frame)}".strip()


def _tested(frame: pd.DataFrame) -> str:
    """Say how many comparisons could not be tested, or nothing."""
    untested = int((frame["compared"] - frame["tested"]).sum() // 2)
    if untested:
        return (
            f"{counted(untested, 'comparison')} could not be tested: values of queries are "
            "missing, or the pairs are too many for the correction."
        )
    return ""
