"""What a setting may be, declared once, as the type of its field.

`margin: Annotated[float, Range(0, 2)]` is a number within 0 … 2, `init: Annotated[str,
OneOf("linear", "unit")]` one of two words. To Python and to type checkers they are a float and a
str; `settings.reading` holds to them what is asked for. Numbers are finite whatever is declared,
and whole ones fit 64 bits.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

#: The most that a whole number may be, on either side of 0: it fits 64 bits.
MOST_WHOLE = 2**63 - 1
#: Letters of a refused value that are shown.
_SHOWN = 60
_PLAIN = "a number, text, true or false, or a list or mapping of them"


@dataclass(frozen=True)
class Range:
    """The numbers from `at_least` to `at_most`, or those `above` and `below`; None: no bound.

    >>> str(Range(0, 2)), str(Range(above=0, at_most=1)), 0 in Range(above=0)
    ('within 0 … 2', 'above 0 and at most 1', False)
    """

    at_least: int | float | None = None
    at_most: int | float | None = None
    above: int | float | None = field(default=None, kw_only=True)
    below: int | float | None = field(default=None, kw_only=True)

    def __contains__(self, value: int | float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f"within {self.at_least:,} … {self.at_most:,}"
        bounds = {"of at least": self.at_least, "above": self.above,
                  "at most": self.at_most, "below": self.below}  # fmt: skip
        return " and ".join(f"{k} {v:,}" for k, v in bounds.items() if v is not None)


@dataclass(frozen=True, init=False)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)


#: A scale, a rate's unit, an inverse temperature.
Positive: TypeAlias = Annotated[float, Range(above=0)]
#: A weight of a loss term, which 0 switches off.
NonNegative: TypeAlias = Annotated[float, Range(0)]
#: A share, of nothing to all.
Share: TypeAlias = Annotated[float, Range(0, 1)]
#: A share of something: all, or less.
SomeShare: TypeAlias = Annotated[float, Range(above=0, at_most=1)]
#: How much of the past an average keeps: all of it would never move.
Decay: TypeAlias = Annotated[float, Range(0, below=1)]
#: How many, one at least.
Count: TypeAlias = Annotated[int, Range(1)]
#: How many, perhaps none.
Natural: TypeAlias = Annotated[int, Range(0)]


def unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:  # Any: types, and whatever describes them
    """Return the type below `Annotated`, and what is declared of it.

    >>> unwrapped(Annotated[str, OneOf("a")]), unwrapped(int)
    ((<class 'str'>, (OneOf(words=('a',)),)), (<class 'int'>, ()))
    """
    if typing.get_origin(hint) is Annotated:
        return hint.__origin__, hint.__metadata__
    return hint, ()


def described(hint: Any) -> str:  # Any: a type
    """Return in words what a field of this type may be.

    >>> described(Count), described(float), described(tuple[SomeShare, ...])
    ('a whole number of at least 1', 'a number', 'a number above 0 and at most 1 each')
    """
    base, declared = unwrapped(hint)
    for one in declared:
        if isinstance(one, OneOf):
            return f"one of {', '.join(one.words)}"
    kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if base in kinds:
        return kinds[base] + _ranges(declared)
    origin, args = typing.get_origin(base), typing.get_args(base)
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if a is type(None) else described(a) for a in args)
    if origin in (tuple, list) and args:
        return f"{described(args[0])} each"
    return "a mapping of keys to values" if origin is Mapping else "text"


def fault(value: object, hint: Any) -> str:  # Any: a type
    """Return what `value` should have been by its declaration, or "" where it is that.

    It looks at numbers, and into lists, tuples and mappings; a whole number may stand for another.
    What no record can hold is nothing that a setting may be.

    >>> fault(0.0, Positive), fault(float("nan"), Any), fault((16, 24), tuple[Count, ...])
    ('a number above 0', 'a finite number', '')
    """
    base, declared = unwrapped(hint)
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"a finite number{_ranges(declared)}"
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        return "a whole number of at most 64 bits"
    for one in declared:
        if isinstance(one, Range) and isinstance(value, int | float) and value not in one:
            return described(hint)
        if isinstance(one, OneOf) and value not in one.words:
            return described(hint)
    return "" if isinstance(value, str | int | float) else _fault_inside(value, base)


def shown(value: object) -> str:
    """Return a refused value as a sentence shows it: short, and numbers bare.

    >>> shown("nan"), shown("abc"), shown([1, 2]), len(shown("9" * 5000))
    ('nan', "'abc'", '[1, 2]', 61)
    """
    try:
        text = str(float(value)) and value if isinstance(value, str) else repr(value)
    except (ValueError, OverflowError):  # no number, or one of more digits than Python writes
        text = repr(value) if isinstance(value, str) else "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _ranges(declared: tuple[Any, ...]) -> str:  # Any: whatever describes a type
    return "".join(f" {one}" for one in declared if isinstance(one, Range))


def _fault_inside(value: object, base: Any) -> str:  # Any: a type
    args = typing.get_args(base)
    if dataclasses.is_dataclass(value):
        faults = (fault(getattr(value, f.name), Any) for f in dataclasses.fields(value))
    elif isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        inner = args[1] if len(args) == 2 else Any
        faults = (fault(each, inner) for each in value.values())
    elif isinstance(value, list | tuple):
        one = typing.get_origin(base) is tuple and args[-1:] != (Ellipsis,)
        hints = args if one and len(args) == len(value) else [(*args, Any)[0]] * len(value)
        faults = (fault(each, hint) for each, hint in zip(value, hints, strict=True))
    else:
        return _PLAIN
    return next(filter(None, faults), "")
