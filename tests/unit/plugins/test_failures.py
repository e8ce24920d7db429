"""What of an error is a plug-in's failure, and how it is told."""

import asyncio

import pytest
import torch

from hashquant.errors import DataError, PluginError, StoreError
from hashquant.plugins.failures import UncaughtError, calling, reason_of
from hashquant.plugins.placeholders import NeedsImport


class Weird(BaseException):
    pass


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(0), "SystemExit: 0"), (SystemExit(), "SystemExit"),
        (GeneratorExit(), "GeneratorExit"), (StopIteration(3), "StopIteration: 3"),
        (Weird("a\nb"), "Weird: a"), (asyncio.CancelledError(), "CancelledError"),
        (MemoryError(), "MemoryError"), (RuntimeError("\n\n  late"), "RuntimeError: late"),
        (SilentError(), "SilentError: its text cannot be read"),
        (ValueError("\x1b[31ma\udc80b"), r"ValueError: \x1b[31ma\udc80b"),
    ],
)  # fmt: skip
def test_whatever_a_plug_in_raises_is_its_failure(error, reason):
    with pytest.raises(UncaughtError) as caught, calling("method 'x'"):
        raise error
    assert str(caught.value) == f"method 'x' failed ({reason})"
    assert caught.value.__cause__ is error
    assert isinstance(caught.value, PluginError)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), NeedsImport(), DataError("d"), StoreError()]
)
def test_ctrl_c_and_what_says_its_sentence_pass(error):
    with pytest.raises(type(error)) as caught, calling("method 'x'"):
        raise error
    assert caught.value is error


def test_a_long_text_is_shortened():
    assert len(reason_of(ValueError("x" * 10**6))) < 500


def test_what_it_changes_for_all_is_put_back_and_said(caplog):
    with calling("method 'x'"):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    assert "method 'x' changed torch's default type, torch's gradient mode: put back" in caplog.text
