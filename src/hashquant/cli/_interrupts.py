"""What ends a command early: Ctrl-C and SIGTERM, alike for every verb from its first moment."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: The exit code of a command that was interrupted, by either.
INTERRUPTED = 130


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
