import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import hashquant.data.decoding
from hashquant.data.imagecache import decode_once
from hashquant.data.images import Geometry, read_image
from hashquant.data.layouts import file_list
from hashquant.errors import DataError

GEOMETRY = Geometry(12)


@pytest.fixture
def files(tmp_path, draw):
    names = draw(tmp_path / "set", {"ann": 20, "bob": 20})
    return lambda: file_list(tmp_path / "set", names)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(hashquant.data.decoding, "_CHUNK_BYTES", 1)  # 16 images a chunk


def decode(files, root, **options):
    return decode_once(files, GEOMETRY, root, name="set", **options)


def reads(monkeypatch):
    """Record every file that is really decoded."""
    seen = []

    def recorded(path, geometry):
        seen.append(path.name)
        return read_image(path, geometry)

    monkeypatch.setattr(hashquant.data.decoding, "read_image", recorded)
    return seen


def kept(root):
    return [p for p in (root / ".cache").iterdir() if p.is_dir()]


def test_images_come_back_in_the_order_of_the_files(tmp_path, files, small_chunks):
    found = decode(files(), tmp_path)
    assert found.images.shape == (40, 3, 12, 12)
    for row in (0, 19, 20, 39):
        assert np.array_equal(
            found.images[row], read_image(tmp_path / "set" / found.names[row], GEOMETRY)
        )
    assert len(set(found.content)) == 40
    assert found.skipped == ()


def test_the_second_time_nothing_is_decoded(tmp_path, files, monkeypatch):
    first = decode(files(), tmp_path)
    seen = reads(monkeypatch)
    again = decode(files(), tmp_path)
    assert seen == []
    assert isinstance(again.images, np.memmap)
    assert not again.images.flags.writeable
    assert (again.version, again.content) == (first.version, first.content)


def test_a_changed_file_is_decoded_anew_and_the_old_cache_dropped(tmp_path, files, draw):
    first = decode(files(), tmp_path)
    draw(tmp_path / "set", {"ann": 1}, seed=1)
    second = decode(files(), tmp_path)
    assert second.version != first.version
    assert len(kept(tmp_path)) == 1


def test_version_is_of_the_content_not_of_its_dates(tmp_path, files):
    first = decode(files(), tmp_path)
    os.utime(tmp_path / "set" / "ann" / "000.png", (1, 1))
    assert decode(files(), tmp_path).version == first.version


def test_another_size_has_its_own_cache(tmp_path, files):
    decode(files(), tmp_path)
    found = decode_once(files(), Geometry(6), tmp_path, name="set")
    assert found.images.shape == (40, 3, 6, 6)
    assert len(kept(tmp_path)) == 2


def test_a_bad_image_stops_and_is_named(tmp_path, files):
    (tmp_path / "set" / "ann" / "003.png").write_bytes(b"x")
    (tmp_path / "set" / "bob" / "001.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"003\.png .* and 1 more .*--on-bad-image skip"):
        decode(files(), tmp_path, on_bad_image="stop")


def test_a_bad_image_is_skipped_when_told(tmp_path, files, small_chunks, monkeypatch):
    (tmp_path / "set" / "ann" / "003.png").write_bytes(b"x")
    found = decode(files(), tmp_path, on_bad_image="skip")
    assert found.skipped == ("ann/003.png",)
    assert found.images.shape[0] == len(found.names) == len(found.content) == 39
    row = found.names.index("ann/004.png")
    assert np.array_equal(
        found.images[row], read_image(tmp_path / "set" / "ann" / "004.png", GEOMETRY)
    )
    seen = reads(monkeypatch)
    assert decode(files(), tmp_path).skipped == ("ann/003.png",)  # as it was prepared
    assert seen == []
    with pytest.raises(DataError, match=r"003\.png"):
        decode(files(), tmp_path, on_bad_image="stop")
    assert decode(files(), tmp_path, on_bad_image="skip").skipped == ("ann/003.png",)


def test_a_mended_image_is_taken_though_its_date_did_not_move(tmp_path, files):
    path = tmp_path / "set" / "ann" / "003.png"
    good, stamp = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(b"x" * len(good))
    os.utime(path, ns=(stamp, stamp))
    assert decode(files(), tmp_path, on_bad_image="skip").skipped
    path.write_bytes(good)
    os.utime(path, ns=(stamp, stamp))
    found = decode(files(), tmp_path, on_bad_image="stop")
    assert found.skipped == ()
    assert len(found.images) == 40


def test_no_readable_image_at_all(tmp_path, files):
    for path in (tmp_path / "set").rglob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(DataError, match="must hold readable images, got none"):
        decode(files(), tmp_path, on_bad_image="skip")


def test_an_interrupted_decoding_goes_on(tmp_path, files, small_chunks, monkeypatch):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(files(), tmp_path, progress=interrupt)
    seen, told = reads(monkeypatch), []
    found = decode(files(), tmp_path, progress=lambda done, total: told.append((done, total)))
    assert len(seen) == 24  # 40 less the chunk of 16 that was saved
    assert told == [(32, 40), (40, 40)]
    whole = decode_once(files(), GEOMETRY, tmp_path / "elsewhere", name="set")
    assert found.version == whole.version
    assert np.array_equal(found.images, whole.images)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: (d / "images.npy").write_bytes((d / "images.npy").read_bytes()[:-1]),
        lambda d: (d / "images.npy").write_bytes((d / "images.npy").read_bytes()[:-8] + b"8" * 8),
        lambda d: (d / "images.npy").write_bytes(b""),
        lambda d: (d / "index.json").write_text("{"),
        lambda d: (d / "index.json").write_text("{}"),
        lambda d: (d / "content.bin").unlink(),
        lambda d: (d / "content.bin").write_bytes(b"0" * 16),
    ],
)
def test_a_damaged_cache_is_set_aside_and_redone(tmp_path, files, damage, caplog):
    first = decode(files(), tmp_path)
    whole = np.array(first.images)
    [folder] = kept(tmp_path)
    damage(folder)
    again = decode(files(), tmp_path)
    assert again.version == first.version
    assert np.array_equal(again.images, whole)
    assert "damaged" in caplog.text
    assert {p.name for p in kept(tmp_path)} == {folder.name, f"{folder.name}.corrupt"}


