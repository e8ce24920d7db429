"""What ended a cell: an error as a status and a reason."""

import torch

from hashquant.errors import BudgetError, DivergedError, HashQuantError, one_line
from hashquant.plugins.failures import UncaughtError, reason_of

#: What torch says in a plain RuntimeError, where memory is full beyond its own share of a device.
_MEMORY_IS_FULL = ("out of memory", "ALLOC_FAILED", "can't allocate memory")


def diagnosed(error: BaseException) -> tuple[str, str]:
    """Return the status of a cell that ended with `error`, and the reason in one line.

    What a plug-in raised is told as it was raised, without the border that it came across.

    >>> diagnosed(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."))[0]
    'oom'
    """
    if isinstance(error, UncaughtError) and error.__cause__ is not None:
        return diagnosed(error.__cause__)
    if isinstance(error, BudgetError):
        return "skipped", str(error)
    if isinstance(error, DivergedError):
        return "diverged", str(error)
    if _is_out_of_memory(error):
        return "oom", f"out of memory: {one_line(str(error))}"
    if isinstance(error, HashQuantError):
        return "failed", one_line(str(error))
    return "failed", reason_of(error)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, RuntimeError):
        full = any(sign in str(error) for sign in _MEMORY_IS_FULL)
        return full or isinstance(error, torch.OutOfMemoryError)
    return isinstance(error, MemoryError)
