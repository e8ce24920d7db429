"""Where a record is made: versions, commit, machine."""

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from hashquant import __version__
from hashquant.machine import compiled
from hashquant.machine.hardware import cpu_model
from hashquant.records.checkout import checkout
from hashquant.records.record import Provenance

PACKAGES = ("torch", "torchvision", "numpy", "faiss-cpu", "faiss-gpu")


def provenance(device: torch.device, *, deterministic: bool = True) -> Provenance:
    """Return where a record is made; `deterministic`: whether `seeds.repeatable` was in force."""
    commit, dirty = checkout()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return Provenance(
        commit, dirty, versions(), name, cpu_model(), torch.get_num_threads(), deterministic
    )


def versions() -> dict[str, str]:
    """Return the versions of Python, HashQuant and the installed packages that compute.

    numba is among them where this process has counted with its kernels.
    """
    found = {"python": platform.python_version(), "hashquant": __version__}
    for package in (*PACKAGES, "numba") if compiled.used() else PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
