"""The stored pixels are those of another build of the JPEG library (ADR 0012)."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

from hashquant.data.images import Geometry, read_image
from hashquant.errors import DataError

SIDE = 96
ORIENTATION = 0x0112


def photo(mode="RGB"):
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return smooth.convert(mode)


def turned(how):
    exif = Image.Exif()
    exif[ORIENTATION] = how
    return {"exif": exif}


def written(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def decoded(data):
    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return decode_jpeg(raw, mode=ImageReadMode.RGB, apply_exif_orientation=True).numpy()


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        *(("RGB", {"subsampling": how}) for how in ("4:4:4", "4:2:2", "4:2:0")),
        ("RGB", {"progressive": True}),
        *(("RGB", turned(how)) for how in range(1, 9)),
        ("L", {}),
        ("CMYK", {}),
    ],
)
def test_pixels_are_torchvisions_to_the_bit(tmp_path, mode, options):
    data = written(photo(mode), **options)
    (tmp_path / "a.jpg").write_bytes(data)
    pixels = read_image(tmp_path / "a.jpg", Geometry(SIDE))
    assert pixels.std() > 20
    assert np.array_equal(pixels, decoded(data))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_what_is_cut_short_is_refused_by_both(tmp_path, part):
    data = written(photo())
    data = data[: int(len(data) * part)]
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.jpg cannot be read as an image"):
        read_image(tmp_path / "a.jpg", Geometry(SIDE))
    with pytest.raises(RuntimeError):
        decoded(data)
