"""The embedded data set: options, cache, split."""

from typing import Annotated

import numpy as np
import pytest

from hashquant.data.faces._render import MAX_SIZE, MIN_SIZE
from hashquant.datasets.synthfaces import SynthFaces
from hashquant.errors import UsageError
from hashquant.settings.ranges import Range

SMALL = {"identities": "4", "images": "6", "size": "20"}


def load(root, name="synthfaces", **options):
    dataset = SynthFaces(name, options=SMALL | options)
    dataset.prepare(root)
    return dataset, dataset.load(root)


def test_items_are_named_and_complete(tmp_path):
    _, items = load(tmp_path, "synthfaces-street")
    assert items.images.shape == (24, 3, 20, 20)
    assert items.labels.tolist() == [i // 6 for i in range(24)]
    assert items.files[8] == "street/id0001/002"
    assert items.class_names[1] == "street/id0001"
    assert len(set(items.content)) == 24


def test_a_cached_set_equals_a_drawn_one(tmp_path):
    _, first = load(tmp_path)
    assert isinstance(first.images, np.memmap)
    assert [p.suffix for p in (tmp_path / "synthfaces").iterdir()] == [".npy"]
    blocked = tmp_path / "file"
    blocked.write_text("no folder can be made below this")
    _, second = load(blocked)
    assert not isinstance(second.images, np.memmap)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.content == second.content
    assert first.version == second.version


def cut(data):
    return data[:3000]


def flip(data):
    return data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]


def without_seal(data):
    return data[:-16]


def other_head(data):
    """Return what NumPy's own reader of heads ends with a `TokenError` on."""
    return data[:10] + b"{'descr': '|u1', 'shape': (" + data[37:]


def signed(data):
    return data.replace(b"'|u1'", b"'|i1'")


def behind(data):
    return data + b"x"


@pytest.mark.parametrize(
    "damage",
    [cut, flip, without_seal, other_head, signed, behind, lambda _: b"", lambda _: b"x" * 99],
)
def test_a_damaged_cache_is_named_and_drawn_again(tmp_path, damage, caplog):
    dataset, items = load(tmp_path)
    expected = np.array(items.images)
    path = tmp_path / "synthfaces" / f"{dataset.version}.npy"
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(damage(whole))
    np.testing.assert_array_equal(dataset.load(tmp_path).images, expected)
    assert path.read_bytes() == whole
    assert str(path) in caplog.text
    assert path.with_name(f"{path.name}.corrupt").read_bytes() == damage(whole)


def test_a_folder_in_the_place_of_the_cache_is_set_aside(tmp_path, caplog):
    dataset, items = load(tmp_path)
    expected, path = np.array(items.images), tmp_path / "synthfaces" / f"{dataset.version}.npy"
    path.unlink()
    path.mkdir()
    np.testing.assert_array_equal(dataset.load(tmp_path).images, expected)
    assert path.is_file()
    assert str(path) in caplog.text


def test_a_valid_cache_is_not_drawn_again(tmp_path, monkeypatch):
    dataset, items = load(tmp_path)

    def refuse(*_):
        raise AssertionError("drawn again")

    monkeypatch.setattr("hashquant.datasets.synthfaces.render_faces", refuse)
    np.testing.assert_array_equal(dataset.load(tmp_path).images, items.images)


def test_more_people_and_images_leave_the_first_ones_as_they_are(tmp_path):
    _, small = load(tmp_path)
    _, large = load(tmp_path, identities="5", images="7")
    at = dict(zip(large.files, large.content, strict=True))
    assert all(at[f] == c for f, c in zip(small.files, small.content, strict=True))
    assert small.version != large.version


def test_blocks_leave_no_trace(tmp_path, monkeypatch):
    _, items = load(tmp_path / "a")
    monkeypatch.setattr("hashquant.datasets.synthfaces.BLOCK_BYTES", 5 * 3 * 20 * 20)
    _, again = load(tmp_path / "b")
    assert items.content == again.content


@pytest.mark.parametrize(("images", "queries"), [(2, 1), (5, 1), (6, 1), (10, 2), (30, 6)])
def test_the_last_fifth_of_each_person_is_asked_for(tmp_path, images, queries):
    dataset, items = load(tmp_path, images=str(images))
    split = dataset.split(items)
    assert split.protocol == "seen"
    np.testing.assert_array_equal(split.training, split.gallery)
    assert not set(split.query.tolist()) & set(split.gallery.tolist())
    assert len(split.query) + len(split.gallery) == len(items)
    assert np.bincount(items.labels[split.query]).tolist() == [queries] * 4
    assert split.digest == dataset.split(items).digest


def test_studio_and_street_share_nothing(tmp_path):
    _, studio = load(tmp_path, "synthfaces-studio")
    _, street = load(tmp_path, "synthfaces-street")
    _, plain = load(tmp_path, "synthfaces")
    assert not set(studio.content) & set(street.content)
    assert not set(studio.class_names) & set(street.class_names)
    assert plain.content == studio.content
    assert plain.version == studio.version != street.version


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identities": "1"}, "identities must be a whole number within 2"),
        ({"images": "many"}, "images must be a whole number .* got 'many'"),
        ({"size": "-48"}, "size must be a whole number within 16 … 1,024, got -48"),
        ({"people": "9"}, "unknown option of synthfaces .people.: Known: identities, images, size"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        SynthFaces("synthfaces", options=options)


def test_an_argument_is_refused():
    with pytest.raises(UsageError, match="'synthfaces' takes nothing after a colon, got 'x'"):
        SynthFaces("synthfaces", "x")


def test_sizes_are_those_of_the_renderer():
    assert SynthFaces.OPTIONS["size"] == Annotated[int, Range(MIN_SIZE, MAX_SIZE)]
