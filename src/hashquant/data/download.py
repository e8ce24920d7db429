"""Fetch files over HTTP: resumed after an interruption, verified, their terms told first."""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.errors import DataError

if TYPE_CHECKING:  # a plan, which fetches nothing, does not wait for the network's modules
    from http.client import HTTPResponse

Log = Callable[[str], None]

_BLOCK_BYTES = 2**20
_ATTEMPTS = 4
_TIMEOUT_SECONDS = 30.0
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
    pause_seconds: float = 1.0,
) -> Path:
    """Download `url` to `target` unless it is there, and return `target`.

    Bytes gather in `target.part`; a later call goes on from there where the server allows it. A
    file that does not match its checksum is set aside as `target.wrong`. `terms` are logged before
    the first byte is asked for.

    Raises:
        DataError: if the server cannot be reached or refuses, or the checksum does not match.
    """
    if target.is_file() and _matches(target, sha256, md5):
        return target
    log(f"terms of {target.name}: {terms}")
    log(f"downloading {url}")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file():
            _set_aside(target, target)
        with part.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second process waits, then finds the file
            if target.is_file() and _matches(target, sha256, md5):
                part.unlink(missing_ok=True)
                return target
            _gather(url, part, pause_seconds, log)
            if not _matches(part, sha256, md5):
                aside = _set_aside(part, target)
                raise DataError(
                    f"{url}: the file must match its checksum {sha256 or md5}; what came is set "
                    f"aside as {aside}"
                )
            part.rename(target)
    except OSError as error:
        raise DataError(f"{target} must be writable, got {error}") from error
    return target


def unpack_tar(archive: Path, member: str, target: Path) -> None:
    """Unpack the folder `member` of a tar archive as `target`, whole or not at all.

    A folder that is there is set aside as `target.wrong`.

    Raises:
        DataError: if the archive is damaged or has no such folder, or nothing can be written.
    """
    import tarfile

    work = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            tar.extractall(work, filter="data")
        if target.exists():
            aside = target.with_name(f"{target.name}.wrong")
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
        (work / member).rename(target)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive} must be a tar archive of {member}/, got {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _gather(url: str, part: Path, pause_seconds: float, log: Log) -> None:
    """Append to `part` until it is whole, going on after each early end."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _transfer(url, part)
        except _Interrupted as error:
            if attempt == _ATTEMPTS:
                raise DataError(
                    f"{url} could not be downloaded: {error}. The same command goes on from "
                    f"{part.stat().st_size} bytes; or put the file there by hand, as "
                    f"{part.with_suffix('')}"
                ) from error
            log(f"interrupted ({error}), trying again")
            time.sleep(pause_seconds * attempt)
        else:
            return


def _transfer(url: str, part: Path) -> None:
    import socket
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    have = part.stat().st_size
    request = urllib.request.Request(url, headers={"User-Agent": "hashquant"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            _receive(response, part, have, url)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing follows: whole, or longer than the file is now
            return
        if error.code >= 500 or error.code == 429:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from error
        raise DataError(f"{url}: the server answered {error.code} {error.reason}") from error
    except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
        if isinstance(getattr(error, "reason", None), socket.gaierror):
            raise DataError(f"{url} cannot be reached: no such host, or no network") from error
        raise _Interrupted(f"{getattr(error, 'reason', error) or type(error).__name__}") from error


def _receive(response: "HTTPResponse", part: Path, have: int, url: str) -> None:
    resumed = response.status == 206
    if resumed and not (response.headers["Content-Range"] or "").startswith(f"bytes {have}-"):
        raise DataError(f"{url}: the server sent another range than was asked for")
    at = have if resumed else 0
    length = response.headers["Content-Length"]
    with part.open("r+b") as file:
        file.truncate(at)  # a server that knows no ranges sends all again
        file.seek(at)
        while block := response.read(_BLOCK_BYTES):
            if at == 0 and block[:20].lstrip().lower().startswith(_PAGE_STARTS):
                raise DataError(f"{url}: the server must send the file, got a web page")
            file.write(block)
            at += len(block)
    wanted = (have if resumed else 0) + int(length) if length else at
    if at < wanted:
        raise _Interrupted(f"{at} of {wanted} bytes came")


def _matches(path: Path, sha256: str, md5: str) -> bool:
    for name, wanted in (("sha256", sha256), ("md5", md5)):
        if wanted:
            with path.open("rb") as file:
                if hashlib.file_digest(file, name).hexdigest() != wanted:
                    return False
    return True


def _set_aside(path: Path, target: Path) -> Path:
    aside = target.with_name(f"{target.name}.wrong")
    path.replace(aside)
    return aside
