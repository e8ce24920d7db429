"""The errors a user can meet, each with its exit code, and the nearest valid name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

#: Letters of an error's text that are told: the rest is no help in one sentence.
MOST_LETTERS = 400


class HashQuantError(Exception):
    """Base of every error that is told to the user in one sentence."""

    exit_code = 1


class UsageError(HashQuantError):
    """A flag, a suite file or a name that cannot be understood."""

    exit_code = 2


class DataError(HashQuantError):
    """Images that are missing, damaged or cannot form a split."""

    exit_code = 3


class StoreError(HashQuantError):
    """A results folder that cannot be written, or is in use."""


class PluginError(HashQuantError):
    """A plug-in that cannot be used, or that failed: its own cells fail, the others run."""


class UnfitError(HashQuantError):
    """What a method cannot do by its nature; its cell is skipped with this reason."""


class BudgetError(UnfitError):
    """A code length that a method cannot meet."""


class FrozenError(UnfitError):
    """A method that wants more of its training images than their stored embeddings."""


class DivergedError(HashQuantError):
    """A loss or gradient that is no longer finite."""


class MemoryFullError(HashQuantError):
    """Memory of the machine or of the device that ran out."""


#: Letters of an unknown name that are shown.
_SHOWN = 200
#: Control characters but for tab and newline, and halves of surrogate pairs.
_ILLEGIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def one_line(text: object, most: int = 300) -> str:
    r"""Return what somebody else's words say, in one line that a terminal only shows.

    >>> print(one_line("a redirect\n\tto \x1b[1mnowhere"))
    a redirect to \x1b[1mnowhere
    """
    return legible(" ".join(str(text).split()), most)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name closest to `name`, or an empty string.

    >>> nearest("oqpn", ["opqn", "dcdh"])
    'opqn'
    """
    by_lower = {v.lower(): v for v in valid}
    found = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[found[0]] if found else ""


def legible(text: str, most: int = 2000) -> str:
    r"""Return text as every record, log and terminal can hold it, cut to `most` letters.

    Control characters and halves of surrogate pairs are written as Python escapes them.

    >>> print(legible("\ud83d here\n"), legible("abcdef", 4))
    \ud83d here
     abcd… (6 characters)
    """
    cut = text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
    return _ILLEGIBLE.sub(lambda found: repr(found[0])[1:-1], cut)


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> UsageError:
    """Say that `name` is no known `kind`, offering the nearest valid name.

    >>> str(unknown_name("method", "oqpn", ["opqn", "dcdh"]))
    "unknown method 'oqpn': did you mean 'opqn'? Known: dcdh, opqn"
    """
    names = sorted(valid)
    guess = nearest(name, names)
    hint = f"did you mean '{guess}'? " if guess else ""
    said = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return UsageError(f"unknown {kind} '{said}': {hint}Known: {', '.join(names) or 'none'}")
