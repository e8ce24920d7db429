"""Every byte of a cache of decoded images is checked when it is first opened."""

import errno
import fcntl
import hashlib
import json
import os
import shutil

import numpy as np
import pytest

import hashquant.data.decoding
from hashquant.data import imagecache
from hashquant.data.imagecache import decode_once
from hashquant.data.images import Geometry, content_digest
from hashquant.data.layouts import file_list

GEOMETRY = Geometry(12)
ROW = 3 * 12 * 12


@pytest.fixture
def files(tmp_path, draw):
    return file_list(tmp_path / "set", draw(tmp_path / "set", {"ann": 20, "bob": 20}))


def decode(files, root, **options):
    return decode_once(files, GEOMETRY, root, name="set", **options)


def only(root, ending=""):
    return next(p for p in (root / ".cache").glob(f"set-*{ending}") if p.is_dir())


def flipped(path, at, bit=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def appended(path):
    path.write_bytes(path.read_bytes() + b"x")


def other_version(folder):
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(index | {"version": "0" * 16}))


def other_skipped(folder):
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(index | {"skipped": ["nobody/000.png"]}))


def swapped_rows(folder):
    data = (folder / "images.npy").read_bytes()
    head, one, two, rest = (
        data[:128], data[128 : 128 + ROW], data[128 + ROW : 128 + 2 * ROW], data[128 + 2 * ROW :]
    )  # fmt: skip
    (folder / "images.npy").write_bytes(head + two + one + rest)


def replaced_by_folder(name):
    def damage(folder):
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def signed(folder):
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes().replace(b"'|u1'", b"'|i1'"))


DAMAGE = {
    "a pixel of a row between": lambda d: flipped(d / "images.npy", 128 + 17 * ROW + 5),
    "the last pixel": lambda d: flipped(d / "images.npy", -1, 7),
    "a digest": lambda d: flipped(d / "content.bin", 16 * 13 + 3, 4),
    "the version": other_version,
    "what was skipped": other_skipped,
    "two rows": swapped_rows,
    "the kind of the pixels": signed,
    "bytes behind": lambda d: appended(d / "images.npy"),
    "deep JSON": lambda d: (d / "index.json").write_text("[" * 100_000),
    "no mapping": lambda d: (d / "index.json").write_text("3"),
    "no list": lambda d: (d / "index.json").write_text('{"version": "", "skipped": 3}'),
    "a folder for the pixels": replaced_by_folder("images.npy"),
    "a folder for the index": replaced_by_folder("index.json"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_does_not_match_is_set_aside_named_and_made_again(tmp_path, files, damage, caplog):
    first = decode(files, tmp_path)
    whole, folder = np.array(first.images), only(tmp_path)
    damage(folder)
    again = decode(files, tmp_path)
    assert (again.version, again.content, again.names) == (
        first.version,
        first.content,
        first.names,
    )
    assert np.array_equal(again.images, whole)
    assert f"{folder} is damaged" in caplog.text
    assert only(tmp_path, ".corrupt").is_dir()


def test_a_cache_that_is_a_file_is_set_aside(tmp_path, files, caplog):
    decode(files, tmp_path)
    folder = only(tmp_path)
    shutil.rmtree(folder)
    folder.write_text("")
    assert len(decode(files, tmp_path).images) == 40
    assert "is damaged" in caplog.text


def test_every_cache_of_before_is_accepted(tmp_path, files, caplog):
    """The seals are what a cache always held: nothing is decoded for them."""
    first = decode(files, tmp_path)
    folder = only(tmp_path)
    index = json.loads((folder / "index.json").read_text())
    lines = [
        f"{n}\t{content_digest(i).hex()}" for n, i in zip(first.names, first.images, strict=True)
    ]
    sealed = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    assert index == {"version": sealed, "skipped": []}
    assert decode(files, tmp_path).version == sealed
    assert caplog.text == ""


def test_pixels_are_read_once_for_a_process_and_state(tmp_path, files, monkeypatch, caplog):
    read = []
    real = imagecache.first_changed
    monkeypatch.setattr(imagecache, "first_changed", lambda *a: read.append(a) or real(*a))
    decode(files, tmp_path)
    decode(files, tmp_path)
    assert len(read) == 2  # written just now: a change would not show in its times
    monkeypatch.setattr(imagecache, "_SETTLED_SECONDS", 0.0)
    for _ in range(3):
        decode(files, tmp_path)
    assert len(read) == 3
    flipped(only(tmp_path) / "images.npy", -1)
    decode(files, tmp_path)
    assert "the pixels of bob/019.png changed" in caplog.text


def interrupted(files, root, monkeypatch):
    """Stop a decoding after its first 16 images, and return its folder."""

    def interrupt(done, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(hashquant.data.decoding, "_CHUNK_BYTES", 1)
    with pytest.raises(KeyboardInterrupt):
        decode(files, root, progress=interrupt)
    return only(root, ".part")


def saved(part, **changes):
    path = part / "progress.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: saved(part, done=15),
        lambda part: saved(part, skipped=["ann/003.png"]),
        lambda part: (part / "progress.json").write_text('{"done": 16, "skipped": []}'),
        lambda part: (part / "progress.json").write_text("[" * 100_000),
        replaced_by_folder("progress.json"),
        replaced_by_folder("content.bin"),
        lambda part: flipped(part / "content.bin", 40),
        lambda part: flipped(part / "images.npy", 128 + 9 * ROW),
        lambda part: (part / "images.npy").write_bytes(b""),
    ],
)
def test_a_damaged_unfinished_cache_is_named_and_begun_anew(
    tmp_path, files, damage, monkeypatch, caplog
):
    part = interrupted(files, tmp_path, monkeypatch)
    damage(part)
    found = decode(files, tmp_path)
    whole = decode(files, tmp_path / "elsewhere")
    assert found.version == whole.version
    assert np.array_equal(found.images, whole.images)
    assert f"unfinished cache {part} is damaged" in caplog.text


def test_a_file_in_the_place_of_an_unfinished_cache(tmp_path, files, monkeypatch):
    part = interrupted(files, tmp_path, monkeypatch)
    shutil.rmtree(part)
    part.write_text("")
    assert len(decode(files, tmp_path).images) == 40


def test_without_locks_it_is_said_and_decoded(tmp_path, files, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert len(decode(files, tmp_path).images) == 40
    assert "the file system has no locks (No locks available)" in caplog.text
