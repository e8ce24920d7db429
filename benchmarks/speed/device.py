"""Time exact scoring on one device: its kernels against the plain way there, and against the CPU.

Usage: python benchmarks/speed/device.py [--device cuda] [--queries 15000] [--gallery 2000000]
[--markdown FILE]. The plain way is timed on the first queries and scaled to all; per-query results
of the first queries must be those of the CPU to the bit, or nothing is printed.
"""

import argparse
import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import torch  # noqa: E402
from jobs import TASKS, make_job  # noqa: E402
from machine import described  # noqa: E402
from sections import leave  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.machine.environment import resolve_device  # noqa: E402
from hashquant.records.provenance import provenance  # noqa: E402
from hashquant.search import ondevice  # noqa: E402
from hashquant.search.evaluation import Evaluation  # noqa: E402

JOBS = ("hamming-64", "hamming-32", "hamming-16", "pq-4x256", "pq-8x256", "asymmetric-64")
#: Seconds that 15,000 x 2,000,000 should take at most on a card of the H200 class.
GOALS = {"hamming": 2.0, "adc": 25.0}


@dataclass(frozen=True)
class Timing:
    """Seconds of each repeat, and the most memory a search took on the device, in MiB."""

    seconds: list[float]
    mib: float


def timed(job: str, options: argparse.Namespace, queries: int) -> Timing:
    """Score some queries `repeats` times; codes are on the device before."""
    made = make_job(job, queries, options.gallery, options.classes, str(options.device))
    made.ours()  # compiles what is compiled
    cuda, seconds = options.device.type == "cuda", []
    if cuda:
        torch.cuda.reset_peak_memory_stats(options.device)
        held = torch.cuda.memory_allocated(options.device)
    for _ in range(options.repeats):
        began = time.perf_counter()
        made.ours()  # ends with scores read by the host
        seconds.append(time.perf_counter() - began)
    most = torch.cuda.max_memory_allocated(options.device) - held if cuda else 0
    return Timing(seconds, most / 2**20)


@contextmanager
def plainly() -> Iterator[None]:
    """Search without kernels."""
    with patch.object(ondevice, "fused", lambda device: None):
        yield


def check(job: str, options: argparse.Namespace) -> None:
    """Stop unless the device and the CPU give the same results to the bit."""
    here, there = (
        make_job(job, options.sample, options.gallery, options.classes, device).ours()
        for device in (str(options.device), "cpu")
    )
    if not same(here, there):
        raise SystemExit(f"{job}: results on {options.device} are not those of the CPU")


def same(left: Evaluation, right: Evaluation) -> bool:
    """Tell whether all scores and values of two evaluations are equal bits."""
    values = [
        {name: array.tobytes() for name, array in found.per_query.items()}
        for found in (left, right)
    ]
    return left.scores == right.scores and left.curve == right.curve and values[0] == values[1]


def row(job: str, options: argparse.Namespace) -> list[object]:
    """Return a line of the table."""
    check(job, options)
    ours = timed(job, options, options.queries)
    with plainly():
        plain = timed(job, options, options.sample)
    middle = statistics.median(ours.seconds)
    scaled = statistics.median(plain.seconds) * options.queries / options.sample
    rate = options.queries * options.gallery / middle / 1e9
    whole = (options.queries, options.gallery) == (15000, 2_000_000)
    goal = GOALS.get(TASKS[job].kind) if whole else None
    return [TASKS[job].title, f"{middle:.3f}", f"{min(ours.seconds):.3f} - {max(ours.seconds):.3f}",
            f"{rate:.2f}", f"{scaled / middle:.1f}", f"{ours.mib:.0f}", goal or "–"]  # fmt: skip


def report(rows: list[list[object]], options: argparse.Namespace) -> str:
    """Return the section that is printed and written."""
    named = provenance(options.device).device
    machine = ", ".join(f"{k} {v}" for k, v in described(torch.get_num_threads()).items())
    kernels = "used" if ondevice.fused(options.device) else "not used"
    command = shlex.join(["python", "benchmarks/speed/device.py", *sys.argv[1:]])
    head = ["job", "seconds", "range", "10^9 pairs a second", "ratio to the plain way",
            "extra memory, MiB", "goal, s"]  # fmt: skip
    return "\n".join([
        f"# Scoring on {named}", "",
        f"`{command}`: {machine}; kernels of `codes/fused.py` {kernels}.",
        f"{options.queries:,} queries x {options.gallery:,} items, {options.classes} classes; "
        f"medians of {options.repeats} repeats; every score of an examination, exactly.",
        "", tabulate(rows, head, tablefmt="github", disable_numparse=True),
    ])  # fmt: skip


def main() -> None:
    """Check and time every job, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", type=resolve_device, default="auto")
    parser.add_argument("--queries", type=int, default=15000)
    parser.add_argument("--gallery", type=int, default=2_000_000)
    parser.add_argument("--classes", type=int, default=500)
    parser.add_argument("--sample", type=int, default=64, help="queries of check and plain way")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", nargs="+", default=JOBS, choices=sorted(TASKS), metavar="JOB")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    text = report([row(job, options) for job in options.jobs], options)
    leave(text, options.markdown)


if __name__ == "__main__":
    main()
