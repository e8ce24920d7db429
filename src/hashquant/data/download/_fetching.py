"""Fetch files over HTTP: resumed after an interruption, verified, their terms told first."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.errors import DataError, one_line
from hashquant.machine.locks import locked
from hashquant.machine.refusals import refusal

if TYPE_CHECKING:  # a plan, which fetches nothing, does not wait for the network's modules
    from http.client import HTTPResponse
    from io import FileIO

Log = Callable[[str], None]

#: What a file may have unless `most_bytes` says otherwise.
MOST_BYTES = 1 << 30
_BLOCK_BYTES = 2**16
_ATTEMPTS = 4
#: An attempt that brought so much is not counted: a line that breaks often gets on all the same.
_PROGRESS_BYTES = 2**20
_HEAD_BYTES = 64
_PAGE_STARTS = (b"<!doctype html", b"<html")


class _Interrupted(Exception):  # noqa: N818  # no error yet: the next attempt goes on from here
    """A transfer that ended early and may be tried again."""


def fetch(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    md5: str = "",
    terms: str,
    log: Log,
    most_bytes: int = MOST_BYTES,
    pause_seconds: float = 1.0,
) -> Path:
    """Download `url` to `target` unless it is there, and return `target`.

    Bytes gather in `target.part`; a later call goes on from there where the server allows it. A
    file that does not match its checksum is set aside as `target.wrong`. `terms` are logged before
    the first byte is asked for. A checksum may be the beginning of one, as some files' names have
    it. A file of more than `most_bytes` is not taken, and a line that brings less than 1 KiB a
    second counts as broken.

    Raises:
        DataError: if `url` is no address of HTTP, the server cannot be reached or refuses, the
            file is too large, or the checksum does not match.
    """
    if _stands(target, sha256, md5):
        return target
    from hashquant.data.download._http import checked

    checked(url)
    log(f"terms of {target.name}: {terms}")
    log(f"downloading {url}")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            _set_aside(target, target)
        with locked(part):  # a second process waits, then finds the file
            if _stands(target, sha256, md5):
                part.unlink(missing_ok=True)
                return target
            _gather(url, part, most_bytes, pause_seconds, log)
            if not _matches(part, sha256, md5):
                aside = _set_aside(part, target)
                raise DataError(
                    f"{url}: the file must match its checksum {sha256 or md5}; what came is set "
                    f"aside as {aside}"
                )
            part.rename(target)
    except OSError as error:
        raise DataError(f"{target} must be writable, got {refusal(error)}") from error
    return target


def _gather(url: str, part: Path, most_bytes: int, pause_seconds: float, log: Log) -> None:
    """Append to `part` until it is whole, going on after each early end."""
    part.touch()  # it may have been renamed while this process waited
    attempt, best = 1, part.stat().st_size
    while True:
        try:
            _transfer(url, part, most_bytes)
        except _Interrupted as error:
            size = part.stat().st_size
            if size >= best + _PROGRESS_BYTES:
                attempt, best = 0, size
            if attempt >= _ATTEMPTS:
                raise DataError(
                    f"{url} could not be downloaded: {error}. The same command goes on from "
                    f"{size} bytes; or put the file there by hand, as {part.with_suffix('')}"
                ) from error
            log(f"interrupted ({error}), trying again")
            attempt += 1
            time.sleep(pause_seconds * attempt)
        else:
            return


def _transfer(url: str, part: Path, most_bytes: int) -> None:
    import socket
    import urllib.error
    from http.client import HTTPException, InvalidURL

    from hashquant.data.download._http import ask

    have = part.stat().st_size
    try:
        answer = ask(url, have, most_bytes)
    except urllib.error.HTTPError as error:
        error.close()
        said = one_line(f"the server answered {error.code} {error.reason}")
        if error.code == 416 and have:  # nothing follows: whole, or longer than the file is now
            return
        if error.code >= 500 or error.code == 429:
            raise _Interrupted(said) from error
        raise DataError(f"{url}: {said}") from error
    except (ValueError, InvalidURL) as error:  # where it is redirected to, for one
        raise DataError(f"{one_line(url)} must be an address: {one_line(error)}") from error
    except (OSError, HTTPException) as error:
        if isinstance(getattr(error, "reason", None), socket.gaierror):
            raise DataError(f"{url} cannot be reached: no such host, or no network") from error
        raise _Interrupted(_words(error)) from error
    with answer:
        _receive(answer, part, have, most_bytes)


def _receive(answer: "HTTPResponse", part: Path, have: int, most_bytes: int) -> None:
    """Write what comes into `part`, each block at once, behind the `have` bytes that it holds."""
    from hashquant.data.download._http import stated_bytes

    url, resumed = answer.url, answer.status == 206
    if resumed and not (answer.headers["Content-Range"] or "").startswith(f"bytes {have}-"):
        raise DataError(f"{url}: the server sent another range than was asked for")
    at = have if resumed else 0
    stated = stated_bytes(answer)
    wanted = None if stated is None else at + stated
    head = b""
    with part.open("r+b", buffering=0) as file:
        file.truncate(at)  # a server that knows no ranges sends all again
        file.seek(at)
        _refuse_excess(url, part, wanted or 0, most_bytes)
        for block in _blocks(answer):
            if not resumed and len(head) < _HEAD_BYTES:
                head += block[:_HEAD_BYTES]
                if head.lstrip().lower().startswith(_PAGE_STARTS):
                    file.truncate(0)
                    raise DataError(f"{url}: the server must send the file, got a web page")
            _write(file, block)
            at += len(block)
            _refuse_excess(url, part, at, most_bytes)
    if wanted is not None and at < wanted:
        raise _Interrupted(f"{at} of {wanted} bytes came")


def _blocks(answer: "HTTPResponse") -> Iterator[bytes]:
    """Yield what comes as it comes: a line that breaks loses nothing that was there."""
    from http.client import HTTPException

    while True:
        try:
            block = answer.read1(_BLOCK_BYTES)
        except (OSError, HTTPException, ValueError) as error:
            raise _Interrupted(_words(error)) from error
        if not block:
            return
        yield block


def _write(file: "FileIO", block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def _refuse_excess(url: str, part: Path, size: int, most_bytes: int) -> None:
    """Refuse a file that is too large, and keep nothing of it.

    Raises:
        DataError: if `size` is more than `most_bytes`.
    """
    if size > most_bytes:
        part.unlink(missing_ok=True)
        raise DataError(
            f"{url} must have at most {most_bytes:,} bytes, the server has more; if it is the "
            f"right file, put it there by hand, as {part.with_suffix('')}"
        )


def _words(error: Exception) -> str:
    return one_line(getattr(error, "reason", None) or error) or type(error).__name__


def _stands(target: Path, sha256: str, md5: str) -> bool:
    return target.is_file() and _matches(target, sha256, md5)


def _matches(path: Path, sha256: str, md5: str) -> bool:
    for name, wanted in (("sha256", sha256), ("md5", md5)):
        if wanted:
            with path.open("rb") as file:
                if not hashlib.file_digest(file, name).hexdigest().startswith(wanted):
                    return False
    return True


def _set_aside(path: Path, target: Path) -> Path:
    aside = target.with_name(f"{target.name}.wrong")
    path.replace(aside)
    return aside
