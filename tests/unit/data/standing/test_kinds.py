"""What a file is that is no readable image, and what to do about it."""

import os
from pathlib import Path

import pytest

from hashquant.data.images import Geometry, read_image, short_side
from hashquant.data.standing.kinds import check_kind, what_begins
from hashquant.errors import DataError

TIFF = b"II*\0\x08\0\0\0"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "cannot be read (HEIC): convert it"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0", "cannot be read (HEIC)"),
        (b"\0\0\0\x1cftypcrx \0\0\0\0", "cannot be read (RAW)"),
        (b"\0\0\0\x18ftypisom", "a video"),
        (b"RIFF\1\2\3\4AVI LIST", "a video"),
        (b"\x1aE\xdf\xa3\1", "a video"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "run git lfs pull"),
        (b"/annex/objects/SHA256E-s1", "run git annex get"),
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>", "a web page"),
        (b"<HTML><head>", "a web page"),
        (b"<svg xmlns", "(SVG): convert it"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg width="3">', "(SVG)"),
        (b"8BPS\0\2", "(Photoshop)"),
        (b"\xff\x0a\1\2", "(JPEG XL)"),
        (b"\0\0\0\x0cJXL \r\n", "(JPEG XL)"),
        (b"FUJIFILMCCD-RAW 0201", "(RAW)"),
        (b"%PDF-1.7", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF", "PostScript"),
        (b"PK\3\4\x14\0", "(ZIP): unpack it"),
        (b"\x1f\x8b\x08", "(gzip): unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "(7z): unpack it"),
        (bytes(257) + b"ustar\x0000", "zeros"),
        (b"name" + bytes(253) + b"ustar\x0000", "(tar): unpack it"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"", "it is empty"),
        (bytes(100), "holds zeros only"),
        (b"hello", "it is no image"),
    ],
)
def test_files_are_told_by_how_they_begin(head, said, tmp_path):
    if said != "zeros":
        assert said in what_begins(head)
        path = tmp_path / "p.png"
        path.write_bytes(head)
        with pytest.raises(DataError, match=r"p\.png cannot be read as an image: it is "):
            read_image(path, Geometry(8))


def test_raw_files_of_cameras_are_not_read_as_their_preview():
    for name in ("a.NEF", "a.dng", "a.cr2"):
        with pytest.raises(ValueError, match=rf"\(RAW, {name[2:].upper()}\): convert"):
            check_kind(Path(name), "TIFF")
    check_kind(Path("a.tif"), "TIFF")
    check_kind(Path("a.dng"), "JPEG")
    assert "(RAW)" in what_begins(TIFF, ".arw")


def test_postscript_runs_no_interpreter(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(DataError, match="it is PostScript, not pixels"):
        read_image(path, Geometry(8))


def test_special_files_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "lost.png").symlink_to("gone.png")
    (tmp_path / "round.png").symlink_to("round.png")
    (tmp_path / "folder.png").mkdir()
    kinds = {
        "pipe": "a named pipe", "zero": "a device", "folder": "a folder",
        "lost": "a link to gone.png, which cannot", "round": "a link to",
    }  # fmt: skip
    for name, said in kinds.items():
        path = tmp_path / f"{name}.png"
        with pytest.raises(
            DataError, match=rf"{name}\.png cannot be read as an image: it is {said}"
        ):
            read_image(path, Geometry(8))
        assert short_side(path) == 0
