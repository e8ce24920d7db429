"""The interval of every mean in the tables, and how many queries and identities it rests on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.captions import INTERVAL
from hashquant.report.forms.display import Display, Sheet, per_block
from hashquant.report.numerals import number, within
from hashquant.report.tables.maps import MapTable

COLUMNS = ["dataset", "target", "label", "bits", "comparison", "mean", "low", "high", "n",
           "queries", "identities", "note"]  # fmt: skip


def intervals_frame(tables: Sequence[MapTable]) -> pd.DataFrame:
    """Return a line for every scored cell: its mean mAP, 95 % interval, and what it rests on.

    `note` says why a cell has no interval.
    """
    rows = []
    for table in tables:
        block, evidence = table.block, table.evidence
        for cell in table.cells[table.cells["n"] > 0].to_dict("records"):
            key = (cell["label"], cell["bits"], table.secondary)
            known = evidence.cells.get(key)
            judged = evidence.identity[np.isfinite(known.ap[0])] if known else evidence.identity[:0]
            rows.append(
                {"dataset": block.dataset, "target": block.target}
                | {name: cell[name] for name in COLUMNS[2:9]}
                | {"queries": len(judged), "identities": len(np.unique(judged))}
                | {"note": evidence.reasons.get(key, "")}
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def intervals_sheet(frame: pd.DataFrame, blocks: Sequence[Block], suite: str) -> Sheet:
    """Return the intervals as a reader sees them: a table per block."""
    intro = (
        f"95 % intervals: {INTERVAL}. All queries of an identity stand together; where the whole "
        "suite has 1 seed, the spread between seeds is not covered (`docs/statistics.md`)."
    )
    shown = per_block(frame, blocks, _table)
    return Sheet("intervals", suite, f"Intervals of suite {suite}", intro, shown)


def _table(title: str, mine: pd.DataFrame) -> Display:
    rows = [
        [row["label"], str(row["bits"]), row["comparison"], number(row["mean"]),
         within(row["low"], row["high"]), str(row["n"]), f"{row['queries']:,}",
         f"{row['identities']:,}", row["note"]]
        for row in mine.to_dict("records")
    ]  # fmt: skip
    heads = ["row", "bits", "comparison", "mAP", "95 % interval", "seeds", "queries", "identities",
             "no interval because"]  # fmt: skip
    return Display.of(title, rows, heads, "lrlrrrrrl", keys=2)
