"""The timed comparisons run, at their smallest: what they measure here is no matter."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).resolve().parents[3] / "benchmarks" / "speed"
SMALLEST = {
    "additive": "--items 2000 --queries 4 --bits 24 --repeats 1",
    "corpus": "--images 600",
    "decode": "--images 20 --repeats 1",
    "growth": "--items 2000 --queries 5 --classes 3",
    "profiling": "--trunks sphere20-narrow --batch 2",
    "reports": "--seeds 1 --no-figures",
    "scoring": "--jobs hamming-16 pq-4x256 --classes 5 --queries 9 --gallery 99 --repeats 1",
    "startup": "--repeats 1",
    "streaming": "--images 8 --batch 4 --repeats 1",
    "training": "--trunks sphere20 --batch 4 --steps 1 --repeats 1 --curve-steps 2 --curve-batch 4",
}
QUICK = {"growth", "scoring"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else (pytest.mark.slow,)) for n in SMALLEST],
)
def test_script_runs_from_anywhere(name, tmp_path):
    done = subprocess.run(
        [sys.executable, SPEED / f"{name}.py", *SMALLEST[name].split()],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "|--" in done.stdout  # its table


def test_results_quote_what_lies_beside_them():
    said = (SPEED / "RESULTS.md").read_text(encoding="utf-8")
    quoted = dict(re.findall(r"\[(\w+\.md)\]\(\1\)\. (.+)", said))
    lasts = {name: (SPEED / name).read_text(encoding="utf-8").splitlines()[-1] for name in quoted}
    assert {name: f"In short: {short}" for name, short in quoted.items()} == lasts
    assert {"TRAINING.md", "REPORTS.md", "STARTUP.md", "CORPUS.md", "PRECISION.md"} <= set(quoted)
