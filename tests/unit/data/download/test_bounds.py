"""Downloads from servers that break the rules: every answer ends, in time and in one sentence."""

import errno
import os
import socket
import threading
import time
from contextlib import suppress

import pytest

from hashquant.data.download import _fetching, _http, fetch
from hashquant.errors import DataError

MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\n"


class Talk:
    """A server that answers each connection by the parts that `answer` gives for its request.

    Bytes are sent, a number is waited for; `told` are the heads of the requests.
    """

    def __init__(self):
        self.told, self._threads, self._stop = [], [], threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/f"

    def start(self, answer):
        self._answer = answer if callable(answer) else lambda head: answer
        self._thread(self._serve)
        return self.url, self.told

    def stop(self):
        self._stop.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _thread(self, work, *words):
        self._threads.append(threading.Thread(target=work, args=words))
        self._threads[-1].start()

    def _serve(self):
        while not self._stop.is_set():
            try:
                link, _ = self._listening.accept()
            except OSError:
                return
            self.told.append(link.recv(65536).decode())
            self._thread(self._speak, link, self._answer(self.told[-1]))

    def _speak(self, link, parts):
        with link, suppress(OSError):
            for part in parts:
                if isinstance(part, bytes):
                    link.sendall(part)
                elif self._stop.wait(part):
                    return
            link.shutdown(socket.SHUT_WR)
            link.settimeout(0.05)
            link.recv(1)


@pytest.fixture
def talk():
    """Return a function that starts a server with its answers; it returns address and requests."""
    server = Talk()
    yield server.start
    server.stop()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(_http, "WINDOW_SECONDS", 0.2)
    monkeypatch.setattr(_http, "_SILENCE_SECONDS", 0.15)
    monkeypatch.setattr(_fetching, "_ATTEMPTS", 2)


def get(url, target, **bounds):
    return fetch(url, target, terms="", log=lambda line: None, pause_seconds=0.0, **bounds)


def refused(url, target, words, **bounds):
    with pytest.raises(DataError, match=words) as error:
        get(url, target, **bounds)
    said = str(error.value)
    assert "\n" not in said
    assert "\x1b" not in said
    assert not target.exists()
    return said


@pytest.mark.parametrize(
    "lengths",
    ["abc", "-5", "5, 6", "5\r\nContent-Length: 6", "²", "1e3", "9" * 400, "5.0", "", "0x5"],
)
def test_a_length_that_is_no_whole_number_is_refused(talk, tmp_path, lengths):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\nabcde".encode("latin-1")
    url, told = talk([head])
    refused(url, tmp_path / "f", "Content-Length must be one whole number")
    assert len(told) == 1


@pytest.mark.parametrize("lengths", ["5", "5, 5", "5\r\nContent-Length: 5", "005"])
def test_a_length_said_twice_is_a_length(talk, tmp_path, lengths):
    url, _ = talk([f"HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\nabcde".encode()])
    assert get(url, tmp_path / "f").read_bytes() == b"abcde"


