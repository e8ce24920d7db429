import errno
import os

import numpy as np
import pytest
import torch

from hashquant.machine.refusals import is_out_of_memory, reason_of, refusal

FULL = [
    MemoryError(),
    MemoryError("Unable to allocate 3.2 GiB for an array"),
    torch.OutOfMemoryError("CUDA"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `x`"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("could not create a primitive"),
    RuntimeError("unable to mmap 8 bytes from file <x>: Cannot allocate memory (12)"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("can't start new thread"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]
OTHERS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ValueError("out of memory is a phrase"),
    OSError(errno.ENOSPC, "No space left on device"),
    KeyError("memory"),
    ImportError("x.so: failed to map segment from shared object: Operation not permitted"),
    ImportError("no module named memory"),
]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_lack_of_memory_is_known_by_its_many_names(error):
    assert is_out_of_memory(error)
    assert refusal(error).startswith("out of memory")


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_are_not_lack_of_memory(error):
    assert not is_out_of_memory(error)


def test_what_numpy_and_torch_really_raise():
    with pytest.raises(MemoryError) as numpys:
        np.zeros(2**60, dtype=np.uint8)
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(numpys.value)
    assert is_out_of_memory(torchs.value)
    assert "\n" not in refusal(torchs.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EIO, "Input/output error", "/x/y"), "/x/y: Input/output error"),
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE)), "Stale file handle"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/z"), "/tmp/z: the disk is full"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), "b: Invalid cross"),
        (OSError("two\nlines"), "two lines"),
        (OSError(), "OSError"),
        (ValueError("x"), ""),
        (RuntimeError("x"), ""),
    ],
)
def test_what_the_system_refused_is_one_line_with_the_path(error, said):
    assert refusal(error).startswith(said)
    assert bool(refusal(error)) == bool(said)


def test_a_full_quota_is_a_full_disk():
    assert reason_of(OSError(errno.EDQUOT, "Disk quota exceeded")) == "the disk is full"
