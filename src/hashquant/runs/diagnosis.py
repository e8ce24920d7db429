"""What ended a cell: an error as a status and a reason, and a data set's failure as one error."""

import logging
from collections.abc import Callable
from typing import TypeVar

from hashquant.errors import (
    DivergedError,
    HashQuantError,
    MemoryFullError,
    PluginError,
    UnfitError,
    legible,
    one_line,
)
from hashquant.machine.refusals import is_out_of_memory, refusal
from hashquant.plugins.failures import UncaughtError, calling, reason_of

log = logging.getLogger(__name__)

T = TypeVar("T")

_STATUSES = {UnfitError: "skipped", DivergedError: "diverged", MemoryFullError: "oom"}


def diagnosed(error: BaseException) -> tuple[str, str]:
    """Return the status of a cell that ended with `error`, and the reason in one line.

    What a plug-in raised is told as it was raised, without the border that it came across.

    >>> diagnosed(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."))[0]
    'oom'
    """
    if isinstance(error, UncaughtError) and error.__cause__ is not None:
        return diagnosed(error.__cause__)
    if isinstance(error, HashQuantError):
        statuses = (s for kind, s in _STATUSES.items() if isinstance(error, kind))
        return next(statuses, "failed"), legible(str(error))
    status = "oom" if is_out_of_memory(error) else "failed"
    return status, one_line(refusal(error)) or reason_of(error)


def given(reference: str, make: Callable[[], T]) -> T:
    """Return what a data set gives; whatever it fails with becomes one sentence with its name.

    A data set is anybody's code, reads anybody's files and fills memory: its failure is its own
    cells' alone. With -v the whole error is told.

    Raises:
        HashQuantError: in place of any other error; a `MemoryFullError` where memory was full.
    """
    try:
        with calling(f"data set '{reference}'"):
            return make()
    except UncaughtError as error:
        log.info("%s", reference, exc_info=True)
        status, reason = diagnosed(error)
    # Raised here, where the first error and the arrays that its frames hold are gone.
    kind = MemoryFullError if status == "oom" else PluginError
    raise kind(f"{reference}: {reason}")
