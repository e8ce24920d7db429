"""Standard streams that cost a command nothing: of any encoding, closed, full, or left by readers.

What is printed is words about work that is done elsewhere. So nothing that a terminal or a pipe
does raises here: letters that it lacks are replaced, what nobody reads is dropped, and why text
was lost is remembered for the end.
"""

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO, cast, runtime_checkable

from hashquant.machine.plaintext import visible

#: What stands for the signs of our own sentences and tables where an encoding lacks them.
SIGNS = {
    "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "↔": "<->", "±": "+-", "×": "x",
    "≤": "<=", "≥": ">=", "≈": "~", "°": "o", "·": ".", "½": "1/2", "’": "'", "“": '"', "”": '"',
}  # fmt: skip


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(SIGNS.get(letter, "?") for letter in lost), error.end


codecs.register_error("hashquant.signs", _replaced)


@runtime_checkable
class Stream(Protocol):
    """What is asked of a stream."""

    def write(self, text: str, /) -> object:
        """Take text."""

    def flush(self) -> object:
        """Hand on what was written."""


class Guarded:
    """A stream that raises nothing; `lost` says why text could not be written, or is empty.

    A reader who left lost nothing: they had what they wanted.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.lost = ""

    def write(self, text: str) -> int:
        """Write text, with replacements for what the encoding lacks."""
        with self._unharmed():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = str(getattr(self._stream, "encoding", None) or "ascii")
                known = text.encode(encoding, "hashquant.signs").decode(encoding)
                self._stream.write(known)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._unharmed():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # Any: whatever the stream has
        return getattr(self._stream, name)

    @contextmanager
    def _unharmed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.lost = self.lost or error.strerror or str(error)
            self._silence()

    def _silence(self) -> None:
        """Let everything from now on, and what waits to be written, go nowhere."""
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, self.fileno())
        except (AttributeError, OSError, ValueError):  # a stream of no file has nothing that waits
            self._stream = _Nowhere()
        finally:
            os.close(null)


class _Nowhere:
    """A stream that drops what it is given."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


class Voice(Guarded):
    """A guarded stream for words: nothing in them steers a terminal (`visible`).

    Progress bars steer theirs: they are drawn on `_wrapped`, by which name tqdm knows that both
    are one terminal, and clears its bars before a line is printed.
    """

    def __init__(self, stream: Stream) -> None:
        self._wrapped = Guarded(stream)
        super().__init__(self._wrapped)

    def write(self, text: str) -> int:
        """Write text, with what would steer a terminal written out."""
        return self._wrapped.write(visible(text))

    @property
    def reason(self) -> str:
        """Why text could not be written, or ""."""
        return self._wrapped.lost


@contextmanager
def voices() -> Iterator[Voice]:
    """Put such streams in the places of stdout and stderr, and yield that of stdout.

    Where a stream is closed, the null device takes its place: else the next file that is opened
    would, and be written into.
    """
    for descriptor in (0, 1, 2):
        _fill(descriptor)
    before = sys.stdin, sys.stdout, sys.stderr
    with Path(os.devnull).open("r+", encoding="utf-8") as null:
        out, err = Voice(sys.stdout or null), Voice(sys.stderr or null)
        sys.stdin = sys.stdin or null
        sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
        try:
            yield out
        finally:
            out.flush()
            err.flush()
            sys.stdin, sys.stdout, sys.stderr = before


def bars() -> Stream:
    """Return the stream that progress bars are drawn on: stderr, whose cursor they move."""
    stream: Stream = getattr(sys.stderr, "_wrapped", sys.stderr)
    return stream


def _fill(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, descriptor)  # to be inherited by workers, also where it is the same
        if null == descriptor:
            os.set_inheritable(descriptor, True)
        else:
            os.close(null)
