"""Time what must answer at once: the processor seconds of each command, and whether torch came in.

Usage: python benchmarks/speed/startup.py [--repeats 5] [--markdown FILE]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sections import IN_SHORT, leave, verdict
from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[2]
GOAL = 0.7  #: seconds
RESULTS = ["--results-dir", str(ROOT / "results")]
COMMANDS = {
    "--help": ["--help"],
    "list": ["list"],
    "report --help": ["report", "--help"],
    "--dry-run": ["--dry-run", *RESULTS],
    "--dry-run --suite cross-domain": ["--dry-run", "--suite", "cross-domain", *RESULTS],
}


def run(words: list[str], folder: Path) -> tuple[float, float]:
    """Run one command; return its processor seconds and the seconds that passed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_bench.py"), *words],
        cwd=folder, env=with_bytecode(folder), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"run_bench.py {' '.join(words)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - began


def with_bytecode(folder: Path) -> dict[str, str]:
    """Return an environment in which modules are compiled once, as they are unless forbidden."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def imports_torch(words: list[str], folder: Path) -> bool:
    """Tell whether a command imports torch; compiles what it imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "run_bench.py"), *words],
        cwd=folder, env=with_bytecode(folder), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return any(line.endswith("| torch") for line in done.stderr.splitlines())


def trained() -> int:
    """Count the stored training runs that a dry run reads."""
    return len(list((ROOT / "results").rglob("train.json")))


def main() -> None:
    """Time every command in turn, print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        torch = {name: imports_torch(words, folder) for name, words in COMMANDS.items()}
        for _ in range(options.repeats):
            for name, words in COMMANDS.items():
                times[name].append(run(words, folder))
    rows = [
        [f"`{name}`", f"{statistics.median(t[0] for t in found):.2f}",
         f"{min(t[0] for t in found):.2f} - {max(t[0] for t in found):.2f}",
         f"{statistics.median(t[1] for t in found):.2f}", GOAL, "yes" if torch[name] else "no"]
        for name, found in times.items()
    ]  # fmt: skip
    passed = {name: statistics.median(t[1] for t in found) for name, found in times.items()}
    slowest = max(passed, key=passed.__getitem__)
    took = passed.pop(slowest)
    others = max(passed.values())
    head = ["command", "processor s", "range", "passed, s", "goal", "imports torch"]
    section = "\n".join(
        [
            "## Start-up",
            "",
            f"`python benchmarks/speed/startup.py`: medians of {options.repeats} interleaved runs, "
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.",
            "",
            tabulate(rows, head, tablefmt="github", disable_numparse=True),
            "",
            f"`--dry-run` asks each method whether it can meet the bits, compares the settings of "
            f"all cells with the {trained()} training runs stored in `results/`, and estimates "
            "from them. `--dry-run --measure`, not timed here, loads the images and times three "
            "steps of each kind of cell.",
            "",
            f"{IN_SHORT}the slowest of {len(rows)} commands, `{slowest}`, takes {took:.2f} s "
            f"(goal {GOAL}, {verdict(took <= GOAL)}), the others at most {others:.2f} s.",
        ]
    )
    leave(section, options.markdown)


if __name__ == "__main__":
    main()
