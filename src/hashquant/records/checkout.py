"""The checkout that this package runs from: its commit, and whether it was changed."""

import functools
import subprocess
from pathlib import Path

#: What decides a number: a change here makes a checkout dirty; new results do not.
SOURCES = ("src", "methods", "datasets", "benchmarks", "run_bench.py", "pyproject.toml")


@functools.cache
def checkout() -> tuple[str, bool]:
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
