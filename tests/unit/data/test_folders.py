from typing import ClassVar

import numpy as np
import pytest

from hashquant.data.folders import FolderDataset, Part, PublishedDataset
from hashquant.data.layouts import Parts
from hashquant.errors import DataError, UsageError


class Faces(FolderDataset):
    NAMES: ClassVar = {"faces": "for tests"}
    terms = "none"
    folder = "faces"
    source = "Draw them"

    def layout(self):
        return Parts()


@pytest.fixture
def parts(tmp_path, draw):
    def drawn(size=(80, 80)):
        draw(tmp_path / "faces" / "train", {"ann": 3, "bob": 2}, size=size)
        draw(tmp_path / "faces" / "test", {"bob": 1, "ann": 1}, size=size, seed=1)
        return tmp_path

    return drawn


def test_from_folder_to_split(parts):
    root, faces = parts(), Faces("faces")
    faces.prepare(root)
    items = faces.load(root)
    split = faces.split(items)
    assert items.images.shape == (7, 3, 64, 64)
    assert items.class_names == ("ann", "bob")
    assert (len(split.training), len(split.query), len(split.gallery)) == (5, 2, 5)
    assert items.notes == split.notes == ()
    assert Faces("faces").load(root).version == items.version


def test_a_missing_folder_says_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"folder .*faces must be there, it is missing.* Draw them"):
        Faces("faces").prepare(tmp_path)
    with pytest.raises(DataError, match="is missing"):
        Faces("faces").load(tmp_path)


@pytest.mark.parametrize(
    ("size", "option", "stored"),
    [((32, 32), None, 32), ((40, 32), None, 32), ((80, 100), None, 64), ((80, 80), "16", 16),
     ((80, 80), "72", 72), ((80, 80), "200", 80)],
)  # fmt: skip
def test_images_are_stored_at_the_wanted_size_but_not_blown_up(parts, size, option, stored):
    options = {"size": option} if option else {}
    assert Faces("faces", options=options).load(parts(size)).images.shape[2:] == (stored, stored)


@pytest.mark.parametrize("value", ["big", "0", "-3", "nan", "1e9"])
def test_a_size_must_be_a_sensible_number(value):
    with pytest.raises(UsageError, match=r"size must be a whole number within 8 … 1,024, got"):
        Faces("faces", options={"size": value})


def test_an_unknown_option_gets_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean 'size'"):
        Faces("faces", options={"sise": "3"})


def test_skipped_images_are_counted_in_the_notes(parts):
    root = parts()
    (root / "faces" / "train" / "ann" / "000.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"ann/000\.png .*--on-bad-image skip"):
        Faces("faces").prepare(root)
    with pytest.raises(DataError, match=r"ann/000\.png"):
        Faces("faces").load(root)
    Faces("faces").prepare(root, on_bad_image="skip")
    items = Faces("faces").load(root)
    assert items.notes == ("1 unreadable images skipped",)
    assert items.skipped == ("train/ann/000.png",)
    assert len(Faces("faces").split(items).gallery) == 4


def test_the_same_image_in_both_parts_is_no_query(parts):
    root = parts()
    image = (root / "faces" / "train" / "ann" / "001.png").read_bytes()
    (root / "faces" / "test" / "ann" / "001.png").write_bytes(image)
    split = Faces("faces").split(Faces("faces").load(root))
    assert len(split.query) == 2
    [note] = split.notes
    assert note.startswith("1 queries dropped: the same image is in gallery or training (the first")


class Digits(PublishedDataset):
    NAMES: ClassVar = {"digits": "", "digits-1": "", "digits-2": ""}
    terms = "none"
    folder = "digits"
    published = "digits-raw"
    size = 8
    per_class = (2, 3)
    drawn_by_part = False

    def read(self, root, part):
        rng = np.random.default_rng(part == "train")
        images = rng.integers(0, 256, (40, 3, 8, 8), dtype=np.uint8)
        return Part(images, np.arange(40) % 4, ("zero", "one", "two/2", "three"))


class ByPart(Digits):
    drawn_by_part = True


def drawn(cls, name, root):
    (root / "digits-raw").mkdir(exist_ok=True)
    items = cls(name).load(root)
    return items, cls(name).split(items)


def sets(split):
    return [set(rows.tolist()) for rows in (split.training, split.query, split.gallery)]


def test_the_first_protocol_keeps_its_three_roles_apart(tmp_path):
    items, split = drawn(Digits, "digits", tmp_path)
    training, query, gallery = sets(split)
    assert np.bincount(items.labels[split.query]).tolist() == [2] * 4
    assert np.bincount(items.labels[split.training]).tolist() == [3] * 4
    assert not training & gallery
    assert not query & (training | gallery)
    assert len(training | query | gallery) == 80
    assert split.protocol == "I-a"


def test_the_second_differs_by_the_training_images_in_the_gallery(tmp_path):
    first, second = (drawn(Digits, name, tmp_path)[1] for name in ("digits", "digits-1"))
    assert sets(second)[:2] == sets(first)[:2]
    assert sets(second)[2] == sets(first)[2] | sets(first)[0]
    assert second.protocol == "I-b"


def test_the_third_is_the_published_parts(tmp_path):
    items, split = drawn(Digits, "digits-2", tmp_path)
    assert {items.files[i].split("/")[0] for i in split.query} == {"test"}
    assert {items.files[i].split("/")[0] for i in split.gallery} == {"train"}
    assert np.array_equal(split.training, split.gallery)
    assert (len(split.query), len(split.gallery)) == (40, 40)


def test_queries_may_come_from_one_part_and_training_from_the_other(tmp_path):
    items, split = drawn(ByPart, "digits", tmp_path)
    assert {items.files[i].split("/")[0] for i in split.query} == {"test"}
    assert {items.files[i].split("/")[0] for i in split.training} == {"train"}
    assert len(split.gallery) == 80 - 8 - 12


def test_published_files_are_named_by_part_class_and_index(tmp_path):
    items, _ = drawn(Digits, "digits", tmp_path)
    assert items.files[0] == "train/zero/00000"
    assert items.files[2] == "train/two-2/00002"
    assert items.files[41] == "test/one/00001"
    assert items.notes == ()


@pytest.mark.parametrize(("form", "called"), [("jpg", "a JPEG folder copy"), ("png", "a folder")])
def test_a_folder_copy_is_said_to_be_one(tmp_path, draw, form, called):
    for part in ("train", "test"):
        counts = {"one": 6, "two": 6}
        draw(tmp_path / "digits" / part, counts, form=form, seed=part == "test")
    digits = Digits("digits")
    digits.prepare(tmp_path)
    items = digits.load(tmp_path)
    assert items.notes[0].startswith(called)
    assert "24 images, not the published files; the original index order is lost" in items.notes[0]
    assert len(digits.split(items).gallery) == 24 - 2 * 5


def test_published_files_go_before_a_copy(tmp_path, draw):
    draw(tmp_path / "digits" / "train", {"one": 6, "two": 6})
    assert len(drawn(Digits, "digits", tmp_path)[0]) == 80


def test_neither_published_nor_copied(tmp_path):
    with pytest.raises(DataError, match="digits-raw must be there, it is missing"):
        Digits("digits").prepare(tmp_path)
    with pytest.raises(DataError, match="digits-raw must be there"):
        Digits("digits").load(tmp_path)
