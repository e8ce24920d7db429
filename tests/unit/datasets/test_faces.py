"""The face sets: their splits, their crops, and what they say when something is wrong."""

import hashlib
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hashquant.data.layouts import ByRule, Listed
from hashquant.data.manifests import read_manifest, write_manifest
from hashquant.data.standing.published import UNVERIFIED
from hashquant.errors import DataError, UsageError
from hashquant.plugins.registry import datasets, make_dataset

MANIFESTS = Path(__file__).resolve().parents[3] / "datasets" / "manifests"
DATA = os.environ.get("HASHQUANT_DATA", "")
needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA, reason="HASHQUANT_DATA must name the folder of the sets"),
]


@pytest.mark.parametrize(
    ("name", "identities", "counts"),
    [
        ("lfw-seen", 158, {"training": 2576, "query": 641}),
        ("lfw-unseen", 265, {"gallery": 1131, "query": 530}),
        ("olivetti-cross", 40, {"gallery": 280, "query": 120}),
        ("olivetti-seen", 40, {"training": 280, "query": 120}),
    ],
)
def test_manifests_hold_what_they_say(name, identities, counts):
    manifest = read_manifest(MANIFESTS / f"{name}.json")
    assert {role: len(files) for role, files in manifest.roles.items()} == counts
    assert dict(manifest.counts) == counts
    people = [{f.split("/")[0] for f in files} for files in manifest.roles.values()]
    assert people[0] == people[1]
    assert len(people[0]) == identities
    assert not set.intersection(*(set(files) for files in manifest.roles.values()))


def test_no_identity_of_lfw_unseen_is_trained_on():
    seen, unseen = (read_manifest(MANIFESTS / f"lfw-{n}.json") for n in ("seen", "unseen"))
    people = [
        {f.split("/")[0] for files in m.roles.values() for f in files} for m in (seen, unseen)
    ]
    assert not people[0] & people[1]


def test_olivetti_is_examined_on_the_same_images_trained_or_not():
    seen, cross = (read_manifest(MANIFESTS / f"olivetti-{n}.json") for n in ("seen", "cross"))
    assert seen.roles["training"] == cross.roles["gallery"]
    assert seen.roles["query"] == cross.roles["query"]


@pytest.mark.parametrize(
    ("name", "manifest"),
    [("lfw", "lfw-seen"), ("lfw-seen", "lfw-seen"), ("lfw-unseen", "lfw-unseen"),
     ("olivetti", "olivetti-seen"), ("olivetti-cross", "olivetti-cross")],
)  # fmt: skip
def test_names_choose_their_manifest(name, manifest):
    assert make_dataset(name).layout() == Listed(MANIFESTS / f"{manifest}.json")


@pytest.fixture
def small_lfw(tmp_path, monkeypatch):
    """Return an LFW of two people, whose faces are bright in the box and dark around it."""
    for person in "ab":
        (tmp_path / "lfw" / person).mkdir(parents=True)
        for number in range(5):
            pixels = np.zeros((250, 250), dtype=np.uint8)
            pixels[61:189, 61:189] = 100 + 20 * number + (person == "b")
            Image.fromarray(pixels).save(tmp_path / "lfw" / person / f"{number}.png")
    rule = ByRule()

    class Whole:
        depth, label = 0, "whole"
        find, split = rule.find, rule.split

    lfw = make_dataset("lfw")
    monkeypatch.setattr(type(lfw), "layout", lambda self: Whole())
    items = lfw.load(tmp_path)
    write_manifest(tmp_path / "m.json", "lfw", items, rule.split(items), "for tests")
    monkeypatch.setattr(type(lfw), "layout", lambda self: Listed(tmp_path / "m.json"))
    return tmp_path, lfw


def test_lfw_keeps_the_central_box_at_64_pixels(small_lfw):
    root, lfw = small_lfw
    items = lfw.load(root)
    assert items.images.shape == (10, 3, 64, 64)
    for file, image in zip(items.files, items.images, strict=True):
        assert (image == 100 + 20 * int(file[2]) + (file[0] == "b")).all()
    assert items.notes == ("a gray copy, not the published files",)


def test_colour_copies_of_lfw_are_taken_too(small_lfw):
    root, lfw = small_lfw
    path = root / "lfw" / "a" / "0.png"
    Image.new("RGB", (250, 250), (10, 20, 30)).save(path)
    items = lfw.load(root)
    assert items.images[0, :, 0, 0].tolist() == [10, 20, 30]
    assert items.notes == (UNVERIFIED,)


def test_the_unpacked_archive_s_own_name_is_found(small_lfw):
    root, lfw = small_lfw
    (root / "lfw").rename(root / "lfw_funneled")
    assert len(lfw.load(root)) == 10


def test_images_that_the_manifest_does_not_name_are_not_read(small_lfw):
    root, lfw = small_lfw
    (root / "lfw" / "a" / "9.jpg").write_bytes(b"no image")
    (root / "lfw" / "c").mkdir()
    lfw.prepare(root)
    assert len(lfw.load(root)) == 10


def test_the_digest_is_the_manifest_s(small_lfw):
    root, lfw = small_lfw
    assert lfw.split(lfw.load(root)).digest == read_manifest(root / "m.json").sha256


def test_other_crops_of_lfw_are_refused(small_lfw):
    root, lfw = small_lfw
    Image.new("L", (112, 112)).save(root / "lfw" / "a" / "0.png")
    with pytest.raises(DataError, match=r"0\.png .* 112x112, too small to cut"):
        lfw.prepare(root)