@pytest.mark.parametrize("text", ["{", '{"done": 16}', '{"done": 32, "skipped": []}'])
def test_damaged_progress_starts_anew(tmp_path, files, small_chunks, text):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(files(), tmp_path, progress=interrupt)
    [part] = kept(tmp_path)
    (part / "progress.json").write_text(text)
    found = decode(files(), tmp_path)
    whole = decode_once(files(), GEOMETRY, tmp_path / "elsewhere", name="set")
    assert np.array_equal(found.images, whole.images)


def test_an_unwritable_root_falls_back_to_a_temporary_folder(tmp_path, files, monkeypatch, caplog):
    root = tmp_path / "root"
    root.mkdir()
    (root / ".cache").write_text("a file where the cache would be")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = decode(files(), root)
    assert len(found.images) == 40
    assert f"hashquant-cache-{os.getuid()}" in str(found.images.filename)
    assert "cannot be written" in caplog.text


def test_of_two_at_once_one_decodes(tmp_path, files, monkeypatch):
    seen, found = reads(monkeypatch), []
    threads = [threading.Thread(target=lambda: found.append(decode(files(), tmp_path)))
               for _ in range(2)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40
    assert found[0].version == found[1].version


SCRIPT = """
import os, resource, signal, sys
from pathlib import Path
import hashquant.data.decoding
from hashquant.errors import DataError
from hashquant.data.imagecache import FileList, decode_once
from hashquant.data.images import Geometry
import numpy as np

hashquant.data.decoding._CHUNK_BYTES = 1
root, what = Path(sys.argv[1]), sys.argv[2]
paths = sorted((root / "set").rglob("*.png"))
names = tuple(p.relative_to(root / "set").as_posix() for p in paths)
stamps = np.array([(p.stat().st_size, p.stat().st_mtime_ns) for p in paths])
progress = None
if what == "kill":
    progress = lambda done, total: done >= 32 and os.kill(os.getpid(), signal.SIGKILL)
if what == "note":  # every file that this process decodes
    read, note = hashquant.data.decoding.read_image, root / f"decoded-{os.getpid()}"
    note.touch()
    def noted(path, geometry):
        with note.open("a") as file:
            print(path.relative_to(root / "set").as_posix(), file=file)
        return read(path, geometry)
    hashquant.data.decoding.read_image = noted
    while not (root / "go").exists():
        pass
if what == "full":  # writing fails as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    decode_once(FileList(root / "set", names, stamps), Geometry(12), root, name="set",
                progress=progress)
except DataError as error:
    sys.exit(str(error))
"""


def started(tmp_path, what):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path), what],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def in_process(tmp_path, what):
    process = started(tmp_path, what)
    process.stderr = io.StringIO(process.communicate(timeout=60)[1])
    return process


def test_killed_in_the_middle_nothing_half_made_is_read(tmp_path, files, monkeypatch):
    assert in_process(tmp_path, "kill").returncode == -signal.SIGKILL
    [part] = kept(tmp_path)
    assert json.loads((part / "progress.json").read_text())["done"] == 32
    seen = reads(monkeypatch)
    found = decode(files(), tmp_path)
    assert len(seen) == 8
    assert len(found.images) == 40


def test_two_processes_at_once_decode_every_file_once(tmp_path, files, monkeypatch):
    two = [started(tmp_path, "note") for _ in range(2)]
    while len(list(tmp_path.glob("decoded-*"))) < 2 and not any(p.poll() for p in two):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [process.communicate(timeout=60)[1] for process in two] == ["", ""]
    assert [process.returncode for process in two] == [0, 0]
    notes = [path.read_text().split() for path in tmp_path.glob("decoded-*")]
    assert sorted(notes[0] + notes[1]) == list(files().names)
    seen = reads(monkeypatch)
    assert len(decode(files(), tmp_path).images) == 40
    assert seen == []


def test_a_full_disk_is_one_sentence(tmp_path, files):
    done = in_process(tmp_path, "full")
    assert done.returncode == 1
    said = done.stderr.read()
    assert "decoded images must be written to" in said
    assert "Traceback" not in said
    assert len(decode(files(), tmp_path).images) == 40
