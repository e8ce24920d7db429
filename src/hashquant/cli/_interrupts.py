"""What ends a command early: an error, Ctrl-C or SIGTERM, alike for every verb from the first."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hashquant.errors import HashQuantError
from hashquant.machine.refusals import REFUSED, refusal

#: The exit code of a command that was interrupted, by either.
INTERRUPTED = 130
#: What ends a command in one sentence: `ended` raises what it cannot tell anew.
ENDS = (HashQuantError, KeyboardInterrupt, *REFUSED)


def ended(error: BaseException, interrupted: str = "interrupted") -> int:
    """Print one sentence about what ended a command, and return its exit code."""
    if isinstance(error, KeyboardInterrupt):
        print(interrupted, file=sys.stderr)
        return INTERRUPTED
    said = str(error) if isinstance(error, HashQuantError) else refusal(error)
    if not said:
        raise error
    print(f"error: {said}", file=sys.stderr)
    return error.exit_code if isinstance(error, HashQuantError) else HashQuantError.exit_code


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM end a command cleanly, also one that was started in the background.

    Both raise KeyboardInterrupt. What was set before is put back at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