def test_lfw_is_downloaded_verified_and_unpacked(small_lfw, serve, monkeypatch, caplog):
    root, lfw = small_lfw
    archive = root / "served.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / "lfw", "lfw_funneled")
    (root / "lfw").rename(root / "away")
    monkeypatch.setattr(type(lfw), "URL", serve(root) + archive.name)
    with pytest.raises(DataError, match="checksum"):
        lfw.prepare(root)
    monkeypatch.setattr(
        type(lfw), "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest(), raising=True
    )
    lfw.prepare(root)
    assert len(lfw.load(root)) == 10
    assert lfw.terms in caplog.text


@pytest.mark.parametrize("name", ["facescrub", "cfw60k", "youtubefaces", "vggface2"])
def test_sets_in_the_authors_layout(tmp_path, draw, name):
    draw(tmp_path / name / "train", {"ann": 3, "bob": 2}, size=(130, 130))
    draw(tmp_path / name / "test", {"ann": 1, "bob": 2}, size=(130, 130), seed=1)
    dataset = make_dataset(name)
    dataset.prepare(tmp_path)
    items = dataset.load(tmp_path)
    split = dataset.split(items)
    side = 120 if name == "vggface2" else 64
    assert items.images.shape == (8, 3, side, side)
    assert (len(split.training), len(split.query), len(split.gallery)) == (5, 3, 5)


def test_vggface2_cross_takes_the_other_two_folders(tmp_path, draw):
    draw(tmp_path / "vggface2" / "cross_train", {"eve": 2, "joe": 2})
    draw(tmp_path / "vggface2" / "cross_test", {"eve": 1, "joe": 1}, seed=1)
    cross = make_dataset("vggface2-cross")
    split = cross.split(cross.load(tmp_path))
    assert (len(split.training), len(split.query), len(split.gallery)) == (0, 2, 4)
    with pytest.raises(DataError, match="got no train/"):
        make_dataset("vggface2").prepare(tmp_path)


@pytest.mark.parametrize("name", ["facescrub", "cfw60k", "youtubefaces", "vggface2", "olivetti"])
def test_a_set_without_an_address_says_where_it_is(tmp_path, name):
    with pytest.raises(DataError, match=rf"{name} must be there, it is missing.*\. \w.{{40}}"):
        make_dataset(name).prepare(tmp_path)


def test_a_folder_s_split_is_written_down(tmp_path, draw):
    draw(tmp_path / "мої", {"Лесь": 10, "王": 4})
    dataset = make_dataset(f"folder:{tmp_path / 'мої'}")
    root = tmp_path / "data"
    dataset.prepare(root)
    split = dataset.split(dataset.load(root))
    assert (len(split.query), len(split.gallery)) == (3, 11)
    [path] = (root / "manifests").iterdir()
    assert path.name == f"мої-{split.digest[:12]}.json"
    assert read_manifest(path).sha256 == split.digest
    assert not (tmp_path / "мої" / ".cache").exists()


def test_a_folder_takes_fraction_and_seed(tmp_path, draw):
    draw(tmp_path / "own", {"a": 10, "b": 10})

    def split(**options):
        dataset = make_dataset(f"folder:{tmp_path / 'own'}", options)
        return dataset.split(dataset.load(tmp_path))

    assert len(split(fraction="0.5").query) == 10
    assert split(seed="1").digest != split().digest
    with pytest.raises(UsageError, match="fraction must be a number within"):
        split(fraction="1.5")


def test_a_folder_with_parts_is_split_by_them(tmp_path, draw):
    draw(tmp_path / "own" / "train", {"a": 3, "b": 3})
    draw(tmp_path / "own" / "test", {"a": 1, "b": 1}, seed=1)
    dataset = make_dataset(f"folder:{tmp_path / 'own'}")
    split = dataset.split(dataset.load(tmp_path / "data"))
    assert (len(split.query), len(split.gallery)) == (2, 6)
    assert not (tmp_path / "data" / "manifests").exists()


def test_a_folder_needs_a_path_that_is_there(tmp_path):
    with pytest.raises(UsageError, match="folder:PATH"):
        make_dataset("folder").prepare(tmp_path)
    with pytest.raises(DataError, match=r"nowhere must be there, it is missing.* folder:PATH"):
        make_dataset(f"folder:{tmp_path / 'nowhere'}").prepare(tmp_path)


@pytest.mark.parametrize(
    "name", [n for n, e in datasets().items() if not e.module.endswith("synthfaces")]
)
def test_every_set_states_terms_and_summary(name):
    assert datasets()[name].summary
    assert make_dataset(name).terms


@pytest.mark.parametrize(
    ("name", "counts", "notes"),
    [
        pytest.param(
            "lfw", (2576, 641, 2576), ("a gray copy, not the published files",), marks=needs_data
        ),
        pytest.param(
            "lfw-unseen",
            (0, 530, 1131),
            ("a gray copy, not the published files",),
            marks=needs_data,
        ),
        pytest.param("olivetti", (280, 120, 280), (UNVERIFIED,), marks=needs_data),
        pytest.param("olivetti-cross", (0, 120, 280), (UNVERIFIED,), marks=needs_data),
    ],
)
def test_the_measuring_sets_give_the_manifests_splits(name, counts, notes):
    dataset = make_dataset(name)
    dataset.prepare(Path(DATA))
    items = dataset.load(Path(DATA))
    split = dataset.split(items)
    assert (len(split.training), len(split.query), len(split.gallery)) == counts
    assert split.digest == read_manifest(dataset.layout().manifest).sha256
    assert items.images.shape[1:] == (3, 64, 64)
    assert (items.notes, split.notes) == (notes, ())
