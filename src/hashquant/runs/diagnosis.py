"""What ended a cell: an error as a status and a reason, and a data set's failure as one error."""

import logging
from collections.abc import Callable
from traceback import TracebackException
from typing import TypeVar

from hashquant.errors import (
    BudgetError,
    DivergedError,
    HashQuantError,
    MemoryFullError,
    legible,
    one_line,
)
from hashquant.machine.refusals import is_out_of_memory, refusal

log = logging.getLogger(__name__)

T = TypeVar("T")

_STATUSES = {BudgetError: "skipped", DivergedError: "diverged", MemoryFullError: "oom"}


def diagnosed(error: Exception) -> tuple[str, str]:
    """Return the status of a cell that ended with `error`, and the reason in one line.

    >>> diagnosed(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."))[0]
    'oom'
    """
    if isinstance(error, HashQuantError):
        statuses = (s for kind, s in _STATUSES.items() if isinstance(error, kind))
        return next(statuses, "failed"), legible(str(error))
    said = _said(error)
    if is_out_of_memory(error):
        return "oom", one_line(refusal(error))
    first = (said.splitlines() or [""])[0]
    return "failed", one_line(refusal(error)) or f"{type(error).__name__}: {first}"


def _said(error: Exception) -> str:
    """Return an error's message, legible, also where it cannot say what it is."""
    return legible(str(TracebackException(type(error), error, None)))


def given(reference: str, make: Callable[[], T]) -> T:
    """Return what a data set gives; whatever it fails with becomes one sentence with its name.

    A data set is anybody's code, reads anybody's files and fills memory: its failure is its own
    cells' alone. With -v the whole error is told.

    Raises:
        HashQuantError: in place of any other error; a `MemoryFullError` where memory was full.
    """
    try:
        return make()
    except HashQuantError:
        raise
    except Exception as error:  # the border of a data set
        log.info("%s", reference, exc_info=True)
        status, reason = diagnosed(error)
    # Raised here, where the first error and the arrays that its frames hold are gone.
    kind = MemoryFullError if status == "oom" else HashQuantError
    raise kind(f"{reference}: {reason}")
