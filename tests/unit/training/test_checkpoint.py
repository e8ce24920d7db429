"""Checkpoints: written whole, read back exactly, and set aside when they cannot be trusted."""

import io
import logging

import pytest
import torch

from hashquant.errors import StoreError
from hashquant.machine.seals import add_seal
from hashquant.training.checkpoint import CheckpointFile, Progress


def some_progress(epochs=2):
    return Progress(
        epochs,
        {"weight": torch.arange(6.0).reshape(2, 3)},
        {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        tuple({"loss": 1.5 - epoch, "total": 2.0} for epoch in range(epochs)),
        12.5,
        600,
    )


def test_what_is_saved_comes_back(tmp_path):
    file = CheckpointFile(tmp_path / "checkpoint.pt", "abc")
    assert file.load() is None
    file.save(some_progress(1))
    file.save(some_progress(2))
    found = file.load()
    assert torch.equal(found.network["weight"], some_progress().network["weight"])
    assert found.optimizer["param_groups"] == [{"lr": 0.1, "params": [0]}]
    assert (found.epochs_done, found.losses, found.seconds, found.images) == (
        2,
        some_progress().losses,
        12.5,
        600,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]  # no temporary left


def corrupt_bytes(path):
    path.write_bytes(b"not a checkpoint")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def empty(path):
    path.write_bytes(b"")


def sealed(path, content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    add_seal(buffer)
    path.write_bytes(buffer.getvalue())


def foreign_pickle(path):
    sealed(path, {"format": 1, "run_id": "abc", "object": CheckpointFile})


def missing_keys(path):
    sealed(path, {"format": 1, "run_id": "abc"})


def no_mapping(path):
    sealed(path, torch.zeros(3))


def flip_a_bit_of_a_weight(path):
    data = bytearray(path.read_bytes())
    data[data.index(torch.arange(6.0).numpy().tobytes()) + 9] ^= 64
    path.write_bytes(data)


def an_older_versions(path):
    torch.save({"format": 1, "run_id": "abc"} | vars(some_progress()), path)


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [corrupt_bytes, truncate, empty, foreign_pickle, missing_keys, no_mapping,
     flip_a_bit_of_a_weight, an_older_versions, a_folder],
)  # fmt: skip
def test_a_damaged_file_is_set_aside_with_a_warning(tmp_path, caplog, damage):
    file = CheckpointFile(tmp_path / "checkpoint.pt", "abc")
    file.save(some_progress())
    damage(file.path)
    with caplog.at_level(logging.WARNING):
        assert file.load() is None
    assert "set aside as checkpoint.pt.corrupt" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt.corrupt"]
    file.save(some_progress())
    assert file.load() is not None


def test_another_runs_checkpoint_is_set_aside(tmp_path, caplog):
    path = tmp_path / "checkpoint.pt"
    CheckpointFile(path, "abc").save(some_progress())
    assert CheckpointFile(path, "xyz").load() is None
    assert "belongs to another run" in caplog.text
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    file = CheckpointFile(tmp_path / "file" / "checkpoint.pt", "abc")
    with pytest.raises(StoreError, match=r"cannot write .*checkpoint.pt"):
        file.save(some_progress())


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    file = CheckpointFile(tmp_path / "checkpoint.pt", "abc")
    file.save(some_progress(1))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="the disk is full"):
        file.save(some_progress(2))
    assert file.load().epochs_done == 1
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
