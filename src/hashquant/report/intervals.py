"""The interval of every mean in the tables, and how many queries and identities it rests on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

from hashquant.report.frame import DECIMALS
from hashquant.report.tables import MapTable, escape

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


def intervals_markdown(frame: pd.DataFrame) -> str:
    """Return the intervals as one Markdown table."""
    rows = [
        [escape(str(row[name])) for name in COLUMNS[:5]]
        + [f"{row['mean']:.{DECIMALS}f}", _between(row["low"], row["high"])]
        + [row["n"], f"{row['queries']:,}", f"{row['identities']:,}", escape(row["note"])]
        for row in frame.to_dict("records")
    ]
    heads = ["trained on", "examined on", "row", "bits", "comparison", "mAP", "95 % interval",
             "seeds", "queries", "identities", "no interval because"]  # fmt: skip
    said = (
        "Percentile intervals of a bootstrap over identities (all queries of an identity "
        "together) and over seeds; with 1 seed the spread between seeds is not covered."
    )
    return f"{tabulate(rows, heads, 'pipe', disable_numparse=True)}\n\n*{said}*\n"


def _between(low: float, high: float) -> str:
    return "–" if np.isnan(low) else f"{low:.{DECIMALS}f} … {high:.{DECIMALS}f}"