def test_an_answer_in_chunks_is_put_together(talk, tmp_path):
    head = OK + b"Transfer-Encoding: chunked\r\nContent-Length: abc\r\n\r\n"
    url, _ = talk([head, b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"])
    assert get(url, tmp_path / "f").read_bytes() == b"abcde"


URLS = ["http://[::1", "http://", "http:///f", "http://h:port/f", "http://h/a b", "http://h/\n",
        "http://h/é", "", "f", "//h/f", "http://h:0/f"]  # fmt: skip
SCHEMES = ["file:///etc/hostname", "ftp://127.0.0.1/f", "data:,x", "FILE:/etc/hostname",
           "gopher://h/f", "javascript:1"]  # fmt: skip


@pytest.mark.parametrize("url", [*URLS, *SCHEMES])
def test_only_addresses_of_http_are_fetched(tmp_path, url):
    refused(url, tmp_path / "new/f", "malformed|over http and https only")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", [*SCHEMES, "http://[::1", "http://h:port/"])
def test_a_redirect_leads_nowhere_else(talk, tmp_path, to):
    url, told = talk([f"HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n".encode()])
    refused(url, tmp_path / "f", "not allowed|malformed|http and https only|must be an address")
    assert len(told) == 1


def test_a_redirect_in_a_circle_is_one_line(talk, tmp_path):
    url, _ = talk([b"HTTP/1.1 302 Found\r\nLocation: /f\r\n\r\n"])
    assert "infinite loop" in refused(url, tmp_path / "f", "the server answered 302")


def test_a_reason_is_shown_and_not_obeyed(talk, tmp_path):
    url, _ = talk([b"HTTP/1.1 404 gone \x1b[2J" + b"x" * 5000 + b"\r\n\r\n"])
    assert len(refused(url, tmp_path / "f", r"answered 404 gone \\x1b\[2Jxxx")) < 400


@pytest.mark.parametrize(
    "parts",
    [
        lambda: (OK + b"\r\n", *[b"x" * 65536] * 40),
        lambda: (
            OK + b"Transfer-Encoding: chunked\r\n\r\n",
            *[b"3e8\r\n" + b"x" * 1000 + b"\r\n"] * 1500,
        ),
        lambda: (OK + b"Content-Length: 2000000\r\n\r\n",),
        lambda: (OK + b"Content-Length: 999999999999999999\r\n\r\n",),
    ],
    ids=["no length", "chunks", "a length", "a large length"],
)
def test_a_file_that_is_too_large_is_not_kept(talk, tmp_path, parts):
    url, told = talk(parts())
    refused(url, tmp_path / "f", "must have at most 1,000,000 bytes.*by hand", most_bytes=10**6)
    assert list(tmp_path.iterdir()) == []
    assert len(told) == 1


@pytest.mark.parametrize(
    "block",
    [b"HTTP/1.1 100 Continue\r\n" + b"X: y\r\n" * 90 + b"\r\n", b"X-Y: z\r\n" * 1000],
    ids=["promises", "headers"],
)
def test_a_head_without_end_is_given_up(talk, tmp_path, monkeypatch, block):
    monkeypatch.setattr(_fetching, "_ATTEMPTS", 1)
    monkeypatch.setattr(_http, "_EXTRA_BYTES", 10_000)
    start = b"" if block.startswith(b"HTTP") else OK
    url, _ = talk([start, *[block] * 100])
    refused(url, tmp_path / "f", "must come to an end|more than 100 headers", most_bytes=1000)


@pytest.mark.parametrize("start", [OK + b"\r\n", b"", OK + b"Transfer-Encoding: chunked\r\n\r\n"])
def test_a_drip_of_bytes_is_a_broken_line(talk, tmp_path, impatient, start):
    url, told = talk(lambda head: (start, *(p for _ in range(200) for p in (b"1", 0.03))))
    began = time.monotonic()
    refused(url, tmp_path / "f", "only .* bytes came in")
    assert time.monotonic() - began < 3
    assert len(told) == 2


def test_silence_loses_nothing_that_came(talk, tmp_path, impatient):
    body = os.urandom(700_001)
    head = OK + f"Content-Length: {len(body)}\r\n\r\n".encode()
    rest = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 700000-700000/700001\r\n\r\n" + body[-1:]
    url, told = talk(lambda said: [rest] if "Range" in said else [head, body[:-1], 2.0])
    assert get(url, tmp_path / "f").read_bytes() == body
    assert [line for line in told[1].splitlines() if "Range" in line] == ["Range: bytes=700000-"]


def test_a_line_that_breaks_at_every_mebibyte_gets_on(talk, tmp_path):
    body = os.urandom(9 * MIB)

    def answer(said):
        start = int(said.partition("bytes=")[2].partition("-")[0] or 0)
        end = f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}\r\n" if start else ""
        status = "206 Partial" if start else "200 OK"
        head = f"HTTP/1.1 {status}\r\n{end}Content-Length: {len(body) - start}\r\n\r\n"
        return [head.encode(), body[start : start + MIB + 1]]

    url, told = talk(answer)
    assert get(url, tmp_path / "f").read_bytes() == body
    assert len(told) == 9


def test_a_page_that_comes_in_pieces_is_a_page(talk, tmp_path):
    url, _ = talk([OK + b"\r\n", b" <", 0.02, b"HT", 0.02, b"ML>" + b"x" * 100])
    refused(url, tmp_path / "f", "got a web page")
    assert (tmp_path / "f.part").stat().st_size == 0


def test_a_full_disk_is_told_and_what_came_is_kept(talk, tmp_path, monkeypatch):
    whole = _fetching._write

    def full(file, block):
        whole(file, block)
        raise OSError(errno.ENOSPC, "No space left on device")

    url, _ = talk([OK + b"\r\n", b"abc"])
    monkeypatch.setattr(_fetching, "_write", full)
    assert refused(url, tmp_path / "f", "must be writable").endswith("got the disk is full")
    assert (tmp_path / "f.part").read_bytes() == b"abc"


def test_without_locks_a_file_is_fetched_all_the_same(talk, tmp_path, monkeypatch, caplog):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    url, _ = talk([OK + b"\r\n", b"abc"])
    assert get(url, tmp_path / "f").read_bytes() == b"abc"
    assert "the file system has no locks" in caplog.text
