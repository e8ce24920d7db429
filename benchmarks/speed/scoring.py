"""Time exact scoring against the textbook loop, interleaved, and check that both agree.

Usage: python benchmarks/speed/scoring.py [--queries 1000] [--gallery 200000] [--write]
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from jobs import TASKS, make_job  # noqa: E402
from machine import described, limits, resident_bytes, restart_peak  # noqa: E402
from outcome import MISSED, Row, Run, kept, printed, reached, write  # noqa: E402
from split import split  # noqa: E402

from hashquant.machine.environment import utc_now  # noqa: E402
from hashquant.search.evaluation import Evaluation  # noqa: E402

FOLDER = Path(__file__).parent


def compare(name: str, classes: int, options: argparse.Namespace) -> Row:
    """Time both sides in turn, and check that the plain AP lies within our tie bounds.

    The plain loop runs on the first queries of the sample only and is scaled to all of them.
    """
    job = make_job(name, options.queries, options.gallery, classes)
    sample = min(options.sample, options.queries)
    job.plain(1)
    result, plain = job.ours(), list[float]()
    ours, theirs = [], []
    for _ in range(options.repeats):
        began = time.perf_counter()
        result = job.ours()
        middle = time.perf_counter()
        plain = job.plain(sample)
        ours.append(middle - began)
        theirs.append((time.perf_counter() - middle) * options.queries / sample)
    check_agreement(name, result, plain)
    memory = extra_memory(name, classes, options)
    row = Row(name, classes, tuple(ours), tuple(theirs), memory)
    return replace(row, split=split(job.ours)) if reached(row) == MISSED else row


def check_agreement(name: str, result: Evaluation, plain: list[float]) -> None:
    """Stop unless the plain mean AP agrees with ours as far as ties and float32 allow."""
    expected = float(np.nanmean(result.per_query["ap"][: len(plain)]))
    spread = {s.ties: s.value for s in result.scores if s.metric == "mAP" and s.cutoff == 0}
    slack = 1e-5 + (spread["best"] - spread["worst"])
    if not abs(expected - float(np.nanmean(plain))) <= slack:
        raise SystemExit(f"{name}: plain mAP {np.mean(plain)} is not ours, {expected} ± {slack}")


def extra_memory(name: str, classes: int, options: argparse.Namespace) -> float:
    """Return MiB that our scoring needs above its inputs, measured in a fresh process."""
    asked = [name, str(options.queries), str(options.gallery), str(classes), str(options.threads)]
    done = subprocess.run(
        [sys.executable, __file__, "--measure-memory", *asked],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout)


def measure_memory(name: str, queries: str, gallery: str, classes: str, threads: str) -> None:
    """Print by how much one scoring raises this process's resident memory at its peak, in MiB."""
    torch.set_num_threads(int(threads))
    job = make_job(name, int(queries), int(gallery), int(classes))
    before = restart_peak()
    job.ours()
    print(f"{(resident_bytes('VmHWM') - before) / 2**20:.1f}")


def asked() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--gallery", type=int, default=200_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[500, 10])
    parser.add_argument("--jobs", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sample", type=int, default=10, help="queries of the plain loop")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pure", action="store_true", help="no compiled kernels")
    parser.add_argument("--write", action="store_true", help="RESULTS.md, raw times and figure")
    parser.add_argument("--quote", action="store_true", help="write the last run's again: what "
                        "lies beside RESULTS.md has changed")  # fmt: skip
    return parser.parse_args()


def main() -> None:
    """Run the jobs, print a table, and write it down if that is asked for."""
    if sys.argv[1:2] == ["--measure-memory"]:
        measure_memory(*sys.argv[2:])
        return
    options = asked()
    if options.quote:
        write(kept(FOLDER), FOLDER)
        return
    torch.set_num_threads(options.threads)
    if options.pure:
        sys.modules["numba"] = None  # type: ignore[assignment]  # importing it fails
    rows = []
    for classes in options.classes:
        for name in options.jobs:
            rows.append(compare(name, classes, options))
            ratio = statistics.median(rows[-1].ratios)
            print(f"{TASKS[name].title}, {classes} classes: {ratio:.0f}x", flush=True)
    run = Run(
        command=shlex.join(["python", "benchmarks/speed/scoring.py", *sys.argv[1:]]),
        date=utc_now()[:10],
        queries=options.queries, items=options.gallery, sample=min(options.sample, options.queries),
        machine=described(options.threads), limits=limits(), rows=tuple(rows),
    )  # fmt: skip
    print(printed(run))
    if options.write:
        write(run, FOLDER)


if __name__ == "__main__":
    main()
