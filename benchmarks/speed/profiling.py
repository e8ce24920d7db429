"""Profile training steps after warm-up: where the time goes, and what was predicted.

Usage: python benchmarks/speed/profiling.py [--trunks sphere20 resnet18] [--markdown FILE]
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rates import DTYPES, bf16_note, matrix_rate, training_flops  # noqa: E402
from sections import IN_SHORT, leave  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from hashquant.data.items import TrainingSet  # noqa: E402
from hashquant.data.pixels import ImageSource  # noqa: E402
from hashquant.machine.environment import Timer, resolve_device, utc_now  # noqa: E402
from hashquant.records.provenance import provenance  # noqa: E402
from hashquant.runs.planning import plan  # noqa: E402
from hashquant.settings.suite import RunSpec, Suite  # noqa: E402
from hashquant.training.epochs import run_epoch  # noqa: E402
from hashquant.training.network import build_network, memory_format  # noqa: E402
from hashquant.training.optimizers import build_optimizer  # noqa: E402

CLASSES = 32
Share = tuple[str, float, int]  #: of an operation: its name, its part of the time, its calls
PRODUCTS = ("convolution", "addmm", "::mm", "::bmm")  #: in the names of operations that multiply


@dataclass(frozen=True)
class Profile:
    """Seconds of a step as predicted and as measured, and each operation's share of it.

    `busy` is processor time, of all threads; `products` the share of all products.
    """

    trunk: str
    precision: str
    flops: float
    predicted: float
    measured: float
    busy: float
    products: float
    shares: list[Share]


def noise_set(images: int, spec: RunSpec, device: torch.device) -> TrainingSet:
    """Return images of noise, resident on the device."""
    side = spec.resize
    pixels = np.random.default_rng(0).integers(0, 256, (images, 3, side, side), dtype=np.uint8)
    source = ImageSource(
        pixels, np.arange(images), resize=side, device=device, resident_bytes=2**32
    )
    known = torch.ones(images, dtype=torch.bool)
    return TrainingSet(source, torch.arange(images) % CLASSES, known, CLASSES)


def measure(trunk: str, options: argparse.Namespace) -> Profile:
    """Warm up for an epoch, time one, and profile another."""
    device = options.device
    suite = Suite(
        methods=("opqn",), bits=(32,), trunk=trunk, batch_size=options.batch,
        precision=options.precision,
    )  # fmt: skip
    spec = plan("speed", suite, device=device.type)[0].spec
    network = build_network(spec, CLASSES, device)
    flops = training_flops(network.trunk, spec.image_size)
    network.to(memory_format=memory_format(device, spec.precision))  # type: ignore[call-overload]
    optimizer = build_optimizer(network, spec.schedule)
    training = noise_set(options.batch * options.steps, spec, device)
    rate = matrix_rate(device, DTYPES[spec.precision])
    run_epoch(network, optimizer, training, spec, 0, device)
    busy = time.process_time()
    with Timer(device) as timer:
        run_epoch(network, optimizer, training, spec, 1, device)
    busy = time.process_time() - busy
    found = shares(partial(run_epoch, network, optimizer, training, spec, 2, device), device)
    return Profile(
        trunk, spec.precision, flops, options.batch * flops / rate, timer.seconds / options.steps,
        busy / options.steps, products(found), found[: options.top],
    )  # fmt: skip


def shares(work: Callable[[], object], device: torch.device) -> list[Share]:
    """Profile `work` and return its operations by the time they took themselves."""
    kinds = [ProfilerActivity.CPU]
    kinds += [ProfilerActivity.CUDA] if device.type == "cuda" else []
    with profile(activities=kinds, acc_events=True) as profiler:
        work()
    field = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    events = [e for e in profiler.key_averages() if e.device_type.name == "CPU"]  # not kernels
    found = [(e.key, float(getattr(e, field)), int(e.count)) for e in events]
    total = sum(took for _, took, _ in found)
    ordered = sorted(found, key=lambda entry: -entry[1])
    return [(name, took / total, count) for name, took, count in ordered]


def products(found: list[Share]) -> float:
    """Return the share of all operations that multiply matrices or convolve."""
    return sum(share for name, share, _ in found if any(word in name for word in PRODUCTS))


def markdown(profiles: list[Profile], options: argparse.Namespace) -> str:
    """Return the section on where a training step's time goes."""
    made = provenance(options.device)
    head = ["trunk", "precision", "GFLOP an image", "predicted, s a step", "measured, s",
            "of the bound", "processor s", "of the bound", "products"]  # fmt: skip
    table = [
        [p.trunk, p.precision, f"{p.flops / 1e9:.2f}", f"{p.predicted:.3f}", f"{p.measured:.3f}",
         f"{p.predicted / p.measured:.0%}", f"{p.busy:.3f}",
         f"{made.threads * p.predicted / p.busy:.0%}" if made.device == "cpu" else "–",
         f"{p.products:.0%}"]
        for p in profiles
    ]  # fmt: skip
    parts = [
        "## Where a training step's time goes",
        "",
        f"`python benchmarks/speed/profiling.py`, {utc_now()[:10]}: {made.cpu}, {made.device}, "
        f"threads {made.threads}, torch {made.versions['torch']}, load {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} processors; OPQN at 4x256, batch {options.batch}, the mean of steps "
        f"({options.steps}) after as many to warm up. Predicted: products of convolutions and "
        "linear layers, forward and backward, at the measured rate of a square matrix product. "
        f"{bf16_note()}. Processor time is what counts on a busy machine. The last column is the "
        "share of products in the profiled step: what is not in it is the most that fusing the "
        "other operations could save.",
        "",
        tabulate(table, head, tablefmt="github", disable_numparse=True),
    ]
    for p in profiles:
        rows = [[f"`{name}`", f"{share:.1%}", count] for name, share, count in p.shares]
        listed = tabulate(rows, [p.trunk, "share", "calls"], tablefmt="github")
        parts += ["", listed]
    short = [f"{p.trunk} {p.predicted / p.measured:.0%} of the bound" for p in profiles]
    parts += ["", f"{IN_SHORT}{', '.join(short)}."]
    return "\n".join(parts)


def main() -> None:
    """Read the flags, profile every trunk, print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunks", nargs="+", default=["sphere20-narrow", "sphere20", "resnet18"])
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--device", type=resolve_device, default="auto")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--top", type=int, default=12, help="operations listed")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    profiles = [measure(trunk, options) for trunk in options.trunks]
    section = markdown(profiles, options)
    leave(section, options.markdown)


if __name__ == "__main__":
    main()
