"""How numbers read in tables: means, intervals and p-values; "–" where there is none."""

import math
from collections.abc import Mapping
from typing import Any

from hashquant.report.frame import DECIMALS

NOTHING = "–"


def number(
    value: float, decimals: int = DECIMALS, *, sign: bool = False, grouped: bool = False
) -> str:
    """Write one number; `grouped` writes thousands apart.

    >>> number(0.25), number(0.25, 2, sign=True), number(float("nan"))
    ('0.2500', '+0.25', '–')
    """
    if not math.isfinite(value):
        return NOTHING
    form = f"{'+' if sign else ''}{',' if grouped else ''}.{decimals}f"
    rounded = 0.0 if round(value, decimals) == 0 else value  # no minus before a zero
    return f"{rounded:{form}}".replace("-", "−")


def spread(mean: float, sd: float) -> str:
    """Write a mean and its standard deviation, where there is one.

    >>> spread(0.5, 0.01), spread(0.5, float("nan"))
    ('0.5000 ± 0.0100', '0.5000')
    """
    return number(mean) if math.isnan(sd) else f"{number(mean)} ± {number(sd)}"


def scored(cell: Mapping[Any, Any], most: int) -> str:  # Any: one line of a frame, by column
    """Write a cell's mean and sd over seeds, and n where it is neither 0 nor `most`.

    >>> scored({"mean": 0.5, "sd": 0.01, "n": 2}, most=3)
    '0.5000 ± 0.0100 (n=2)'
    """
    return spread(cell["mean"], cell["sd"]) + fewer(cell, most)


def bracketed(cell: Mapping[Any, Any], most: int) -> str:  # Any: one line of a frame, by column
    """Write a cell's mean, its interval where there is one, and n as `scored` does.

    >>> bracketed({"mean": 0.5, "low": 0.4, "high": 0.61, "n": 2}, most=2)
    '0.5000 [0.400, 0.610]'
    """
    if math.isnan(cell["low"]):
        return number(cell["mean"]) + fewer(cell, most)
    ends = f"[{number(cell['low'], 3)}, {number(cell['high'], 3)}]"
    return f"{number(cell['mean'])} {ends}" + fewer(cell, most)


def fewer(cell: Mapping[Any, Any], most: int) -> str:  # Any: one line of a frame, by column
    """Write the number of seeds where it is neither 0 nor `most`.

    >>> fewer({"n": 2}, 3), fewer({"n": 3}, 3)
    (' (n=2)', '')
    """
    return f" (n={cell['n']:.0f})" if cell["n"] not in (0, most) else ""


def within(low: float, high: float, decimals: int = DECIMALS, *, sign: bool = False) -> str:
    """Write an interval.

    >>> within(0.1, 0.2, 2), within(float("nan"), float("nan"))
    ('0.10 … 0.20', '–')
    """
    if not math.isfinite(low) or not math.isfinite(high):
        return NOTHING
    return f"{number(low, decimals, sign=sign)} … {number(high, decimals, sign=sign)}"


def chance(p_value: float) -> str:
    """Write a p-value.

    >>> chance(0.0421), chance(0.0004)
    ('0.042', '< 0.001')
    """
    return "< 0.001" if p_value < 0.001 else number(p_value, 3)
