"""Paths that a user may write, and what the system cannot follow."""

import os

import pytest

from hashquant.errors import UsageError
from hashquant.settings.paths import check_here, regular_file, user_folder, user_path


def test_homes_are_taken_as_a_shell_takes_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/faces") == tmp_path / "faces"
    assert user_folder("~") == tmp_path


def test_what_lies_nowhere_yet_is_a_path(tmp_path):
    assert user_folder(str(tmp_path / "a/b/c")) == tmp_path / "a/b/c"
    assert user_path("a b, c+d:é") == user_path("./a b, c+d:é")


@pytest.mark.parametrize("take", [user_path, user_folder])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "got nothing"),
        ("~nosuchuser/x", "a home that is known, got ~nosuchuser"),
        ("a\0b", "NUL byte"),
        ("a\ud800b", "it is no text"),
        ("x" * 300, "File name too long"),
        ("x/" * 3000, "File name too long"),
        ("{tmp}/loop", "Too many levels"),
        ("{tmp}/loop/x", "Too many levels"),
        ("{tmp}/file/x", "Not a directory"),
        ("/dev/null/x", "Not a directory"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(tmp_path, take, text, reason):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=reason) as refused:
        take(text.replace("{tmp}", str(tmp_path)), "--data-dir")
    assert str(refused.value).startswith("--data-dir must be")
    assert "\n" not in str(refused.value)
    assert "\0" not in str(refused.value)


def test_a_home_that_nobody_knows(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, and no such uid
    with pytest.raises(UsageError, match="a home that is known, got ~ in '~/x'"):
        user_path("~/x")


def test_a_folder_on_the_way_that_may_not_be_entered(tmp_path, monkeypatch):
    def denied(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", denied)
    with pytest.raises(UsageError, match="Permission denied"):
        user_path("/root/x")


@pytest.mark.parametrize(
    ("kind", "words"), [("file", "a file"), ("fifo", "a FIFO"), ("/dev/zero", "a device")]
)
def test_only_a_folder_is_a_folder(tmp_path, kind, words):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match=f"--reports-dir must be a folder, got {words}: "):
        user_folder(str(tmp_path / kind), "--reports-dir")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "no such file"),
        ("folder", "a folder"),
        ("fifo", "a FIFO"),
        ("/dev/zero", "a device"),
    ],
)
def test_only_a_file_is_a_file(tmp_path, kind, words):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match=f"weights must be a file, got {words}: "):
        regular_file(str(tmp_path / kind), "weights")


def test_a_folder_that_was_removed_is_nowhere_to_start(tmp_path, monkeypatch):
    check_here()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="must exist"):
        check_here()
