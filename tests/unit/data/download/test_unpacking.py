"""Archives unpacked whole or not at all, and bombs that are not."""

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import tarfile
import tracemalloc

import pytest

from hashquant.data.download import _unpacking, unpack_gzip, unpack_tar
from hashquant.errors import DataError

MIB = 1 << 20


def tar_of(path, names):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    return path


def test_unpacked_whole_under_its_new_name(tmp_path):
    archive = tar_of(tmp_path / "a.tgz", ["faces/ann/1.jpg", "faces/bob/1.jpg"])
    unpack_tar(archive, "faces", tmp_path / "lfw")
    assert (tmp_path / "lfw" / "ann" / "1.jpg").read_bytes() == b"abc"
    assert {p.name for p in tmp_path.iterdir()} == {"a.tgz", "lfw"}


def test_a_damaged_folder_is_set_aside(tmp_path):
    (tmp_path / "lfw").mkdir()
    (tmp_path / "lfw" / "old").touch()
    unpack_tar(tar_of(tmp_path / "a.tgz", ["faces/ann/1.jpg"]), "faces", tmp_path / "lfw")
    assert (tmp_path / "lfw" / "ann").is_dir()
    assert (tmp_path / "lfw.wrong" / "old").exists()


@pytest.mark.parametrize("names", [["other/1.jpg"], ["faces/1.jpg", "../out.jpg"]])
def test_an_archive_that_is_not_what_it_should_be(tmp_path, names):
    archive = tar_of(tmp_path / "a.tgz", names)
    with pytest.raises(DataError, match="must be a tar archive of faces/"):
        unpack_tar(archive, "faces", tmp_path / "lfw")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tgz"]


def test_a_cut_archive(tmp_path):
    archive = tar_of(tmp_path / "a.tgz", ["faces/1.jpg"])
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(DataError, match="must be a tar archive"):
        unpack_tar(archive, "faces", tmp_path / "lfw")
    assert not (tmp_path / "lfw").exists()


@pytest.fixture
def small(monkeypatch):
    """Let what every archive may unpack to be one MiB, where it is 64."""
    monkeypatch.setattr(_unpacking, "_SMALL_BYTES", MIB)


def bomb(path, size, name="faces/zeros", kind="w:gz"):
    with tarfile.open(path, kind) as tar:
        tar.addfile(folder())
        info = tarfile.TarInfo(name)
        info.size = size
        tar.addfile(info, io.BytesIO(bytes(size)))
    return path


def folder(name="faces"):
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


def refused(archive, tmp_path, words, **bounds):
    with pytest.raises(DataError, match=words) as error:
        unpack_tar(archive, "faces", tmp_path / "lfw", **bounds)
    assert "by hand, as" in str(error.value)
    assert not [p for p in tmp_path.iterdir() if p != archive]


@pytest.mark.parametrize("kind", ["w:gz", "w:bz2", "w:xz"])
def test_a_bomb_is_not_unpacked(tmp_path, small, kind):
    archive = bomb(tmp_path / "a.tgz", 3 * MIB, kind=kind)
    assert 50 * archive.stat().st_size < MIB
    refused(archive, tmp_path, "at most 1,048,576 bytes, it holds more")


def test_a_bomb_in_a_header_takes_no_memory(tmp_path):
    archive = tmp_path / "a.tgz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("faces/x")
        info.pax_headers = {"comment": "0" * (6 * MIB)}
        tar.addfile(info)
    tracemalloc.start()
    refused(archive, tmp_path, "at most 1,048,576 bytes", most_bytes=MIB)
    assert tracemalloc.get_traced_memory()[1] < 5 * MIB
    tracemalloc.stop()


def test_a_file_with_holes_counts_as_large_as_it_says(tmp_path):
    info = tarfile.TarInfo("faces/hole")
    info.size = 1 << 50
    archive = tmp_path / "a.tar"
    archive.write_bytes(folder().tobuf() + info.tobuf(tarfile.GNU_FORMAT))
    refused(archive, tmp_path, "at most 67,108,864 bytes")


def test_too_many_files_are_not_unpacked(tmp_path):
    archive = tar_of(tmp_path / "a.tgz", [f"faces/{i}" for i in range(20)])
    refused(archive, tmp_path, "at most 19 files", most_files=19)
    unpack_tar(archive, "faces", tmp_path / "lfw", most_files=20)
    assert len(list((tmp_path / "lfw").iterdir())) == 20


def test_who_expects_more_says_so(tmp_path, small):
    archive = bomb(tmp_path / "a.tgz", 3 * MIB)
    unpack_tar(archive, "faces", tmp_path / "lfw", most_bytes=4 * MIB)
    assert (tmp_path / "lfw/zeros").stat().st_size == 3 * MIB


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("fault", ["flipped", "cut", "noise"])
def test_damaged_compression_is_one_sentence(tmp_path, pack, fault):
    whole = tar_of(tmp_path / "a.tgz", ["faces/1.jpg"]).read_bytes()
    data = bytearray(pack(gzip.decompress(whole)))
    if fault == "flipped":
        data[len(data) // 2] ^= 0xFF
    data = {"flipped": data, "cut": data[:-12], "noise": data[:10] + os.urandom(99)}[fault]
    (tmp_path / "a.tgz").write_bytes(bytes(data))
    with pytest.raises(DataError, match="must be a tar archive of faces/, got ") as error:
        unpack_tar(tmp_path / "a.tgz", "faces", tmp_path / "lfw")
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tgz"]


def test_a_gzip_file_is_unpacked_in_place_of_an_old_one(tmp_path):
    (tmp_path / "labels").write_bytes(b"old")
    (tmp_path / "labels.gz").write_bytes(gzip.compress(b"new", mtime=0))
    unpack_gzip(tmp_path / "labels.gz", tmp_path / "labels")
    assert (tmp_path / "labels").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(bytes(3 * MIB)), "at most 1,048,576 bytes"),
        (gzip.compress(b"new", mtime=0)[:-3], "must be a whole gzip file"),
        (b"<html>", "must be a whole gzip file, got it is not compressed"),
        (b"", "must be a whole gzip file"),
    ],
)
def test_a_bad_gzip_file_leaves_the_old_one(tmp_path, small, content, words):
    (tmp_path / "labels").write_bytes(b"old")
    (tmp_path / "labels.gz").write_bytes(content)
    with pytest.raises(DataError, match=words):
        unpack_gzip(tmp_path / "labels.gz", tmp_path / "labels")
    assert (tmp_path / "labels").read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {"labels", "labels.gz"}


def test_a_disk_that_is_full_while_unpacking_is_told_as_that(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = tar_of(tmp_path / "a.tgz", ["faces/1.jpg"])
    (tmp_path / "l.gz").write_bytes(gzip.compress(b"x", mtime=0))
    monkeypatch.setattr(tarfile, "copyfileobj", full)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DataError, match=r"a\.tgz cannot be unpacked as .*/lfw: the disk is full"):
        unpack_tar(archive, "faces", tmp_path / "lfw")
    with pytest.raises(DataError, match=r"l\.gz cannot be unpacked as .*/l: the disk is full"):
        unpack_gzip(tmp_path / "l.gz", tmp_path / "l")
    assert {p.name for p in tmp_path.iterdir()} == {"a.tgz", "l.gz"}
