"""Paths as a user writes them: `~` taken, and what can be no path refused in one sentence."""

import os
import stat
from pathlib import Path

from hashquant.errors import UsageError


def check_here() -> None:
    """Refuse to start in a folder that was removed, where torch's libraries end the process.

    Raises:
        UsageError: if the working directory is gone.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the folder that this was started in must exist, got: {error.strerror}"
        ) from error


def user_path(text: str, what: str = "path") -> Path:
    """Return the path that a user wrote, `~` and `~name` being homes as in a shell.

    The system is asked for it here, once, so that nobody later meets a name that is too long, a
    loop of links or a folder on the way that may not be entered. That nothing lies there is fine.

    Raises:
        UsageError: if it is empty, holds a NUL byte, names a home that is not known, or the system
            cannot follow it; `what` names it.
    """
    _stat(text, what)
    return _expanded(text, what)


def user_folder(text: str, what: str = "folder") -> Path:
    """Return the path of a folder that a user wrote; it need not be there yet.

    Raises:
        UsageError: as `user_path`, or if something else than a folder lies there.
    """
    found = _stat(text, what)
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{what} must be a folder, got {_kind(found)}: {text}")
    return _expanded(text, what)


def regular_file(text: str, what: str) -> Path:
    """Return the path of a file that a user wrote: a real one, whose bytes come to an end.

    Raises:
        UsageError: as `user_path`, or if nothing or something else lies there: a folder, a device.
    """
    found = _stat(text, what)
    if found is None:
        raise UsageError(f"{what} must be a file, got no such file: {text}")
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{what} must be a file, got {_kind(found)}: {text}")
    return _expanded(text, what)


def _expanded(text: str, what: str) -> Path:
    if not text:
        raise UsageError(f"{what} must be a path, got nothing")
    if "\0" in text:
        raise UsageError(f"{what} must be a path, got one with a NUL byte: {text!r}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        home = Path(text).parts[0]
        raise UsageError(
            f"{what} must begin with a home that is known, got {home} in '{text}' (./{home} is a "
            "folder of that name)"
        ) from error


def _stat(text: str, what: str) -> os.stat_result | None:
    """Return what the system knows of a path; None where nothing lies there.

    Raises:
        UsageError: if it cannot be followed.
    """
    try:
        return _expanded(text, what).stat()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"{what} must be a path that can be followed, got {text[:200]!r}: {reason}"
        ) from error


def _kind(found: os.stat_result) -> str:
    """Return what lies at a path, in words."""
    kinds = (
        (stat.S_ISREG, "a file"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    )  # fmt: skip
    return next((words for known, words in kinds if known(found.st_mode)), "something else")
