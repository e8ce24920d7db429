"""Where a record is made: versions, commit, machine."""

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from hashquant import __version__
from hashquant.machine import compiled
from hashquant.machine.hardware import cpu_model
from hashquant.records.record import Provenance

PACKAGES = ("torch", "torchvision", "numpy", "faiss-cpu", "faiss-gpu")
#: What decides a number: a change here makes a checkout dirty; new results do not.
SOURCES = ("src", "methods", "datasets", "benchmarks", "run_bench.py", "pyproject.toml")


def provenance(device: torch.device, *, deterministic: bool = True) -> Provenance:
    """Return where a record is made; `deterministic`: whether `seeds.repeatable` was in force."""
    commit, dirty = _checkout()
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


@functools.cache
def _checkout() -> tuple[str, bool]:
    """Return commit and dirty flag of the checkout this package runs from ("unknown" if none).

    Read once: the code in memory is what stood there when the process began.
    """
    package = Path(__file__).resolve().parents[1]
    top = _git(package, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() / "src" / package.name != package:
        return "unknown", False  # installed, perhaps inside somebody else's checkout
    commit = _git(package, "rev-parse", "--verify", "HEAD") or "unknown"
    changed = _git(Path(top), "status", "--porcelain", "--", *SOURCES)
    return commit, changed != ""


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
