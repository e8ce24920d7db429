"""Whoever points at the wrong level is told which one was meant."""

import pytest

from hashquant.data.standing.levels import PartNames, beside, parts_in, why_no_folder
from hashquant.errors import DataError, UsageError
from hashquant.plugins.registry import make_dataset

IDENTITIES = ("p0", "p1", "p2")


def tree(folder, *places):
    for place in places:
        for name in IDENTITIES:
            for number in (0, 1):
                path = folder / place / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
    return folder


def layout(folder, **options):
    return make_dataset(f"folder:{folder}", options).layout()


@pytest.mark.parametrize(
    ("gallery", "query"),
    [("train", "test"), ("Train", "Test"), ("TRAIN", "test"), ("training", "Testing"),
     ("gallery", "query"), ("Gallery", "probe"), ("train_set", "test-set"), ("01_Train", "02_Test"),
     ("TrainImages", "TestImages"), ("database", "queries")],
)  # fmt: skip
def test_parts_in_any_spelling_are_parts(tmp_path, gallery, query):
    tree(tmp_path, gallery, query)
    assert parts_in(tmp_path) == PartNames(gallery, query)
    found = layout(tmp_path).find(tmp_path)
    assert {name.split("/")[1] for name in found.names} == set(IDENTITIES)
    assert len(found.names) == 12


def test_what_stands_beside_two_parts_is_left_out_and_said(tmp_path):
    tree(tmp_path, "Train", "Val", "Test", "results/quick/lfw/opqn/24bit/seed0-ab")
    found = layout(tmp_path).find(tmp_path)
    assert found.notes == ("left out beside Train/ and Test/: Val/",)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["Train"], r"two parts.* got Train/ alone; give folder:.*/Train for queries drawn from"),
        (["probe"], r"two parts.* got probe/ alone"),
        (["train", "gallery", "query"], r"gallery/, train/, query/ look like parts: say which"),
        (["train", "Train", "test"], r"Train/, train/, test/ look like parts"),
        (["training", "val"], r"training/, val/ look like parts: .*folder\.parts=GALLERY/QUERY"),
    ],
)
def test_parts_that_could_be_meant_in_several_ways_are_refused(tmp_path, places, message):
    tree(tmp_path, *places)
    with pytest.raises(DataError, match=message):
        layout(tmp_path)


def test_a_class_of_that_name_is_a_class(tmp_path):
    tree(tmp_path, "")
    (tmp_path / "p0").rename(tmp_path / "train")
    assert parts_in(tmp_path) is None
    assert len(layout(tmp_path).find(tmp_path).names) == 6


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["faces"], r"give folder:.*/faces$"),
        (["a/b/faces"], r"give folder:.*/a/b/faces$"),
        (["a/Train", "a/Test"], r"give folder:.*/a$"),
        (["s1/faces", "s2/faces"], r"that repeat \(faces in s1/ and s2/\).*folder\.parts=s1/s2"),
        (["enrolment", "verify"], r"repeat \(p0, p1, p2 in enrolment/ and verify/\)"),
        (["", "old"], r"old/ holds no image itself, but .* \(p0, p1, p2\)"),
        (["Train/x", "Test/x"], r"Train must have one folder per identity.*give folder:.*Train/x"),
    ],
)
def test_one_level_too_high(tmp_path, places, message):
    tree(tmp_path, *places)
    with pytest.raises(DataError, match=message):
        layout(tmp_path).find(tmp_path)


def test_groups_of_identities_are_no_identities(tmp_path):
    for group, name in (("men", "p0"), ("men", "p1"), ("women", "q0"), ("women", "q1")):
        (tmp_path / group / name).mkdir(parents=True)
        (tmp_path / group / name / "1.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"put them side by side .* one group \(folder:.*/men\)"):
        layout(tmp_path).find(tmp_path)
    assert len(layout(tmp_path, parts="none").find(tmp_path).names) == 4


def test_folders_inside_an_identity_are_the_identity_s(tmp_path):
    tree(tmp_path, "")
    for place in ("p0/2019", "p0/2020/june", "p9/2019"):
        (tmp_path / place).mkdir(parents=True)
        for number in "56":
            (tmp_path / place / f"{number}.png").write_bytes(b"x")
    assert len(layout(tmp_path).find(tmp_path).names) == 12


def test_a_user_can_say_which_are_parts_or_that_none_are(tmp_path):
    tree(tmp_path, "s1", "s2", "train")
    assert layout(tmp_path, parts="s1/s2").find(tmp_path).names[0] == "s1/p0/0.png"
    assert len(layout(tmp_path, parts="none").find(tmp_path).names) == 18
    for said in ("s1", "s1/", "/s2", "a/b/c", "s1/s1"):
        with pytest.raises(UsageError, match="parts must be none or GALLERY/QUERY"):
            layout(tmp_path, parts=said)


def test_one_level_too_low(tmp_path):
    tree(tmp_path, "Train", "Test")
    low = tmp_path / "Train" / "p0"
    with pytest.raises(DataError, match=rf"its 2 images .* one identity, .*folder:{tmp_path}$"):
        layout(low).find(low)
    loose = tree(tmp_path / "y", "") / "p0"
    with pytest.raises(DataError, match=rf"give the folder above, folder:{tmp_path}/y$"):
        layout(loose).find(loose)


@pytest.mark.parametrize(
    ("name", "head", "message"),
    [
        ("x.zip", b"PK\3\4", "it is an archive: unpack it and give the folder that it makes"),
        ("x.tar.gz", b"", "it is an archive"),
        ("backup", b"PK\3\4", r"it is an archive \(ZIP\): unpack it"),
        ("0.png", b"\x89PNG", "it is a file: give the folder of the identities' folders"),
    ],
)
def test_a_file_is_no_folder(tmp_path, name, head, message):
    (tmp_path / name).write_bytes(head)
    for use in ("prepare", "load"):
        with pytest.raises(DataError, match=f"must be a folder of images, {message}"):
            getattr(make_dataset(f"folder:{tmp_path / name}"), use)(tmp_path)


def test_a_link_that_leads_nowhere_and_a_name_too_long(tmp_path):
    (tmp_path / "x").symlink_to("gone")
    assert why_no_folder(tmp_path / "x") == "it is a link to gone, which cannot be followed"
    assert why_no_folder(tmp_path / ("x" * 300)) == "File name too long"
    assert why_no_folder(tmp_path) == why_no_folder(tmp_path / "none") == ""


def test_a_missing_folder_s_neighbours_are_offered(tmp_path):
    tree(tmp_path / "faces", "")
    (tmp_path / "lfw-funneled.TGZ").write_bytes(b"x")
    assert beside(tmp_path / "facse") == f"did you mean {tmp_path / 'faces'}?"
    assert beside(tmp_path / "lfw") == "lfw-funneled.TGZ is there: unpack it"
    assert beside(tmp_path / "zzz") == beside(tmp_path / "no" / "where") == ""


def test_a_published_set_in_other_letters_is_told(tmp_path):
    tree(tmp_path / "facescrub", "Train", "test")
    with pytest.raises(DataError, match=r"got no train/: rename Train/ to train/"):
        make_dataset("facescrub").prepare(tmp_path)


def test_an_unknown_user_s_home(tmp_path):
    with pytest.raises(UsageError, match="got ~nosuchuser in '~nosuchuser/x'"):
        make_dataset("folder:~nosuchuser/x").prepare(tmp_path)
