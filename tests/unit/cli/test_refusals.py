"""What the system refuses a verb: one sentence, the right exit code, no traceback."""

import errno

import pytest
import torch

from hashquant.cli import main
from hashquant.plugins import registry
from hashquant.records.store import Store

REFUSALS = [
    (OSError(errno.EIO, "Input/output error", "/x/y"), "/x/y: Input/output error"),
    (OSError(errno.EROFS, "Read-only file system", "/x"), "/x: Read-only file system"),
    (OSError(errno.ENOSPC, "No space left on device", "/tmp/z"), "/tmp/z: the disk is full"),
    (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    (MemoryError(), "out of memory"),
    (torch.OutOfMemoryError("CUDA out of memory.\nmore"), "out of memory: CUDA out of memory."),
]
VERBS = {
    "list": ["list", "methods"],
    "data": ["data", "synthfaces"],
    "verify": ["verify"],
    "explain": ["explain", "x"],
    "report": ["report"],
    "run": ["--dry-run"],
}


@pytest.mark.parametrize(("error", "sentence"), REFUSALS, ids=[words for _, words in REFUSALS])
@pytest.mark.parametrize("verb", VERBS)
def test_a_refusal_nobody_expected_is_one_sentence(monkeypatch, capsys, verb, error, sentence):
    def refuse(*_, **__):
        raise error

    for owner, name in ((registry, "methods"), (registry, "datasets"), (Store, "suites"),
                        (Store, "read"), (registry, "suites")):  # fmt: skip
        monkeypatch.setattr(owner, name, refuse)
    monkeypatch.setattr("hashquant.report.trace.locate._cells", refuse)
    assert main(VERBS[verb]) == 1
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_another_error_is_not_taken_for_the_systems(monkeypatch):
    def wrong(*_):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(registry, "methods", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        main(["list", "methods"])


@pytest.mark.parametrize("verb", ["run", "data"])
@pytest.mark.parametrize("path", ["~nosuchuser/x", "x" * 300, "{tmp}/loop", "{tmp}/file/x"])
def test_a_folder_that_cannot_be_meant_is_a_usage_error(where, tmp_path, capsys, verb, path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    reference = f"folder:{path}".replace("{tmp}", str(tmp_path))
    words = ["data", reference, *where[4:]] if verb == "data" else ["--datasets", reference, *where]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: dataset folder:PATH must b")
    assert said.count("\n") == 1


@pytest.mark.parametrize("flag", ["--results-dir", "--reports-dir", "--data-dir"])
@pytest.mark.parametrize("path", ["~nosuchuser/x", "", "/dev/zero", "{tmp}/file", "{tmp}/loop/x"])
def test_a_place_that_cannot_be_is_refused_before_anything_runs(tmp_path, capsys, flag, path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    assert main([f"{flag}={path}".replace("{tmp}", str(tmp_path))]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {flag} must b")
    assert said.count("\n") == 1


def test_one_set_that_fails_leaves_the_others(where, tmp_path, capsys, draw):
    draw(tmp_path / "faces", {"ann": 6, "bob": 6})
    words = ["data", "folder:/no/such", f"folder:{tmp_path}/faces", "olivetti", *where[4:]]
    assert main([*words, "--quiet"]) == 3
    said = capsys.readouterr()
    assert said.err.count("error: ") == 2
    assert "12 images of 2 classes" in said.out


def test_bad_weights_are_refused_once_and_before_the_images(where, tmp_path, capsys):
    (tmp_path / "w.pth").write_bytes(b"<html>")
    words = ["--trunk", f"sphere20-narrow:{tmp_path}/w.pth", *where, "--bits", "16", "24"]
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.err.count("error: ") == 1
    assert "it is a web page" in said.err
    assert said.out.startswith("summary: done=0 ")
    assert [p.name for p in tmp_path.iterdir()] == ["w.pth"]


def test_a_folder_that_was_removed_is_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["list"]) == 2
    assert "the folder that this was started in must exist" in capsys.readouterr().err
