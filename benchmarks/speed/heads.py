"""Time a training step of every method at many classes against that of `cehash`, interleaved.

Usage: python benchmarks/speed/heads.py [--methods csq dpsh] [--classes 2787] [--markdown FILE]
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import torch  # noqa: E402
from machine import described, resident_bytes  # noqa: E402
from profiling import noise_set  # noqa: E402
from sections import IN_SHORT, leave, verdict  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.data.items import TrainingSet  # noqa: E402
from hashquant.machine.environment import utc_now  # noqa: E402
from hashquant.plugins import registry  # noqa: E402
from hashquant.runs.planning import plan  # noqa: E402
from hashquant.settings.suite import RunSpec, Suite  # noqa: E402
from hashquant.training.epochs import run_epoch  # noqa: E402
from hashquant.training.network import Network, build_network, memory_format  # noqa: E402
from hashquant.training.optimizers import build_optimizer  # noqa: E402
from hashquant.training.state import allocate  # noqa: E402

CONTROL = "cehash"  #: a classifier on a linear code, and nothing else
GOAL = 3.0  #: the most that a step may take, in steps of the control
BITS, BATCH, STEPS = 64, 64, 4
CPU = torch.device("cpu")


@dataclass
class Racer:
    """A method's network on its way through the rounds, and the seconds of each."""

    network: Network
    optimizer: torch.optim.Optimizer
    spec: RunSpec
    seconds: list[float]

    def run(self, training: TrainingSet) -> None:
        """Train one epoch of `STEPS` steps; the first one is not timed."""
        began = time.perf_counter()
        run_epoch(self.network, self.optimizer, training, self.spec, len(self.seconds), CPU)
        self.seconds.append(time.perf_counter() - began)


@dataclass(frozen=True)
class Row:
    """A method's step in ms, its ratios to the control's, least first, and its MiB more."""

    method: str
    step: float
    ratios: list[float]
    memory: float

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return statistics.median(self.ratios)


def learned() -> list[str]:
    """Return the methods whose network takes training steps and that store a code."""
    loaded = {name: registry.load_method(name) for name in registry.methods()}
    return [n for n, m in sorted(loaded.items()) if not m.closed_form and m.family.name != "real"]


def spec_of(name: str, epochs: int) -> RunSpec:
    """Return the method as a suite of narrow trunks trains it, by its own defaults."""
    suite = Suite(methods=(name,), bits=(BITS,), batch_size=BATCH, epochs=epochs,
                  precision="fp32", trunk="sphere20-narrow")  # fmt: skip
    return plan("speed", suite, device="cpu")[0].spec


def start(name: str, training: TrainingSet, rounds: int) -> Racer:
    """Return a method ready for its first step."""
    spec = spec_of(name, rounds + 1)
    network = build_network(spec, training.num_classes, CPU)
    network.to(memory_format=memory_format(CPU, "fp32"))  # type: ignore[call-overload]
    allocate(network.method, len(training.labels), training.num_classes, CPU)
    network.method.initialise(training)
    return Racer(network, build_optimizer(network, spec.schedule), spec, [])


def faces(classes: int) -> TrainingSet:
    """Return noise of four images a class, of the first classes of `classes`."""
    drawn = noise_set(BATCH * STEPS, spec_of(CONTROL, 1), CPU)
    return replace(drawn, labels=torch.arange(BATCH * STEPS) // 4, num_classes=classes)


def peak(name: str, classes: int) -> float:
    """Return the most MiB that a process of its own takes to train an epoch."""
    training = faces(classes)
    start(name, training, 1).run(training)
    return resident_bytes("VmHWM") / 2**20


def peaks(names: Sequence[str], classes: int) -> dict[str, float]:
    """Return `peak` of each method, one after the other, in fresh processes."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return {name: pool.apply(peak, (name, classes)) for name in names}


def race(racers: dict[str, Racer], memory: dict[str, float]) -> list[Row]:
    """Return the rows, the slowest first."""
    base = racers[CONTROL].seconds[1:]
    rows = []
    for name, racer in racers.items():
        own = racer.seconds[1:]
        ratios = sorted(mine / theirs for mine, theirs in zip(own, base, strict=True))
        step = 1000 * statistics.median(own) / STEPS
        rows.append(Row(name, step, ratios, memory[name] - memory[CONTROL]))
    return sorted(rows, key=lambda row: row.ratio, reverse=True)


def section(rows: list[Row], classes: int) -> str:
    """Return the table, and what it says in short."""
    cells = [
        (row.method, f"{row.step:.0f}", f"{row.ratio:.2f}", f"{row.ratios[0]:.2f} - "
         f"{row.ratios[-1]:.2f}", f"{row.memory:+.0f}", verdict(row.ratio <= GOAL))
        for row in rows
    ]  # fmt: skip
    head = ["method", "a step, ms", "ratio", "range", "memory, MiB more", f"goal {GOAL:g}"]
    known = described(torch.get_num_threads())
    where = ", ".join(f"{name} {known[name]}" for name in ("cpu", "threads", "torch"))
    slowest = rows[0]
    return "\n".join([
        "## Steps of all methods at many classes", "",
        f"`python benchmarks/speed/heads.py`, {utc_now()[:10]}: {where}. {classes:,} classes, "
        f"{BITS} bits, {BATCH} images a step, sphere20-narrow at 32 pixels, fp32, each method's "
        f"defaults; {len(slowest.ratios)} interleaved rounds of {STEPS} steps after one to warm "
        f"up. A ratio is to `{CONTROL}`; memory is the peak of a process of its own, less that of "
        f"`{CONTROL}`.",
        "", tabulate(cells, head, tablefmt="github"), "",
        f"{IN_SHORT}at {classes:,} classes the slowest of {len(rows)} methods, {slowest.method}, "
        f"takes {slowest.ratio:.1f} steps of `{CONTROL}` (goal {GOAL:g}, "
        f"{verdict(slowest.ratio <= GOAL)}).",
    ])  # fmt: skip


def main() -> None:
    """Time all methods, and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=learned())
    parser.add_argument("--classes", type=int, default=2787)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    names = [CONTROL, *(name for name in options.methods if name != CONTROL)]
    training = faces(options.classes)
    racers = {name: start(name, training, options.repeats) for name in names}
    for _ in range(options.repeats + 1):
        for racer in racers.values():
            racer.run(training)
    rows = race(racers, peaks(names, options.classes))
    leave(section(rows, options.classes), options.markdown)


if __name__ == "__main__":
    main()
