"""What ended a cell: an error as a status and a reason."""

from traceback import TracebackException

import torch

from hashquant.errors import BudgetError, DivergedError, HashQuantError, legible

#: What torch says in a plain RuntimeError, where memory is full beyond its own share of a device.
_MEMORY_IS_FULL = ("out of memory", "ALLOC_FAILED", "can't allocate memory")


def diagnosed(error: Exception) -> tuple[str, str]:
    """Return the status of a cell that ended with `error`, and the reason in one line.

    >>> diagnosed(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."))[0]
    'oom'
    """
    said = _said(error)
    if isinstance(error, BudgetError):
        return "skipped", said
    if isinstance(error, DivergedError):
        return "diverged", said
    first = (said.splitlines() or [""])[0]
    if _is_out_of_memory(error, said):
        return "oom", f"out of memory: {first}"
    if isinstance(error, HashQuantError):
        return "failed", said
    return "failed", f"{type(error).__name__}: {first}"


def _said(error: Exception) -> str:
    """Return an error's message, legible, also where it cannot say what it is."""
    return legible(str(TracebackException(type(error), error, None)))


def _is_out_of_memory(error: Exception, said: str) -> bool:
    if isinstance(error, RuntimeError):
        full = any(sign in said for sign in _MEMORY_IS_FULL)
        return full or isinstance(error, torch.OutOfMemoryError)
    return isinstance(error, MemoryError)
