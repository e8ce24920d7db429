import warnings

import numpy as np
import pytest
from PIL import Image

from hashquant.data import images
from hashquant.data.decoding import read_all
from hashquant.data.images import (
    MOST_PIXELS,
    Geometry,
    allow_pixels,
    content_digests,
    read_image,
    short_side,
    version_digest,
)
from hashquant.errors import DataError


def saved(tmp_path, pixels, name="a.png", **options):
    path = tmp_path / name
    Image.fromarray(pixels).save(path, **options)
    return path


def test_pixels_come_back_as_they_were(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    found = read_image(saved(tmp_path, pixels), Geometry(6))
    assert found.dtype == np.uint8
    assert np.array_equal(found, pixels.transpose(2, 0, 1))


def test_gray_fills_three_channels(tmp_path):
    pixels = np.arange(36, dtype=np.uint8).reshape(6, 6)
    found = read_image(saved(tmp_path, pixels), Geometry(6))
    assert all(np.array_equal(channel, pixels) for channel in found)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_of_8_bits_becomes_rgb(tmp_path, mode):
    form = "tiff" if mode == "CMYK" else "png"
    path = tmp_path / f"a.{form}"
    Image.new(mode, (8, 8)).save(path)
    assert read_image(path, Geometry(8)).shape == (3, 8, 8)


def test_box_is_left_top_right_bottom(tmp_path):
    pixels = np.zeros((10, 12), dtype=np.uint8)
    pixels[2:6, 3:7] = 200  # rows are y, columns are x
    found = read_image(saved(tmp_path, pixels), Geometry(4, (3, 2, 7, 6)))
    assert (found == 200).all()


def test_short_side_is_resized_and_the_centre_kept(tmp_path):
    wide = np.zeros((4, 12), dtype=np.uint8)
    wide[:, 4:8] = 255
    found = read_image(saved(tmp_path, wide), Geometry(4))
    assert found.shape == (3, 4, 4)
    assert (found == 255).all()
    tall = read_image(saved(tmp_path, wide.T.copy(), "b.png"), Geometry(4))
    assert (tall == 255).all()


def test_reduction_is_antialiased(tmp_path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (32, 16))
    found = read_image(saved(tmp_path, stripes), Geometry(4))
    assert abs(found.astype(int) - 127).max() < 20  # without it: 0 or 255


def test_a_camera_turned_upright(tmp_path):
    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[:4] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    found = read_image(saved(tmp_path, pixels, "a.jpg", exif=exif, quality=95), Geometry(8))
    assert found[:, :4].mean() < 20
    assert found[:, 4:].mean() > 235


def test_bad_files_are_named(tmp_path):
    whole = saved(tmp_path, np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:2000])
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    for path, reason in ((cut, "truncated"), (text, "no image"), (empty, "no image"),
                         (tmp_path / "none.jpg", "No such file")):  # fmt: skip
        with pytest.raises(DataError, match=rf"{path.name} cannot be read as an image.*{reason}"):
            read_image(path, Geometry(8))


def test_an_image_smaller_than_the_box_is_refused(tmp_path):
    path = saved(tmp_path, np.zeros((100, 150), dtype=np.uint8))
    with pytest.raises(DataError, match="150x100, too small to cut"):
        read_image(path, Geometry(64, (61, 61, 189, 189)))


def test_more_than_8_bits_are_refused_not_clipped(tmp_path):
    path = saved(tmp_path, np.full((8, 8), 1000, dtype=np.uint16))
    with pytest.raises(DataError, match="8 bits"):
        read_image(path, Geometry(8))


def test_short_side_from_the_header(tmp_path):
    assert short_side(saved(tmp_path, np.zeros((5, 9), dtype=np.uint8))) == 5
    assert short_side(tmp_path / "none.png") == 0


def test_digests_tell_pixels_and_names_apart():
    pixels = np.zeros((3, 3, 4, 4), dtype=np.uint8)
    pixels[2, 0, 0, 0] = 1
    first, second, other = content_digests(pixels)
    assert first == second != other
    assert content_digests(pixels[:, :, ::-1, ::-1])[0] == first  # a strided view
    base = version_digest(("a", "b"), (first, other))
    assert base != version_digest(("a", "b"), (other, first))
    assert base != version_digest(("a", "c"), (first, other))


def resized_whole(image, size):
    """Resize the short side and cut the centre out: what ordinary images have always gone by."""
    short = min(image.size)
    if short != size:
        wide, high = (max(size, round(side * size / short)) for side in image.size)
        image = image.resize((wide, high), Image.Resampling.BILINEAR)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size))).transpose(2, 0, 1)


def test_ordinary_images_of_any_size_keep_their_bytes(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(300):
        wide, high = rng.integers(1, 160, 2)
        size = int(rng.choice([8, 16, 32, 64]))
        image = Image.fromarray(rng.integers(0, 256, (high, wide, 3), dtype=np.uint8))
        path = tmp_path / f"{number}.bmp"
        image.save(path)
        assert np.array_equal(read_image(path, Geometry(size)), resized_whole(image, size))


def test_a_thin_image_is_cut_before_it_is_blown_up(tmp_path, monkeypatch):
    path = tmp_path / "thin.png"
    Image.effect_noise((3, 8000), 90).convert("RGB").save(path)
    with Image.open(path) as image:
        whole = resized_whole(image, 32).astype(int)
    assert np.array_equal(read_image(path, Geometry(32)), whole)
    monkeypatch.setattr(images, "_LARGE_PIXELS", 1000)
    assert np.abs(read_image(path, Geometry(32)) - whole).max() <= 1


def test_a_thin_image_takes_little_memory(tmp_path):
    path = tmp_path / "thin.png"
    Image.new("L", (1, 1_000_000), 7).save(path)
    made = []
    resize = Image.Image.resize

    def noted(self, size, *args, **kwargs):
        made.append(size)
        return resize(self, size, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "resize", noted)
        found = read_image(path, Geometry(64))
    assert (found == 7).all()
    assert made == [(64, 64)]


def test_the_most_pixels_of_one_image_are_one_rule(tmp_path):
    path = saved(tmp_path, np.zeros((30, 40, 3), dtype=np.uint8))
    try:
        for most in (1199, 700, 500):  # Pillow warns of the first two and stops at the third
            allow_pixels(most)
            with pytest.raises(DataError, match=rf"a\.png cannot .* than {most:,} pixels, .*=N\)"):
                read_image(path, Geometry(8))
        allow_pixels(1200)
        assert read_image(path, Geometry(8)).shape == (3, 8, 8)
    finally:
        allow_pixels(MOST_PIXELS)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("decoder"), IndexError("x")])
def test_whatever_one_image_breaks_is_that_image_s_fault(tmp_path, monkeypatch, error):
    def broken(self, mode):
        raise error

    path = saved(tmp_path, np.zeros((8, 8, 3), dtype=np.uint8))
    monkeypatch.setattr(Image.Image, "convert", broken)
    with pytest.raises(DataError, match=r"a\.png cannot be read as an image: \w+"):
        read_image(path, Geometry(8))
    [left_out] = read_all(tmp_path, ("a.png",), Geometry(8), skip=True)
    assert left_out is None


def test_pillow_says_nothing_without_a_file_s_name(tmp_path):
    path = tmp_path / "palette.png"
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(path, transparency=bytes([0, 128]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with Image.open(path) as opened:
            opened.convert("RGB")
        assert len(said) == 1  # what it would say
        allow_pixels(MOST_PIXELS)
        found = read_image(path, Geometry(8))
        assert len(said) == 1
    assert found[:, 0, 0].tolist() == [10, 20, 30]
