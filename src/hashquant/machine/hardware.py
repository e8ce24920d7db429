"""The machine as the operating system describes it: processor, precision, devices; no torch."""

import os
import platform
import shutil
from pathlib import Path

from hashquant.errors import UsageError, unknown_name

#: What a CPU calls its bf16 instructions (x86; ARM).
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def choose_device(name: str, present: int) -> int | None:
    """Return the index of the CUDA device that is meant among those `present`; None: the CPU.

    >>> choose_device("auto", 0), choose_device("auto", 2), choose_device("cuda:1", 2)
    (None, 0, 1)

    Raises:
        UsageError: if the name is unknown, or a CUDA device is asked for that is not there.
    """
    wanted = name.strip().lower()
    kind, _, index = wanted.partition(":")
    if wanted not in ("auto", "cpu") and (
        kind != "cuda" or (":" in wanted and not index.isdigit())
    ):
        raise unknown_name("device", name, ("auto", "cpu", "cuda", "cuda:0"))
    if wanted == "cpu" or (wanted == "auto" and not present):
        return None
    if int(index or 0) >= present:
        raise UsageError(
            f"device must be there, got '{name}': this machine has {present} CUDA devices; "
            "use --device cpu or auto"
        )
    return int(index or 0)


def cuda_nodes(folder: Path = Path("/dev")) -> int:
    """Count the CUDA devices that may be used, by the driver's device files, without asking it.

    `CUDA_VISIBLE_DEVICES` can only leave fewer.
    """
    found = sum(path.name.removeprefix("nvidia").isdigit() for path in folder.glob("nvidia*"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    asked = [word.strip() for word in visible.split(",")]
    return min(found, len([word for word in asked if word not in ("", "-1")]))


def resolve_precision(name: str, device: str) -> str:
    """Return what `auto` means on a kind of device: bf16 where it computes in it, else fp32.

    A CPU without such instructions emulates bf16, at a tenth of its fp32 rate.
    """
    if name != "auto":
        return name
    if device == "cuda":
        return "bf16"
    flags = {*_cpu_field("flags").split(), *_cpu_field("Features").split()}
    return "bf16" if BF16_FLAGS & flags else "fp32"


def check_trunk_mode(mode: str, device: str) -> None:
    """Refuse a way to run the trunk that this machine does not have on a kind of device.

    Raises:
        UsageError: for CUDA graphs on a CPU, or a CPU's machine code without a C++ compiler.
    """
    if device == "cuda" or mode == "eager":
        return
    if mode == "graphs":
        raise UsageError(
            "trunk_mode must be eager or compiled on a CPU, got 'graphs': they need a CUDA device"
        )
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UsageError(
            f"trunk_mode=compiled needs a C++ compiler on a CPU, and there is no '{compiler}' here "
            "(the environment's CXX names another)"
        )


def cpu_model() -> str:
    """Return the processor's name."""
    return _cpu_field("model name") or platform.processor() or platform.machine() or "unknown"


def _cpu_field(name: str) -> str:
    """Return what Linux says of the first processor, or nothing."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    except OSError:
        pass
    return ""
