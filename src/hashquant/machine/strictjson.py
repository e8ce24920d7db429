"""JSON from a file that may be damaged: a value whose numbers are finite and whose text is text."""

import json
import math
from pathlib import Path
from typing import Any

#: Digits of a whole number that fits 64 bits.
_MOST_DIGITS = 19


def read_json(path: Path) -> Any:  # Any: parsed JSON
    """Return the value that a file holds.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if its bytes are no UTF-8, or `parse_json` refuses their text.
    """
    return parse_json(path.read_text(encoding="utf-8"))


def parse_json(text: str) -> Any:  # Any: parsed JSON
    """Return the value that `text` holds.

    >>> parse_json('{"bits": [16, 24]}')
    {'bits': [16, 24]}

    Raises:
        ValueError: if it is no JSON, is nested beyond what can be read, or holds a number that is
            not finite, a whole number beyond 64 bits, or half of a surrogate pair.
    """
    try:
        found = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"a number must be finite, got {text[:40].lower()}")
    return value


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a whole number must fit 64 bits, got one of {len(text)} digits")
    return int(text)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_int=_whole, parse_constant=_finite)
