"""Time training with the trunk compiled by torch.compile against the plain one, interleaved.

Usage: python benchmarks/speed/compiling.py [--trunks sphere20-narrow resnet18] [--markdown FILE]
"""

import argparse
import copy
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import torch  # noqa: E402
from profiling import CLASSES, noise_set, products, shares  # noqa: E402
from sections import IN_SHORT, leave  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.data.items import TrainingSet  # noqa: E402
from hashquant.machine.environment import Timer, resolve_device, utc_now  # noqa: E402
from hashquant.machine.seeds import repeatable  # noqa: E402
from hashquant.records.provenance import provenance  # noqa: E402
from hashquant.runs.planning import plan  # noqa: E402
from hashquant.settings.suite import RunSpec, Suite  # noqa: E402
from hashquant.training.epochs import run_epoch  # noqa: E402
from hashquant.training.network import Network, build_network, memory_format  # noqa: E402
from hashquant.training.optimizers import build_optimizer  # noqa: E402

#: images of an epoch, of which so many pay the warm-up back
EPOCH = 10_000
#: epochs until a compiled step is steady: it is compiled, and CUDA graphs are recorded later
WARM_UP = 3
Train = Callable[[TrainingSet, RunSpec, int, torch.device], object]
#: what a row is called → `trunk_mode`; CUDA graphs want a CUDA device
MODES = {"plain": "eager", "compiled": "compiled", "CUDA graphs": "graphs"}


@dataclass(frozen=True)
class Row:
    """Seconds of one way of training: of its warm-up, and of each steady repeat.

    `at_most` is the ratio that is left if all but products took no time.
    """

    trunk: str
    way: str
    at_most: float
    warm_up: float
    seconds: list[float]
    busy: list[float]


def prepared(fresh: Network, spec: RunSpec, mode: str, device: torch.device) -> Train:
    """Return an epoch of training a copy of the network, its trunk compiled in `mode` if any."""
    network = copy.deepcopy(fresh)
    network.to(memory_format=memory_format(device, spec.precision))  # type: ignore[call-overload]
    network.run_trunk_as(mode)
    return partial(run_epoch, network, build_optimizer(network, spec.schedule))


def measure(trunk: str, options: argparse.Namespace) -> list[Row]:
    """Warm up every way of training a trunk, then time an epoch of each in turn."""
    device = options.device
    suite = Suite(methods=("opqn",), bits=(32,), trunk=trunk, batch_size=options.batch)
    spec = plan("speed", suite, device=device.type)[0].spec
    fresh = build_network(spec, CLASSES, device)
    images = noise_set(options.batch * options.steps, spec, device)
    modes = {k: m for k, m in MODES.items() if device.type == "cuda" or m != "graphs"}
    ways = {way: prepared(fresh, spec, mode, device) for way, mode in modes.items()}
    works: dict[str, Callable[[], object]] = {
        way: partial(run, images, replace(spec, trunk_mode=modes[way]), 0, device)
        for way, run in ways.items()
    }
    with repeatable(device):
        times = timed(works, WARM_UP + options.repeats, device)
        most = 1 / products(shares(works["plain"], device))
    rows = []
    for way, found in times.items():
        passed, busy = ([pair[i] for pair in found[WARM_UP:]] for i in (0, 1))
        warm_up = sum(seconds for seconds, _ in found[:WARM_UP])
        warm_up = max(warm_up - WARM_UP * statistics.median(passed), 0)
        rows.append(Row(trunk, way, most, warm_up, passed, busy))
    return rows


def timed(
    works: dict[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[tuple[float, float]]]:
    """Return seconds, passed and of processor time, of each work's repeats, done in turn."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in works}
    for _ in range(repeats):
        for way, work in works.items():
            busy = time.process_time()
            with Timer(device) as timer:
                work()
            found[way].append((timer.seconds, time.process_time() - busy))
    return found


def paid_back(warm_up: float, plain: float, compiled: float) -> str:
    """Return after how many epochs of 10,000 images the warm-up is paid; seconds an image."""
    saved = EPOCH * (plain - compiled)
    return f"{math.ceil(warm_up / saved):,}" if saved > 0 else "never"


def gains(row: Row, plain: Row) -> list[float]:
    """Return how many times as fast as the plain trunk each repeat was."""
    return [p / c for p, c in zip(plain.seconds, row.seconds, strict=True)]


def gain(row: Row, plain: Row) -> float:
    """Return the median of all repeats' gains."""
    return statistics.median(gains(row, plain))


def line(row: Row, plain: Row, images: int) -> list[str]:
    """Return a row of the table: `images` were trained on at each repeat."""
    steady, base = (statistics.median(r.seconds) / images for r in (row, plain))
    ratios = gains(row, plain)
    busy = statistics.median(p / c for p, c in zip(plain.busy, row.busy, strict=True))
    shown = [row.trunk, row.way, f"{1 / steady:,.0f}"]
    if row is plain:
        return [*shown, *["–"] * 6]
    return [
        *shown, f"{row.at_most:.2f}", f"{statistics.median(ratios):.2f}",
        f"{min(ratios):.2f} - {max(ratios):.2f}", f"{busy:.2f}", f"{row.warm_up:.0f}",
        paid_back(row.warm_up, base, steady),
    ]  # fmt: skip


def section(found: list[list[Row]], options: argparse.Namespace) -> str:
    """Return the table as Markdown."""
    made = provenance(options.device)
    images = options.batch * options.steps
    rows = [line(row, rows[0], images) for rows in found for row in rows]
    short = [
        f"{row.trunk} {row.way} {gain(row, rows[0]):.2f}x after {row.warm_up:.0f} s of warm-up"
        for rows in found
        for row in rows[1:]
    ]
    head = ["trunk", "trunk's code", "steady, img/s", "at most", "ratio", "range",
            "of processor time", "warm-up, s", f"epochs of {EPOCH:,} that pay it"]  # fmt: skip
    return "\n".join(
        [
            "## Training with a compiled trunk",
            "",
            f"`python benchmarks/speed/compiling.py`, {utc_now()[:10]}: {made.cpu}, {made.device}, "
            f"threads {made.threads}, torch {made.versions['torch']}, load "
            f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors. The engine's loop on OPQN "
            f"at 4x256, 32 pixels, batch {options.batch}; {options.repeats} interleaved repeats "
            f"of {images} images after {WARM_UP} to warm up. The warm-up is what these took more "
            "than as many steady ones, from an empty cache of compiled code. Predicted is the "
            "column at most: what would be left if everything but products took no time.",
            "",
            tabulate(rows, head, tablefmt="github", disable_numparse=True),
            "",
            "`--set trunk_mode=compiled` (or `graphs`, on CUDA) switches it on for runs that are "
            "long enough. Compiled code rounds otherwise: such a run has a name of its own, and no "
            "table joins it with others.",
            "",
            f"{IN_SHORT}{', '.join(short)}; off unless asked for.",
        ]
    )


def main() -> None:
    """Read the flags, time every trunk, print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunks", nargs="+", default=["sphere20-narrow", "resnet18"])
    parser.add_argument("--device", type=resolve_device, default="auto")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, help="of a repeat (1 on a CPU, 50 on CUDA)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    options.steps = options.steps or (50 if options.device.type == "cuda" else 1)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch
        found = [measure(trunk, options) for trunk in options.trunks]
    text = section(found, options)
    leave(text, options.markdown)


if __name__ == "__main__":
    main()
