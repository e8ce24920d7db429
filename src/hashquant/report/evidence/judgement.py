"""Which cells of a table are below its best, which are undecided, and what could be told at all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hashquant.report.evidence.queries import ALPHA, Evidence, Key
from hashquant.statistics import Spread, holm, least_difference, logit_slope

#: How many seeds a plan goes up to: the first that is more than there are.
PLANS = (5, 10, 20)
#: Most of a table's comparisons that may be undecided for its marks to say something.
MOST = 0.5


@dataclass(frozen=True)
class Told:
    """What a table can tell: the differences above `least` and, with `planned` seeds, `then`.

    `least` is the median over the rivals of the best of what their paired test must pass, at 5 %
    over the number of the table's comparisons, which is Holm's first step. `covered` says whether
    it includes the spread between seeds; `hours` is the training that the further seeds take, NaN
    where unknown.
    """

    seeds: int
    queries: int
    comparisons: int
    undecided: int
    least: float
    covered: bool
    planned: int
    then: float
    hours: float

    @property
    def marked(self) -> bool:
        """Whether marks are shown: not where most comparisons are undecided."""
        return self.undecided <= MOST * self.comparisons

    def sentence(self) -> str:
        """Say it in one line, to stand above the table."""
        said = self._covered() if self.covered else self._uncovered()
        if not self.marked:
            said += (
                f" {self.undecided} of {self.comparisons} comparisons with the best are undecided, "
                "so no cell is marked."
            )
        return said

    def _covered(self) -> str:
        said = f"With {_seeds(self.seeds)} and {self.queries:,} queries"
        known = self.least < 1
        said += f", differences above {_size(self.least)}" if known else " no difference"
        said += " can be told"
        if not math.isfinite(self.then):
            return f"{said}."
        return f"{said}; {self.planned} seeds would tell {_size(self.then)}{self._time()}."

    def _uncovered(self) -> str:
        if not math.isfinite(self.least):
            return "The values of the queries are missing: no difference can be told."
        return (
            f"{_seeds(self.seeds)}: the spread between trainings is unknown. Of these trained "
            f"networks, with {self.queries:,} queries, differences above {_size(self.least)} can "
            "be told."
        )

    def _time(self) -> str:
        if not math.isfinite(self.hours):
            return ""
        if self.hours < 2:
            return f" (about {max(1, round(60 * self.hours))} more minutes of training here)"
        return f" (about {self.hours:.0f} more hours of training here)"


def _seeds(number: int) -> str:
    return f"{number} seed{'' if number == 1 else 's'}"


def _size(value: float) -> str:
    """Write a difference with two digits that say something.

    >>> _size(0.0432), _size(0.12), _size(0.00321)
    ('0.043', '0.12', '0.0032')
    """
    places = max(2, 1 - math.floor(math.log10(value))) if value > 0 else 2
    return f"{value:.{min(places, 4)}f}"


def judged(frame: pd.DataFrame, evidence: Evidence, *, secondary: bool = False) -> pd.DataFrame:
    """Return a table's cells with intervals and what is undecided filled, from the queries.

    Every trained rival is compared with the best of its code length; Holm's correction runs over
    all such comparisons of the table. `undecided`: another training or other people could turn
    the order; `undecided_people`: other people could, of these trained networks. Where queries are
    unknown, both, and the cell's note says that it was not tested and why. References, and what
    did not train, do not compete.
    """
    keys = [(row["label"], row["bits"], secondary) for row in frame.to_dict("records")]
    found = {key: evidence.interval(key) for key in keys if key in evidence.cells}
    rivals = _rivals(frame, secondary)
    people = _open(rivals, evidence, trained=True)
    either = people | _open(rivals, evidence, trained=False)
    why = _untested(rivals, evidence)
    notes = [
        "; ".join(filter(None, (note, why.get(key, ""))))
        for key, note in zip(keys, frame["note"], strict=True)
    ]
    return frame.assign(
        note=notes,
        low=[found[key].low if key in found else float("nan") for key in keys],
        high=[found[key].high if key in found else float("nan") for key in keys],
        compared=[key in rivals for key in keys],
        undecided=[key in either for key in keys],
        undecided_people=[key in people for key in keys],
    )


def _rivals(frame: pd.DataFrame, secondary: bool) -> dict[Key, Key]:
    """Return the best of its code length for every other cell that competes."""
    found: dict[Key, Key] = {}
    rivals = frame[frame["competes"] & frame["mean"].notna()]
    for bits, part in rivals.groupby("bits"):
        best = str(part["label"].iloc[part["mean"].argmax()]), int(str(bits)), secondary
        keys = [(str(label), best[1], secondary) for label in part["label"]]
        found |= {key: best for key in keys if key != best}
    return found


def _untested(rivals: Mapping[Key, Key], evidence: Evidence) -> dict[Key, str]:
    """Say of every cell that could not be tested, while others could, what is missing of it."""
    if not evidence.cells:
        return {}
    return {
        key: f"not tested: {evidence.reasons[key]}"
        for key in rivals.keys() | set(rivals.values())
        if key in evidence.reasons
    }


def _known(rivals: Mapping[Key, Key], evidence: Evidence) -> dict[Key, Key]:
    return {k: best for k, best in rivals.items() if {k, best} <= evidence.cells.keys()}


def _open(rivals: Mapping[Key, Key], evidence: Evidence, *, trained: bool) -> set[Key]:
    """Return the rivals not told from the best: of these `trained` networks, or of new ones."""
    known = _known(rivals, evidence)
    test = evidence.among_people if trained else evidence.difference
    if not evidence.can_tell(len(known)):
        return set(rivals)
    corrected = holm([test(key, best).p_value for key, best in known.items()])
    decided = {key for key, p in zip(known, corrected, strict=True) if p <= ALPHA}
    return set(rivals) - decided


def told(frame: pd.DataFrame, evidence: Evidence, *, secondary: bool = False) -> Told | None:
    """Return what a judged table can tell; None where nothing is compared."""
    rivals = _rivals(frame, secondary)
    if not rivals:
        return None
    known = _known(rivals, evidence)
    seeds = int(frame["n"].max())
    plan = next((plan for plan in PLANS if plan > seeds), 2 * seeds)
    now = [_least(evidence, key, best, len(known)) for key, best in known.items()]
    then = [_least(evidence, key, best, len(known), plan) for key, best in known.items()]
    covered = any(evidence.spread(key) is not None for pair in known.items() for key in pair)
    judged = [evidence.cells[key].ap[0] for key in known]
    return Told(
        seeds, int(np.isfinite(judged).any(axis=0).sum()) if judged else 0, len(rivals),
        int(frame["undecided"].sum()), _median(now), covered, plan,
        _median(then) if covered else math.nan, (plan - seeds) * evidence.seed_hours,
    )  # fmt: skip


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan


def _least(evidence: Evidence, key: Key, best: Key, comparisons: int, planned: int = 0) -> float:
    """Return the least difference of two cells that the table would call one."""
    means = []
    for cell in (key, best):
        spread = evidence.spread(cell, planned)
        if spread is not None:
            seeds = planned or len(evidence.cells[cell].ap)
            each = spread.variance / logit_slope(evidence.mean(cell)) ** 2
            means.append(Spread(each / seeds, spread.freedom))
    people = evidence.people(key) - evidence.people(best)
    return least_difference(people, means, ALPHA / comparisons)
