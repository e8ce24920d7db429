"""What tests share: a command's folders, a silent watcher, tiny images, a local server."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hashquant.plugins import registry

METHOD = '''"""Far."""
import hashquant.api as hq
class {cls}(hq.Method):
    """Far."""
    name = "{name}"
    family = hq.Binary()
    def forward(self, features):
        return features
'''


@pytest.fixture
def where(tmp_path):
    """Return the flags that keep a command within the test's own folder."""
    return [
        "--results-dir", str(tmp_path / "results"), "--reports-dir", str(tmp_path / "reports"),
        "--data-dir", str(tmp_path / "data"),
    ]  # fmt: skip


class _Unheard:
    def show(self, text):
        pass

    def advance(self, units, text=""):
        pass

    def say(self, text):
        pass


@pytest.fixture
def unheard():
    """Return a watcher of runs that tells nobody."""
    return _Unheard()


@pytest.fixture
def draw():
    """Return a function that writes `count` distinct images a folder, and returns their names."""

    def drawn(folder: Path, counts: dict[str, int], size=(12, 12), form="png", seed=0):
        names = []
        for identity, count in counts.items():
            (folder / identity).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                text = f"{seed}/{identity}/{number}".encode()
                rng = np.random.default_rng(list(text))
                pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
                name = f"{identity}/{number:03d}.{form}"
                Image.fromarray(pixels).save(folder / name)
                names.append(name)
        return names

    return drawn


@pytest.fixture
def serve():
    """Return a function that serves a folder on this machine and returns its address."""
    servers = []

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    def served(folder: Path):
        handler = functools.partial(Silent, directory=folder)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield served
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package: its entry points and its files."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def installed(package, methods=(), datasets=(), files=(), raw=None, version="1.0"):
        info = site / f"{package}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        groups = {"methods": dict(methods), "datasets": dict(datasets)}
        lines = []
        for group, points in groups.items():
            lines += [f"[hashquant.{group}]", *(f"{k} = {v}" for k, v in points.items())]
        (info / "entry_points.txt").write_bytes(raw or "\n".join(lines).encode())
        for name, text in dict(files).items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        registry._offered.cache_clear()
        return site

    yield installed
    registry._offered.cache_clear()
