"""Files that are no weights of this trunk: each refused in one sentence, no code of them run."""

import os
import pickle
import struct
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from hashquant.errors import UsageError
from hashquant.training.trunks import _weights, build_trunk, check_weights
from hashquant.training.trunks._weights import fitting_weights

OWN = {"a": torch.randn(3, 2), "b.num_batches_tracked": torch.tensor(4)}


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def written(path, value):
    """Write bytes as they are and anything else by torch.save."""
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        torch.save(value, path)
    return path


def changed(**tensors):
    return {**OWN, **tensors}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "it is empty"),
        (b"\n <!DOCTYPE html>please log in", "it is a web page"),
        (b"<HTML>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"hello\nworld\n", "cut short or damaged"),
        (bytes(range(256)) * 9, "cut short or damaged"),
        (b"\x80", "cut short or damaged"),
        (b"PK\x03\x04 cut", "cut short or damaged"),
        (struct.pack("<Q", 2**62) + b"{}", "cut short or damaged"),
        (struct.pack("<Q", 40) + b'{"a":{"dtype":"F32"', "cut short or damaged"),
        (b"\x93NUMPY\x01\x00v\x00" + b"x" * 200, "cut short or damaged"),
        (pickle.dumps(Evil()), "cut short or damaged"),
        ({"x": Evil()}, r"more than tensors \((posix|os)\.mkdir\): save .* state_dict\(\)"),
        (torch.nn.Linear(2, 2), r"more than tensors \(torch\.nn\.modules\.linear\.Linear\)"),
        ([1, 2], "must map names to tensors, got a list"),
        (torch.zeros(3), "must map names to tensors, got a Tensor"),
        ({}, "must map names to tensors"),
        ({"lr": 0.1, "epoch": 3}, r"must map names to tensors, got \['lr', 'epoch'\]"),
        ({"model": OWN, "ema": OWN}, "must hold one state_dict, got several: 'model', 'ema'"),
        ({"b": OWN["a"]}, "must hold 'a' for trunk 't'"),
        (changed(odd=torch.zeros(1)), "hold 'odd', which trunk 't' does not know"),
        (changed(**{"\x1b[1m\n": torch.zeros(1)}), r"hold '\\x1b\[1m', which"),
        (changed(a=torch.zeros(2, 3)), r"'a' must have shape \(3, 2\)"),
        (changed(a=torch.full((3, 2), torch.nan)), "'a' must be finite"),
        (changed(a=torch.tensor([[1, 1], [1, 1], [1, torch.inf]])), "'a' must be finite"),
        (changed(a=torch.full((3, 2), torch.nan, dtype=torch.bfloat16)), "'a' must be finite"),
        (changed(a=torch.zeros(3, 2, dtype=torch.int8)), "'a' must be plain torch.float32"),
        (changed(a=torch.zeros(3, 2, dtype=torch.complex64)), "'a' must be plain torch.float32"),
        (changed(a=torch.zeros(3, 2).to_sparse()), "'a' must be plain .*sparse"),
        (changed(a=torch.zeros(3, 2, device="meta")), "'a' must be plain .* got no values"),
    ],
)  # fmt: skip
def test_what_is_no_weights_of_this_trunk_is_told_as_what_it_is(tmp_path, value, reason):
    path = written(tmp_path / "w.pth", value)
    with pytest.raises(UsageError, match=reason) as refused:
        fitting_weights(OWN, "t", path)
    said = str(refused.value)
    assert said.startswith(f"weights {path}")
    assert said.isprintable()
    assert "weights_only" not in said


@pytest.mark.parametrize("form", ["pth", "safetensors"])
def test_a_file_that_was_cut(tmp_path, form):
    path = tmp_path / f"w.{form}"
    (torch.save if form == "pth" else save_file)(OWN, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match="cut short or damaged"):
        fitting_weights(OWN, "t", path)


@pytest.mark.parametrize("entry", ["state_dict", "model", "model_state_dict", "net"])
def test_the_one_state_dict_of_a_checkpoint_is_taken(tmp_path, entry):
    value = {"epoch": 3, "optimizer": {"state": {}, "param_groups": []}, entry: OWN}
    path = written(tmp_path / "w.pth", value)
    assert torch.equal(fitting_weights(OWN, "t", path)["a"], OWN["a"])


def test_a_state_dict_goes_before_what_else_a_checkpoint_holds(tmp_path):
    path = written(tmp_path / "w.pth", {"ema": {"a": torch.zeros(3, 2)}, "state_dict": OWN})
    assert torch.equal(fitting_weights(OWN, "t", path)["a"], OWN["a"])


def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path):
    save_file(OWN, tmp_path / "w.pth")
    torch.save(OWN, tmp_path / "w.safetensors", _use_new_zipfile_serialization=False)
    for name in ("w.pth", "w.safetensors"):
        assert torch.equal(fitting_weights(OWN, "t", tmp_path / name)["a"], OWN["a"])


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(_weights, "MOST_WEIGHT_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(20_000))
    with pytest.raises(UsageError, match="unpacks to more than 10,000 bytes"):
        fitting_weights(OWN, "t", tmp_path / "w.pth")


def test_what_memory_cannot_hold_is_told_as_that(tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried\nmore")

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(UsageError, match="it does not fit in memory"):
        fitting_weights(OWN, "t", written(tmp_path / "w.pth", OWN))


def test_weights_are_checked_before_anything_is_built(tmp_path):
    torch.manual_seed(0)
    net = build_trunk("sphere20-narrow", 32, 8)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    before = torch.random.get_rng_state()
    check_weights("sphere20-narrow", 32)
    check_weights(f"sphere20-narrow:{tmp_path / 'w.pth'}@abc", 32)
    assert torch.equal(torch.random.get_rng_state(), before)
    with pytest.raises(UsageError, match=r"must have shape .* at this image size"):
        check_weights(f"sphere20-narrow:{tmp_path / 'w.pth'}@abc", 64)
