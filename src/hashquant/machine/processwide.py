"""What a process has only once: where it stands and how it computes; put back after others."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

#: A setting's name → how it is read and how it is set. Any: each has its own type.
Settings = Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]]


@contextmanager
def kept(told: Callable[[tuple[str, ...]], None]) -> Iterator[None]:
    """Put back what the block changes for the whole process, and tell the names of it.

    That is the working directory, numpy's handling of errors, and torch's default type and
    device, gradient mode, threads and determinism. What is first imported in the block had no
    setting to be kept. The environment stays as the block leaves it: libraries are told by it.
    """
    before = {name: read() for name, (read, _) in _settings().items()}
    try:
        yield
    finally:
        changed = []
        for name, (read, write) in _settings().items():
            if name in before and read() != before[name]:
                changed.append(name)
                with suppress(OSError):  # a folder that is no more
                    write(before[name])
        if changed:
            told(tuple(changed))


def _settings() -> Settings:
    found: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]
    found = {"the working directory": (_here, os.chdir)}
    numpy, torch = _imported("numpy"), _imported("torch")
    if numpy is not None:
        found["numpy's handling of errors"] = (numpy.geterr, lambda kept: numpy.seterr(**kept))
    if torch is not None:
        found |= {
            "torch's default type": (torch.get_default_dtype, torch.set_default_dtype),
            "torch's default device": (torch.get_default_device, _set_device),
            "torch's gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
            "torch's threads": (torch.get_num_threads, torch.set_num_threads),
            "torch's determinism": (
                torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
            ),
        }  # fmt: skip
    return found


def _imported(name: str) -> ModuleType | None:
    """Return a module that is wholly imported; none that only stands in for it."""
    module = sys.modules.get(name)
    return module if hasattr(module, "__version__") else None


def _here() -> str:
    try:
        return str(os.getcwd())  # noqa: PTH109 - as chdir takes it, and no link is followed
    except FileNotFoundError:
        return ""


def _set_device(device: Any) -> None:  # Any: torch is not imported here
    import torch

    # None, not "cpu": a default that was set costs time at each call.
    torch.set_default_device(None if device.type == "cpu" else device)
