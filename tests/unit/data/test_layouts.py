import os
import unicodedata

import numpy as np
import pytest

from hashquant.data.items import Items
from hashquant.data.layouts import ByRule, Listed, Parts, file_list, identities
from hashquant.data.manifests import read_manifest, write_manifest
from hashquant.errors import DataError


def items_of(files, depth, content=None, skipped=()):
    names, labels = identities(tuple(files), depth)
    return Items(
        images=np.zeros((len(files), 3, 2, 2), dtype=np.uint8), labels=labels, class_names=names,
        files=tuple(files), content=tuple(content or files), version="v", skipped=skipped,
    )  # fmt: skip


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_files_are_sorted_and_hidden_ones_left_out(tmp_path):
    touch(tmp_path, "b/2.png", "b/1.png", "a/1.png", "a/2.png", "a/deep/er/2.png")
    touch(tmp_path, "README.txt", ".git/x", "__MACOSX/a/1.png")
    touch(tmp_path, "a/.DS_Store", "a/Thumbs.db", "a/.hidden/3.png")
    found = ByRule().find(tmp_path)
    assert found.names == ("a/1.png", "a/2.png", "a/deep/er/2.png", "b/1.png", "b/2.png")
    assert found.stamps.shape == (5, 2)


def test_names_in_any_script_in_either_form(tmp_path):
    composed = "Zoë"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    touch(tmp_path, f"train/{composed}/1.png", f"test/{decomposed}/1.png",
          "train/王/1.png", "test/王/1.png")  # fmt: skip
    found = Parts().find(tmp_path)
    names, labels = identities(found.names, 1)
    assert names == (composed, "王")
    assert np.bincount(labels).tolist() == [2, 2]


def test_parts_are_compared_by_name_never_by_index(tmp_path):
    touch(tmp_path, "train/b/1.png", "train/a/1.png", "test/b/1.png", "test/a/1.png")
    found = Parts().find(tmp_path)
    items = items_of(found.names, 1)
    split = Parts().split(items)
    for query in split.query:
        same = items.labels[split.gallery] == items.labels[query]
        [row] = split.gallery[same]
        assert items.files[row].split("/")[1] == items.files[query].split("/")[1]
    assert np.array_equal(split.training, split.gallery)
    assert split.protocol == "seen"


def test_untrained_parts_are_only_examined(tmp_path):
    parts = Parts("cross_train", "cross_test", trained=False)
    touch(tmp_path, *(f"{p}/{i}/1.png" for p in ("cross_train", "cross_test") for i in "ab"))
    split = parts.split(items_of(parts.find(tmp_path).names, 1))
    assert (len(split.training), len(split.query), len(split.gallery)) == (0, 2, 2)
    assert split.protocol == "unseen"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/a/1.png"], "got no test/"),
        (["test/a/1.png"], "got no train/"),
        (["train/a/1.png", "test/a/1.png"], r"at least 2 identities, got 1 \(a\)"),
        (["train/x.png", "test/x.png"], "at least 2 identities, got none"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"],
         "1 without images in test/, the first is b"),
        ([f"{p}/{i}/1.png" for p in ("train", "test") for i in "ab"] + ["test/0/1", "test/c/1"],
         "2 without images in train/, the first is 0"),
        (["train/a/1", "train/b/.x", "test/a/1", "test/b/1"], "must hold images, got none in b"),
    ],
)  # fmt: skip
def test_parts_that_form_no_split(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        Parts().find(tmp_path)


def test_identities_lost_to_bad_images_are_named():
    with pytest.raises(DataError, match=r"can be read: .*in test/, the first is b"):
        Parts().split(items_of(["train/a/1", "train/b/1", "test/a/1"], 1))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/1", "a/2"], r"at least 2 identities, got 1 \(a\)"),
        (["1.png"], "got none"),
        (["a/1", "a/2", "b/1", "c/1"], "got 1 for 2 of 3, the first is b"),
        (["a/1", "a/2", "b/.hidden"], "must hold images, got none in b"),
    ],
)
def test_folders_that_form_no_split_by_rule(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        ByRule().find(tmp_path)


def test_the_rule_gives_every_identity_queries_and_a_gallery():
    files = [f"{c}/{i}" for c, n in (("a", 2), ("b", 10), ("c", 30)) for i in range(n)]
    items = items_of(files, 0)
    split = ByRule().split(items)
    assert np.bincount(items.labels[split.query]).tolist() == [1, 2, 6]
    assert np.bincount(items.labels[split.gallery]).tolist() == [1, 8, 24]
    assert ByRule().split(items).digest == split.digest
    assert ByRule(seed=1).split(items).digest != split.digest


def test_a_written_split_reads_back_the_same(tmp_path):
    items = items_of([f"é{c}/{i}" for c in "ab" for i in range(5)], 0)
    split = ByRule().split(items)
    path = tmp_path / "new" / "m.json"
    write_manifest(path, "folder:x", items, split, ByRule().rule)
    manifest = read_manifest(path)
    assert manifest.sha256 == split.digest
    assert manifest.counts == {"training": 8, "query": 2}
    again = Listed(path).split(items)
    assert again.digest == split.digest
    assert np.array_equal(again.query, split.query)
    assert [p.name for p in path.parent.iterdir()] == ["m.json"]


def test_a_manifest_s_missing_files_are_counted(tmp_path):
    items = items_of([f"{c}/{i}" for c in "ab" for i in range(5)], 0)
    split = ByRule().split(items)
    path = tmp_path / "m.json"
    write_manifest(path, "x", items, split, "")
    touch(tmp_path, *items.files[2:])
    with pytest.raises(DataError, match="2 of 10 images are missing, the first is a/0"):
        Listed(path).find(tmp_path)
    touch(tmp_path, *items.files)
    assert Listed(path).find(tmp_path).names == tuple(sorted(items.files))


def test_a_manifest_s_bad_images_are_left_out_and_counted(tmp_path):
    files = [f"{c}/{i}" for c in "ab" for i in range(5)]
    items = items_of(files, 0)
    path = tmp_path / "m.json"
    write_manifest(path, "x", items, ByRule().split(items), "")
    lost = files[ByRule().split(items).gallery[0]]
    split = Listed(path).split(items_of([f for f in files if f != lost], 0, skipped=(lost,)))
    assert len(split.gallery) == 7
    assert split.notes == ("1 images of the split's manifest skipped",)
    with pytest.raises(DataError, match="1 images of split 'seen' are missing"):
        Listed(path).split(items_of([f for f in files if f != lost], 0))


def test_an_edited_manifest_is_refused(tmp_path):
    items = items_of([f"{c}/{i}" for c in "ab" for i in range(5)], 0)
    path = tmp_path / "m.json"
    write_manifest(path, "x", items, ByRule().split(items), "")
    path.write_text(path.read_text().replace("a/0", "a/9"))
    with pytest.raises(DataError, match="do not match its sha256"):
        Listed(path).find(tmp_path)


def test_file_names_that_are_no_text(tmp_path):
    touch(tmp_path, *(f"{os.fsdecode(bytes([97, 255]))}/{i}" for i in "12"), "b/1", "b/2")
    with pytest.raises(DataError, match="must be UTF-8"):
        ByRule().find(tmp_path)


def test_stamps_follow_the_files(tmp_path):
    touch(tmp_path, "a", "b")
    (tmp_path / "b").write_bytes(b"longer")
    assert file_list(tmp_path, ["b", "a"]).stamps[:, 0].tolist() == [1, 6]
