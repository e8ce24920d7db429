"""The errors a user can meet, each with its exit code, and the nearest valid name."""

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


class BudgetError(HashQuantError):
    """A code length that a method cannot meet; its cell is skipped with this reason."""


class DivergedError(HashQuantError):
    """A loss or gradient that is no longer finite."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name closest to `name`, or an empty string.

    >>> nearest("oqpn", ["opqn", "dcdh"])
    'opqn'
    """
    by_lower = {v.lower(): v for v in valid}
    found = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[found[0]] if found else ""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> UsageError:
    """Say that `name` is no known `kind`, offering the nearest valid name.

    >>> str(unknown_name("method", "oqpn", ["opqn", "dcdh"]))
    "unknown method 'oqpn': did you mean 'opqn'? Known: dcdh, opqn"
    """
    names = sorted(valid)
    guess = nearest(name, names)
    hint = f"did you mean '{guess}'? " if guess else ""
    return UsageError(f"unknown {kind} '{name}': {hint}Known: {', '.join(names) or 'none'}")


def one_line(text: str) -> str:
    r"""Return the first line of a text that has letters, shortened, without control characters.

    >>> one_line("\n a\x1b[1m  b\nc")
    'a [1m b'
    """
    line = next((line for line in text[: 16 * MOST_LETTERS].splitlines() if line.strip()), "")
    shown = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    return shown if len(shown) <= MOST_LETTERS else f"{shown[:MOST_LETTERS]} …"
