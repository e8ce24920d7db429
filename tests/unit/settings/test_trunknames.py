import os

import pytest

from hashquant.errors import UsageError
from hashquant.settings import trunknames
from hashquant.settings.trunknames import sealed, unsealed


def test_the_digest_of_a_file_is_part_of_its_name(tmp_path):
    (tmp_path / "w@1.pth").write_bytes(b"abc")
    name = sealed(f"resnet18:{tmp_path}/w@1.pth")
    assert name.endswith("@ba7816bf8f01")  # the published digest of "abc"
    assert unsealed(name) == ("resnet18", tmp_path / "w@1.pth")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("/dev/zero", "got a device: /dev/zero"), ("fifo", "a FIFO"), ("folder", "a folder"),
        ("none", "got no such file"), ("~nosuchuser/w", "a home that is known"),
        ("x" * 300, "File name too long"), ("empty", "must be 1 to .* bytes, got 0"),
        ("large", "must be 1 to 99 bytes, got 100"),
    ],
)  # fmt: skip
def test_what_has_no_end_or_nothing_in_it_is_not_read(tmp_path, monkeypatch, file, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trunknames, "MOST_WEIGHT_BYTES", 99)
    os.mkfifo("fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(bytes(100))
    with pytest.raises(UsageError, match=reason) as refused:
        sealed(f"resnet18:{file}")
    assert str(refused.value).startswith("weights of trunk resnet18 must be")


def test_without_a_path_there_is_no_file():
    with pytest.raises(UsageError, match="must be a path, got nothing"):
        sealed("resnet18:")
