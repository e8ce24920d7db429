"""How numbers read in tables: means, intervals and p-values; "–" where there is none."""

import math

from hashquant.report.frame import DECIMALS

NOTHING = "–"


def number(value: float, decimals: int = DECIMALS, *, sign: bool = False) -> str:
    """Write one number.

    >>> number(0.25), number(0.25, 2, sign=True), number(float("nan"))
    ('0.2500', '+0.25', '–')
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def spread(mean: float, sd: float) -> str:
    """Write a mean and its standard deviation, where there is one.

    >>> spread(0.5, 0.01), spread(0.5, float("nan"))
    ('0.5000 ± 0.0100', '0.5000')
    """
    return number(mean) if math.isnan(sd) else f"{number(mean)} ± {number(sd)}"


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
