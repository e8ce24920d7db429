"""Frames as CSV that a spreadsheet may open: no name in them is run as a formula."""

import re

import numpy as np
import pandas as pd

from hashquant.machine.plaintext import visible

#: What a spreadsheet takes for the beginning of a formula, its wide forms too.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")


def csv_text(frame: pd.DataFrame, digest: str = "") -> str:
    """Return a frame as CSV, without its index; a comment before it names the records' `digest`.

    Numbers stay as they are. A text that a spreadsheet would run begins with an apostrophe
    (OWASP, CSV injection), and what would steer a terminal is written out.
    """
    safe = frame.copy()
    safe.columns = pd.Index([_safe(name) for name in frame.columns])
    for place, (_, column) in enumerate(frame.items()):
        if not pd.api.types.is_numeric_dtype(column.dtype):
            safe.isetitem(place, np.array([*map(_safe, column)], dtype=object))
    head = f"# records: {digest}\n" if digest else ""
    return head + safe.to_csv(index=False)


def _safe(value: object) -> object:
    """Return a text as data; numbers that are written as texts are numbers.

    >>> _safe("=1+1"), _safe("-0.5"), _safe("opqn"), _safe(-0.5)
    ("'=1+1", '-0.5', 'opqn', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
