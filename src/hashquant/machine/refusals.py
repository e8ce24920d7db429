"""What the system refuses, told in one line: memory that is not there, files it does not give."""

import errno

#: What a plain RuntimeError of torch, oneDNN or CUDA says where memory is full.
_MEMORY_IS_FULL = (
    "out of memory",
    "ALLOC_FAILED",
    "can't allocate memory",
    "annot allocate memory",
    "bad_alloc",
    "bad allocation",
    "could not create a primitive",
    "could not create a memory object",
    "can't start new thread",
)
#: The kinds of error in which the system's refusals come.
REFUSED = (ImportError, OSError, MemoryError, RuntimeError)
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error is lack of memory, on the device or beside it.

    Python's, NumPy's, torch's, oneDNN's, CUDA's and the system's own words for it are known. A
    thread that cannot be started counts: its stack finds no room.

    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."))
    True
    >>> is_out_of_memory(ValueError("out of memory is a phrase"))
    False
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, ImportError):  # a library that finds no room; or may not run, elsewhere
        return "failed to map segment" in str(error) and "permitted" not in str(error)
    if isinstance(error, RuntimeError):
        named = any(cls.__name__ == "OutOfMemoryError" for cls in type(error).__mro__)  # torch's
        return named or any(sign in str(error) for sign in _MEMORY_IS_FULL)
    return isinstance(error, MemoryError)


def refusal(error: BaseException) -> str:
    """Return what the system refused, in one line that names the path; "" for any other error.

    >>> refusal(PermissionError(13, "Permission denied", "results"))
    'results: Permission denied'
    >>> refusal(MemoryError()), refusal(KeyError("x"))
    ('out of memory', '')
    """
    if is_out_of_memory(error):
        said = " ".join((str(error).splitlines() or [""])[0].split())
        return f"out of memory: {said}" if said else "out of memory"
    if not isinstance(error, OSError):
        return ""
    place = error.filename if error.filename2 is None else error.filename2
    return reason_of(error) if place is None else f"{place}: {reason_of(error)}"


def reason_of(error: OSError) -> str:
    """Return what the system said of a call, without the path.

    >>> reason_of(OSError(28, "No space left on device", "x"))
    'the disk is full'
    """
    if error.errno in _DISK_IS_FULL:
        return "the disk is full"
    return " ".join((error.strerror or str(error) or type(error).__name__).split())
