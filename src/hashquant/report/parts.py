"""The parts of a report: one that fails costs no other, and is told in one sentence."""

import logging
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from hashquant.errors import HashQuantError, StoreError

T = TypeVar("T")
#: Letters of a reason that are told; all of it, and where it happened, stands in the log.
REASON_LENGTH = 240
#: What became of the other parts.
REST = "the rest was written"


@dataclass(frozen=True)
class Broken:
    """Why something could not be made, and where it happened; may go between processes."""

    reason: str
    trace: str


def tried(make: Callable[..., T], *given: object, **named: object) -> T | Broken:
    """Return what `make` returns, or why it could not; an interrupt goes through.

    >>> tried(int, "3"), tried(int, "x").reason
    (3, "ValueError: invalid literal for int() with base 10: 'x'")
    """
    try:
        return make(*given, **named)
    except Exception as error:  # the one border where any failure of a part becomes a sentence
        return Broken(_reason(error), traceback.format_exc())


@dataclass(frozen=True)
class _Answer:
    error: Exception


def _answered(make: Callable[[], T], passing: tuple[type[Exception], ...]) -> T | _Answer:
    try:
        return make()
    except passing as error:
        return _Answer(error)


class Parts:
    """The parts of one report: `failures` tells of those that could not be made, in their order.

    `broken` are their names. A `strict` one raises instead, for those who want all or nothing.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.failures: list[str] = []
        self.broken: set[str] = set()
        self._strict = strict

    def attempt(
        self,
        name: str,
        make: Callable[[], T],
        otherwise: Callable[[], T],
        *,
        deed: str = "made",
        files: Iterable[Path] = (),
        passing: tuple[type[Exception], ...] = (),
        rest: str = REST,
    ) -> T:
        """Return what `make` returns; where it fails, what `otherwise` does.

        The `files` of a part that fails are removed: they would show what was before as if it
        were now. `deed` is what could not be done, `rest` what was. Errors that are `passing`
        are answers to what was asked for, and raised.
        """
        if self._strict:
            return make()
        found: T | _Answer | Broken = tried(_answered, make, passing)
        if isinstance(found, _Answer):
            raise found.error
        if not isinstance(found, Broken):
            return found
        self.fail(name, found, deed=deed, files=files, rest=rest)
        return otherwise()

    def table(
        self, name: str, make: Callable[[], pd.DataFrame], columns: Iterable[str]
    ) -> pd.DataFrame:
        """Return the frame of a table; where it cannot be computed, one without a line."""
        return self.attempt(called(name), make, lambda: pd.DataFrame(columns=list(columns)))

    def fail(
        self,
        name: str,
        found: Broken,
        *,
        deed: str = "made",
        files: Iterable[Path] = (),
        rest: str = REST,
    ) -> None:
        """Tell that a part could not be made.

        Raises:
            StoreError: if strict, with the reason.
        """
        if self._strict:
            raise StoreError(found.reason)
        logging.getLogger(__name__).info("%s:\n%s", name, found.trace)
        self.broken.add(name)
        left = remove(files)
        older = f"; what lies there is older: {', '.join(map(str, left))}" if left else ""
        self.failures.append(f"{name} could not be {deed} ({found.reason}); {rest}{older}")


def called(table: str) -> str:
    """Return what a table is called where it fails, by the stem of its files.

    >>> called("budgets")
    'the table budgets'
    """
    return f"the table {table}"


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if not isinstance(error, HashQuantError):
        text = ": ".join(filter(None, [type(error).__name__, text]))
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 1] + "…"


def remove(files: Iterable[Path]) -> list[Path]:
    """Remove files of a part that was not made; return those that cannot be."""
    left = []
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            left += [path] if path.exists() else []
    return left
