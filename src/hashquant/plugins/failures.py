"""The one border of plug-ins: what of an error is a plug-in's failure, and what is left alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hashquant.errors import HashQuantError, PluginError, one_line
from hashquant.machine.processwide import kept
from hashquant.plugins.placeholders import NeedsImport

log = logging.getLogger(__name__)


class UncaughtError(PluginError):
    """What a plug-in raised, as its cause, where it said no sentence of its own."""


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Let a block call a plug-in, which is named in the error where it fails.

    Whatever it raises is its failure: SystemExit, GeneratorExit and others that are no
    `Exception` too. Left alone are an error that says its one sentence (`HashQuantError`), Ctrl-C
    and the engine's own wish for the real packages. What it changes for the whole process is put
    back and logged. `os._exit`, an endless loop and a fault of the processor cannot be caught:
    they end this process, or the worker that the plug-in runs in.

    >>> with calling("method 'x'"):
    ...     raise SystemExit(0)
    Traceback (most recent call last):
    hashquant.plugins.failures.UncaughtError: method 'x' failed (SystemExit: 0)

    Raises:
        UncaughtError: if the block fails in any other way.
    """

    def told(changed: tuple[str, ...]) -> None:
        log.warning("%s changed %s: put back", what, ", ".join(changed))

    with kept(told):
        try:
            yield
        except (HashQuantError, KeyboardInterrupt, NeedsImport):
            raise
        except BaseException as error:
            raise UncaughtError(f"{what} failed ({reason_of(error)})") from error


def reason_of(error: BaseException) -> str:
    """Return the kind of an error and the first line of its text, in letters that can be shown.

    >>> reason_of(KeyError("lr")), reason_of(SystemExit())
    ("KeyError: 'lr'", 'SystemExit')
    """
    try:
        text = str(error)
    except Exception:  # the error is a plug-in's, and so is its `__str__`, which may raise anything
        text = "its text cannot be read"  # said in its place: nothing is swallowed
    first = next((line for line in text.splitlines() if line.strip()), "")
    return ": ".join(filter(None, (type(error).__name__, one_line(first))))
