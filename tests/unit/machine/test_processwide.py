"""What a block changes for the whole process is put back, and named."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from hashquant.machine.processwide import kept

CHANGES = {
    "the working directory": os.chdir,
    "numpy's handling of errors": lambda folder: np.seterr(all="raise"),
    "torch's default type": lambda folder: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda folder: torch.set_default_device("meta"),
    "torch's gradient mode": lambda folder: torch.set_grad_enabled(False),
    "torch's threads": lambda folder: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's determinism": lambda folder: torch.use_deterministic_algorithms(True),
}


def state():
    return (
        Path.cwd(), np.geterr(), torch.get_default_dtype(), torch.get_default_device(),
        torch.is_grad_enabled(), torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        # torch imports its compiler for this one
        pytest.param(name, marks=pytest.mark.slow if "determinism" in name else ())
        for name in CHANGES
    ],
)
def test_each_setting_is_put_back_and_named(tmp_path, name):
    before, told = state(), []
    with kept(told.append):
        CHANGES[name](tmp_path)
        assert state() != before
    assert state() == before
    assert told == [(name,)]


def test_also_where_the_block_fails():
    told = []

    def failing():
        torch.set_default_dtype(torch.float16)
        raise KeyError

    with pytest.raises(KeyError), kept(told.append):
        failing()
    assert torch.get_default_dtype() == torch.float32
    assert told == [("torch's default type",)]


def test_who_changes_nothing_is_not_named(tmp_path):
    told = []
    with kept(told.append):
        os.environ["HASHQUANT_NOTHING"] = "1"  # libraries are told by the environment
    assert not told
    assert os.environ.pop("HASHQUANT_NOTHING") == "1"


def test_a_folder_that_is_no_more_ends_nothing(tmp_path):
    (tmp_path / "gone").mkdir()
    before = Path.cwd()
    os.chdir(tmp_path / "gone")
    try:
        told = []
        with kept(told.append):
            (tmp_path / "gone").rmdir()
            os.chdir(tmp_path)
        assert told == [("the working directory",)]
    finally:
        os.chdir(before)
