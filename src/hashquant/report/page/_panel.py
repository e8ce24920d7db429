"""A plot as plain values: what the server draws first and the reader's browser draws anew."""

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

#: Steps of a scale of shares, and most of them on one scale; most marks of a scale of costs.
SHARE_STEPS, MOST = (0.01, 0.02, 0.05, 0.1, 0.2), 6
STEPS = 5
#: Costs are drawn on a logarithmic scale where the largest is this many times the smallest.
LOG_FROM = 4

Ticks = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Axis:
    """A scale: its name, ends and marks; `unit` is read behind a value."""

    label: str
    low: float
    high: float
    ticks: Ticks
    log: bool = False
    short: str = ""


@dataclass(frozen=True)
class Series:
    """The points of one row, in order; `tips` says what each point is; one `level` has no x.

    `sd` is None where a point is of one seed.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    tips: tuple[str, ...]
    sd: tuple[float | None, ...] = ()
    level: bool = False


@dataclass(frozen=True)
class Panel:
    """One plot; `front` is drawn behind as steps.

    `every` point has a marker, and its standard deviation is a bar; else a few points have one,
    and the standard deviation is a band along the line.
    `note` says below it what its numbers depend on.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    front: tuple[tuple[float, float], ...] = ()
    every: bool = True
    note: str = ""

    def only(self, labels: Container[str]) -> "Panel":
        """Return the plot of some rows, on the same scales."""
        return replace(self, series=[one for one in self.series if one.label in labels])


def share_axis(label: str, values: Iterable[float], short: str = "") -> Axis:
    """Return a scale from 0 to the lowest round end that holds all values, at most 1.

    >>> share_axis("mAP", [0.03, 0.21]).ticks[-1]
    (0.25, '0.25')
    """
    most = min(max((value for value in values if math.isfinite(value)), default=1.0), 1.0)
    step = next(step for step in SHARE_STEPS if most <= step * MOST)
    count = max(math.ceil(round(most / step, 9)), 1)
    marks = [round(step * at, 2) for at in range(count + 1)]
    ticks = tuple((mark, f"{mark:.2f}") for mark in marks)
    return Axis(label, 0.0, marks[-1], ticks, False, short)


def rank_axis(last: int) -> Axis:
    """Return the logarithmic scale of ranks, 1 … last.

    >>> [text for _, text in rank_axis(2576).ticks]
    ['1', '10', '100', '1,000']
    """
    marks = [10**power for power in range(len(str(last)))]
    ticks = tuple((float(mark), f"{mark:,}") for mark in marks)
    return Axis("rank k", 1.0, float(max(last, 2)), ticks, True, "rank")


def cost_axis(label: str, values: Sequence[float], short: str) -> Axis:
    """Return a scale of costs: each level marked where they are few, else round numbers."""
    levels = sorted(set(values))
    low, high = levels[0], levels[-1]
    if len(levels) <= STEPS and all(value == int(value) for value in levels):
        margin = (high - low) * 0.06 or 1.0
        ticks = tuple((value, f"{value:,.0f}") for value in levels)
        return Axis(label, low - margin, high + margin, ticks, False, short)
    if low > 0 and high >= LOG_FROM * low:
        return Axis(label, low / 1.2, high * 1.2, _log_ticks(low / 1.2, high * 1.2), True, short)
    margin = (high - low) * 0.06 or 1.0
    low, high = max(0.0, low - margin), high + margin
    step = _round_step((high - low) / MOST)
    marks = [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return Axis(label, low, high, tuple((mark, f"{mark:g}") for mark in marks), False, short)


def _log_ticks(low: float, high: float) -> Ticks:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        marks = [k * 10.0**power for power in powers for k in steps]
        kept = [mark for mark in marks if low <= mark <= high]
        if len(kept) <= STEPS + 1:
            break
    return tuple((mark, f"{mark:,g}") for mark in kept)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= step)
