import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hashquant.data.download import fetch
from hashquant.errors import DataError

BODY = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """One file, served as `ways` say: one way a request, the last one from then on."""

    ways = ("whole",)
    asked: list
    body = BODY


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked, ways = self.server.asked, self.server.ways
        way = ways[min(len(asked), len(ways) - 1)]
        asked.append(self.headers["Range"])
        if way.isdigit():
            self.send_error(int(way))
            return
        start = 0
        if self.headers["Range"] and "no-range" not in way:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(self.server.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        rest = self.server.body[start:]
        if start:
            first = 0 if way == "other-range" else start
            total = len(self.server.body)
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 3] if "cut" in way else rest)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    found = Server(("127.0.0.1", 0), Handler)
    found.asked = []
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def get(server, target, told=None, **sums):
    url = f"http://127.0.0.1:{server.server_port}/file.bin"
    log = (told if told is not None else []).append
    return fetch(url, target, terms="for tests only", log=log, pause_seconds=0.0, **sums)


def test_terms_are_told_before_anything_is_asked_for(server, tmp_path):
    told = []

    class Listening(list):
        def append(self, line):
            told.append((line, len(server.asked)))

    target = get(server, tmp_path / "new" / "file.bin", Listening(), sha256=SHA256)
    assert target.read_bytes() == BODY
    assert told[0] == ("terms of file.bin: for tests only", 0)
    assert [p.name for p in target.parent.iterdir()] == ["file.bin"]


def test_a_file_that_is_there_is_not_asked_for(server, tmp_path):
    target, told = tmp_path / "file.bin", []
    target.write_bytes(BODY)
    get(server, target, told, md5=hashlib.md5(BODY).hexdigest())
    assert (server.asked, told) == ([], [])


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    server.ways = ("cut", "cut", "whole")
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    third = len(BODY) // 3
    later = third + (len(BODY) - third) // 3
    assert server.asked == [None, f"bytes={third}-", f"bytes={later}-"]


def test_a_later_call_goes_on_too(server, tmp_path):
    server.ways = ("cut", "503", "503", "503", "whole")
    with pytest.raises(DataError, match=r"503.*goes on from \d+ bytes.*as .*file\.bin$"):
        get(server, tmp_path / "file.bin", sha256=SHA256)
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    assert server.asked[-1] == f"bytes={len(BODY) // 3}-"


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ways = ("cut", "no-range")
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_whole_part_is_only_verified(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY)}-"]


def test_another_range_than_asked_for_is_refused(server, tmp_path):
    server.ways = ("cut", "other-range")
    with pytest.raises(DataError, match="another range"):
        get(server, tmp_path / "file.bin", sha256=SHA256)


@pytest.mark.parametrize("sums", [{"sha256": "0" * 64}, {"md5": "0" * 32}])
def test_a_wrong_checksum_sets_the_file_aside(server, tmp_path, sums):
    with pytest.raises(DataError, match=r"must match its checksum 0+; .*file\.bin\.wrong"):
        get(server, tmp_path / "file.bin", **sums)
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin.wrong"]
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY


def test_a_wrong_file_that_was_there_is_replaced(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    assert get(server, tmp_path / "file.bin", sha256=SHA256).read_bytes() == BODY
    assert (tmp_path / "file.bin.wrong").read_bytes() == b"old"


def test_a_missing_page_is_told_at_once(server, tmp_path):
    server.ways = ("404",)
    with pytest.raises(DataError, match="404 Not Found"):
        get(server, tmp_path / "file.bin")
    assert len(server.asked) == 1


def test_a_web_page_is_no_archive(server, tmp_path):
    server.body = b"\n<!DOCTYPE html><html>please confirm</html>"
    with pytest.raises(DataError, match="got a web page"):
        get(server, tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()


def test_nobody_answers(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin"
        with pytest.raises(DataError, match=r"could not be downloaded.*refused"):
            fetch(url, tmp_path / "f", terms="", log=lambda line: None, pause_seconds=0.0)


def test_no_such_host(tmp_path, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DataError, match="no such host, or no network"):
        fetch("http://host.invalid/f", tmp_path / "f", terms="", log=lambda line: None)


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="must be writable"):
        get(server, tmp_path / "file" / "file.bin")
