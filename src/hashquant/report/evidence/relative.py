"""How much of the uncompressed embedding's accuracy a code has on a target, chance taken off.

r = (mAP - floor) / (uncompressed - floor), all three on the same queries and gallery: a random
order has 0 and the uncompressed embedding of the same trunk and seeds 1, whatever the target.
A code can pass 1, since quantization can remove noise.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hashquant.records.gate import LEAST_GAIN
from hashquant.report.evidence.queries import Evidence, Key
from hashquant.statistics import interval

#: The method whose embedding is kept whole.
UNCOMPRESSED = "float"
#: A lead this close to zero is rounding.
ROUNDING = 1e-12
NAN = float("nan")


@dataclass(frozen=True)
class Relative:
    """r of one cell with its 95 % interval, NaN where there is none, and why in `note`."""

    estimate: float = NAN
    low: float = NAN
    high: float = NAN
    note: str = ""


@dataclass(frozen=True, eq=False)
class Lead:
    """A mean mAP less the floor, over some queries, and how far its replicates move it, (b,)."""

    estimate: float
    moved: np.ndarray


def main_row(evidence: Evidence, method: str) -> str:
    """Return a method's own row: of all its rows in the block, the one that changes least.

    A head on a frozen embedding is the method's own row only where nothing else is.
    """
    found = overrides(evidence, method)
    heads = {label for label in found if found[label].get("head_only")}
    return min(found, key=lambda label: (label in heads, len(found[label]), label), default="")


def overrides(evidence: Evidence, method: str) -> dict[str, Mapping[str, Any]]:  # Any: settings
    """Return what each row of a method changes of its settings, and of how it is trained."""
    return {
        record.spec.label: {**record.spec.overrides}
        | ({"head_only": True} if record.spec.head_only else {})
        | ({"prefix": record.spec.prefix} if record.spec.prefix else {})
        for record in evidence.block.evals
        if record.spec.method == method
    }


def uncompressed(evidence: Evidence, key: Key) -> Key | None:
    """Return the cell of the uncompressed embedding of a cell's seeds, if its queries are known."""
    found = main_row(evidence, UNCOMPRESSED), key[1], False
    trained = found[:2] not in evidence.block.untrained
    known = trained and evidence.cells.keys() >= {found, key}
    return found if known and evidence.cells[found].seeds == evidence.cells[key].seeds else None


def lead(evidence: Evidence, key: Key, chosen: np.ndarray | None = None) -> Lead:
    """Return a cell's lead over the floor, over all queries or those chosen (q,)."""
    if chosen is None:
        mean, drawn = evidence.mean(key), evidence.draws(key)
    else:
        mean, drawn = evidence.over(key, chosen)
    return Lead(mean - evidence.floor(chosen), drawn - mean)


def clear(evidence: Evidence, found: Lead) -> bool:
    """Tell whether a lead is large enough to divide by: as large as that of what trained."""
    return found.estimate >= LEAST_GAIN * (1 - evidence.floor())


def relative(evidence: Evidence, key: Key) -> Relative:
    """Return r of a cell; its interval is made on the scale of log r, so that it stays above 0.

    A cell that is not clear of the floor has no interval: its logarithm says nothing.
    """
    base = uncompressed(evidence, key)
    if base is None:
        return Relative(note="no uncompressed embedding of the same seeds")
    if not math.isfinite(evidence.floor()):
        return Relative(note="the number of relevant items is not stored")
    whole, mine = lead(evidence, base), lead(evidence, key)
    if not clear(evidence, whole):
        return Relative(note="the uncompressed embedding is not clear of chance here")
    estimate = mine.estimate / whole.estimate
    if interval(mine.estimate, mine.estimate + mine.moved).low <= ROUNDING:
        return Relative(estimate, note="not clear of chance here")
    moved = mine.moved / mine.estimate - whole.moved / whole.estimate
    found = interval(0.0, moved)
    return Relative(estimate, estimate * math.exp(found.low), estimate * math.exp(found.high))
