"""One request over HTTP or HTTPS and nothing else, whose bytes must keep coming, and end."""

import io
import ssl
import time
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

from hashquant.errors import DataError

#: A line that brings less than this, over a window, counts as broken.
LEAST_BYTES_A_SECOND = 1024
WINDOW_SECONDS = 60.0
_SILENCE_SECONDS = 30.0
#: Bytes of an answer beside those of the file: heads, sizes of chunks.
_EXTRA_BYTES, _EXTRA_FACTOR = 1 << 20, 8


def ask(url: str, start: int, most_bytes: int) -> HTTPResponse:
    """Ask for a file from byte `start` on, following redirects, and return the answer unread.

    Raises:
        DataError: if `url`, or where it is redirected to, is no address of HTTP or HTTPS.
        OSError: as urllib and sockets raise it.
        HTTPException: for an answer that is no HTTP.
    """
    request = Request(checked(url), headers={"User-Agent": "hashquant"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), _Handler(most_bytes), _Redirects(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    answer: HTTPResponse = opener.open(request, timeout=_SILENCE_SECONDS)
    return answer


def checked(url: str) -> str:
    """Return an address, if it is one that is downloaded from.

    Raises:
        DataError: if it is malformed, or of another kind than HTTP: a file, FTP, data.
    """
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, whole = None, False
    if parts is not None and parts.scheme not in ("http", "https"):
        raise DataError(f"{url[:200]!r}: files are fetched over http and https only")
    if not whole or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise DataError(f"{url[:200]!r} must be the address of a file, and is malformed")
    return url


def stated_bytes(answer: HTTPResponse) -> int | None:
    """Return how many bytes an answer says it has; None where it does not say.

    Raises:
        DataError: if what it says is no one whole number.
    """
    if answer.headers.get("Transfer-Encoding"):
        return None  # which then says where it ends
    said = answer.headers.get_all("Content-Length") or []
    numbers = {word.strip() for line in said for word in line.split(",")}
    if not numbers:
        return None
    number = numbers.pop()
    if numbers or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise DataError(
            f"the server's Content-Length must be one whole number, got {', '.join(said)[:60]!r}"
        )
    return int(number)


class _Paced(io.RawIOBase):
    """What a socket sends, as long as it keeps coming and is not without end."""

    def __init__(self, raw: io.RawIOBase, most_bytes: int) -> None:
        self._raw = raw
        self._left = _EXTRA_FACTOR * most_bytes + _EXTRA_BYTES
        self._began, self._came = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # Any: a writable buffer, of which no type tells
        count = self._raw.readinto(buffer)
        self._came += count or 0
        self._left -= count or 0
        if self._left < 0:
            raise DataError("the server's answer must come to an end, and does not")
        seconds = time.monotonic() - self._began
        if count and seconds >= WINDOW_SECONDS:
            if self._came < seconds * LEAST_BYTES_A_SECOND:
                raise TimeoutError(f"only {self._came} bytes came in {seconds:.0f} s")
            self._began, self._came = time.monotonic(), 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """An answer that is read through `_Paced`, its head too."""

    def __init__(self, *words: Any, most_bytes: int, **options: Any) -> None:  # Any: http.client's
        super().__init__(*words, **options)
        self.fp: Any = io.BufferedReader(_Paced(self.fp.detach(), most_bytes))


class _Handler(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Opens both kinds of address."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(context=ssl.create_default_context())
        self._answer = partial(_Answer, most_bytes=most_bytes)

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._connection, req)

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._secure_connection, req)

    def _connection(self, host: str, **options: Any) -> HTTPConnection:  # Any: http.client's
        made = HTTPConnection(host, **options)
        made.response_class = self._answer  # type: ignore[assignment]  # it is called only
        return made

    def _secure_connection(self, host: str, **options: Any) -> HTTPSConnection:  # Any: as above
        made = HTTPSConnection(host, context=ssl.create_default_context(), **options)
        made.response_class = self._answer  # type: ignore[assignment]  # it is called only
        return made


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to another address of HTTP, and to nothing else."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:  # Any: http.client's answer and its head
        return super().redirect_request(req, fp, code, msg, headers, checked(newurl))

    def http_error_302(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any
    ) -> HTTPResponse | None:  # Any: as above
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except (ValueError, DataError):  # urllib closes the answer where it refuses itself
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
