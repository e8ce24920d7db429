"""Litter, links, pipes and the program's own folders: what of a tree is a set's."""

import os
import socket

import pytest

from hashquant.data.layouts import ByRule, Parts
from hashquant.data.standing._litter import is_litter
from hashquant.data.standing.walk import find_identities
from hashquant.errors import DataError

LITTER = [
    "@eaDir", "@EADIR", "#recycle", "#Recycle", "#snapshot", "@Recycle", ".@__thumb", "~snapshot",
    "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "lost+found", "LOST.DIR",
    "FOUND.000", "__MACOSX", "._0.png", ".Trash-1000", ".snapshot", ".thumbnails", "Thumbs.db",
    "THUMBS.DB", "ehthumbs.db", "desktop.ini", ".picasa.ini", "Picasa.ini", ".ipynb_checkpoints",
    ".git", ".svn", ".dvc", ".nomedia", "SYNOPHOTO_THUMB_M.jpg", "synophoto_film_m.jpg", "Icon\r",
    ".AppleDouble", ".fseventsd", ".Spotlight-V100", ".TemporaryItems", "0.png:Zone.Identifier",
    "0.png@SynoEAStream", ".DS_Store", ".stversions", ".nfs0001", "__pycache__",
]  # fmt: skip
NO_LITTER = [
    "@ann", "#1", "lost", "found", "thumbs", "recycle", "王", "snapshot", "__init__", "found.com",
    "synopsis_1",
]  # fmt: skip


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.fixture
def people(tmp_path):
    touch(tmp_path / "x", "a/0.png", "a/1.png", "b/0.png", "b/1.png")
    return tmp_path / "x"


ALL = ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]


@pytest.mark.parametrize("name", LITTER)
def test_litter_is_no_image_and_no_identity(people, name):
    assert is_litter(name)
    touch(people, f"{name}/0.png", f"{name}/1.png", f"a/{name}/0.png/deep.jpg")
    touch(people, f"b/sub/{name}")
    touch(people, "b/sub/2.png")
    found = find_identities(people)
    assert found.names == sorted([*ALL, "b/sub/2.png"])
    assert found.notes == ()


@pytest.mark.parametrize("name", NO_LITTER)
def test_names_that_people_give_are_kept(people, name):
    touch(people, f"{name}/0.png")
    assert f"{name}/0.png" in find_identities(people).names


def test_a_link_to_a_folder_is_followed_once(people):
    touch(people.parent / "more", "2.png")
    (people / "a" / "new").symlink_to(people.parent / "more")
    (people / "a" / "again").symlink_to(people.parent / "more")
    (people / "a" / "itself").symlink_to(people / "a")
    (people / "c").symlink_to(people.parent / "more", target_is_directory=True)
    with pytest.raises(DataError, match=r"a/again is the folder of c too, by a link"):
        find_identities(people)
    (people / "c").unlink()
    found = find_identities(people)
    assert found.names == sorted([*ALL, "a/again/2.png"])
    assert found.notes == ()


@pytest.mark.parametrize("above", ["..", "../..", "/"])
def test_a_link_to_what_it_stands_in_is_left_out_and_said(people, above):
    (people / "a" / "up").symlink_to(above)
    (people / "up").symlink_to(".")
    found = find_identities(people)
    assert found.names == ALL
    assert found.notes == tuple(
        f"{name} left out: it leads to a folder that it stands in" for name in ("up", "a/up")
    )


def test_two_names_of_one_folder_are_two_identities_of_one_person(people):
    (people / "ann").symlink_to("a")
    with pytest.raises(DataError, match="ann is the folder of a too"):
        find_identities(people)


def test_real_folders_keep_their_names_whatever_links_to_them(people):
    touch(people, "a/z/3.png")
    (people / "a" / "link").symlink_to("z")
    assert find_identities(people).names == sorted([*ALL, "a/z/3.png"])


def test_what_cannot_be_read_is_listed_so_that_it_is_missed(people):
    os.mkfifo(people / "a" / "pipe.png")
    (people / "a" / "lost.png").symlink_to("nowhere.png")
    (people / "b" / "round.png").symlink_to("round.png")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(people / "b" / "socket.png"))
    found = ByRule().find(people)
    odd = {"a/pipe.png", "a/lost.png", "b/round.png", "b/socket.png"}
    assert set(found.names) - set(ALL) == odd
    assert len(found.stamps) == 8


def test_an_unreadable_folder_is_named_not_left_out(people, monkeypatch):
    scan = os.scandir

    def refused(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("os.scandir", refused)
    with pytest.raises(DataError, match=r"x/b cannot be read: Permission denied"):
        find_identities(people)


def test_images_beside_the_identities_are_said(people):
    touch(people, "cover.JPG", "readme.txt", "z.png")
    assert find_identities(people).notes == (
        "2 images beside the folders left out (the first: cover.JPG)",
    )


@pytest.mark.parametrize(
    "files",
    [
        ("results/quick/.lock",),
        ("out/quick/lfw/opqn/24bit/seed0-1a2b3c/train.json", "out/quick/.lock"),
        ("quick/lfw/opqn/24bit/seed0-1a2b3c/lfw/eval.json",),
        ("reports/quick/tables/map.csv", "reports/quick/figures/pr.png"),
        ("Berichte/claims.csv", "Berichte/claims.tex", "Berichte/claims.md"),
        ("data/.cache/x_all-0123abcd.lock", "data/lfw/Ann/1.png"),
        ("d/.cache/x_all-0123abcd-0123456789abcdef/index.json",),
        ("manifests/x-0123456789ab.json",),
        ("synthfaces/0123456789abcdef.npy",),
    ],
)
def test_what_this_program_writes_is_no_identity(people, files):
    touch(people, *files)
    found = find_identities(people)
    assert found.names == ALL
    assert found.own == (files[0].split("/")[0],)
    assert found.notes == ()


def test_names_alone_make_no_folder_the_program_s(people):
    touch(people, "results/0.png", "reports/tables/1.png", "data/0.png", "manifests/x.json")
    assert len(find_identities(people).files) == 6


def test_parts_say_what_was_left_out_of_each_and_beside_them(tmp_path):
    touch(tmp_path, *(f"{p}/{i}/1.png" for p in ("train", "test") for i in "ab"), "test/c.png")
    found = Parts(others=("val", "w", "x", "y")).find(tmp_path)
    assert found.notes == (
        "test/: 1 images beside the folders left out (the first: c.png)",
        "left out beside train/ and test/: val/, w/, x/ and 1 more",
    )
