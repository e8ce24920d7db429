"""Machine code from plain Python, where numba is installed: the same bits in less time (ADR 0010).

A kernel is a function over arrays that writes to its last ones. It works on whole numbers, or on
float64 in the order of the pure path, so that it changes no bit of a result.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")
Kernel = Callable[P, None]

#: Fewer pairs of query and item do not repay importing numba.
FROM_PAIRS = 1 << 26

_SIGNATURES: dict[str, list[str]] = {}


def kernel(*arguments: str) -> Callable[[Kernel[P]], Kernel[P]]:
    """Note the types that a kernel's arguments may have, as numba writes them.

    The function stays as it is.
    """

    def noted(function: Kernel[P]) -> Kernel[P]:
        _SIGNATURES[_name(function)] = [f"void({types})" for types in arguments]
        return function

    return noted


def compiled(function: Kernel[P], pairs: int) -> Kernel[P] | None:
    """Return a kernel as machine code for a search of so many pairs.

    It is None where numba is not installed, or the search is too small to repay it.
    """
    return _machine_code(inspect.unwrap(function)) if pairs >= FROM_PAIRS else None


def compiled_too(function: Kernel[P]) -> Kernel[P] | None:
    """Return a kernel as machine code where this process uses others already, else None."""
    return _machine_code(inspect.unwrap(function)) if used() else None


def used() -> bool:
    """Return whether this process has counted with compiled kernels."""
    return sys.modules.get("numba") is not None and _machine_code.cache_info().currsize > 0


def _name(function: Kernel[P]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


@functools.cache
def _machine_code(function: Kernel[P]) -> Kernel[P] | None:
    """Compile, or load from the cache that numba keeps beside the source or in the home folder."""
    try:
        from numba import njit
    except ImportError:
        return None
    # No kernel divides by zero: "numpy" spares the check.
    translate: Callable[..., Callable[[Kernel[P]], Kernel[P]]] = functools.partial(
        njit, _SIGNATURES[_name(function)], nogil=True, error_model="numpy"
    )
    try:
        return translate(cache=True)(function)
    except RuntimeError:  # nowhere to write a cache
        return translate()(function)
