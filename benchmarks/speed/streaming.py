"""Time what images read from a file cost against images kept on the device, interleaved.

Usage: python benchmarks/speed/streaming.py [--images 1024] [--markdown FILE]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from sections import IN_SHORT, leave  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.data.items import TrainingSet  # noqa: E402
from hashquant.data.pixels import ImageSource  # noqa: E402
from hashquant.machine.environment import Timer, resolve_device, utc_now  # noqa: E402
from hashquant.records.provenance import provenance  # noqa: E402
from hashquant.runs.planning import plan  # noqa: E402
from hashquant.settings.suite import RunSpec, Suite  # noqa: E402
from hashquant.training.encoding import encode  # noqa: E402
from hashquant.training.epochs import run_epoch  # noqa: E402
from hashquant.training.network import build_network, memory_format  # noqa: E402
from hashquant.training.optimizers import build_optimizer  # noqa: E402

CLASSES = 32
IMAGES = "images alone"
Work = Callable[[], object]


class Seconds(NamedTuple):
    """Seconds of resident and streamed images, passed and of processor time."""

    resident: float
    streamed: float
    resident_busy: float
    streamed_busy: float


def draw_file(path: Path, count: int, side: int) -> np.memmap:
    """Write images of noise as the cache of decoded images does, and return their memory map."""
    images = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(count, 3, side, side)
    )
    rng = np.random.default_rng(0)
    for start in range(0, count, 256):
        part = images[start : start + 256]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    images.flush()
    return np.lib.format.open_memmap(path, mode="r")


def sources(images: np.ndarray, spec: RunSpec, device: torch.device) -> list[ImageSource]:
    """Return the images kept on the device, and read from their file at each step."""
    rows = np.arange(len(images))
    return [
        ImageSource(images, rows, resize=spec.resize, device=device, resident_bytes=size)
        for size in (2**40, 0)
    ]


def works(spec: RunSpec, images: np.ndarray, device: torch.device) -> dict[str, list[Work]]:
    """Return what is timed: (resident, streamed) of training an epoch and of encoding."""
    network = build_network(spec, CLASSES, device)
    network.to(memory_format=memory_format(device, spec.precision))  # type: ignore[call-overload]
    optimizer = build_optimizer(network, spec.schedule)
    labels, known = torch.arange(len(images)) % CLASSES, torch.ones(len(images), dtype=torch.bool)
    kept = sources(images, spec, device)
    sets = [TrainingSet(source, labels, known, CLASSES) for source in kept]
    steps = torch.arange(len(images)).tensor_split(len(images) // spec.batch_size)
    return {
        IMAGES: [partial(_drain, source, steps) for source in kept],
        "an epoch of training": [
            partial(run_epoch, network, optimizer, training, spec, 0, device) for training in sets
        ],
        "encoding": [partial(encode, network, source, spec, device=device) for source in kept],
    }


def _drain(source: ImageSource, steps: tuple[torch.Tensor, ...]) -> None:
    for _ in source.stream(steps):
        pass


def measure(both: list[Work], repeats: int, device: torch.device) -> list[Seconds]:
    """Return seconds of (resident, streamed), in turn, after one of each to warm up."""
    times = []
    for _ in range(repeats + 1):
        spent = []
        for work in both:
            busy = time.process_time()
            with Timer(device) as timer:
                work()
            spent.append((timer.seconds, time.process_time() - busy))
        (resident, resident_busy), (streamed, streamed_busy) = spent
        times.append(Seconds(resident, streamed, resident_busy, streamed_busy))
    return times[1:]


def section(found: dict[str, list[Seconds]], options: argparse.Namespace) -> str:
    """Return the table as Markdown."""
    made = provenance(options.device)
    middle = {
        name: Seconds(*map(statistics.median, zip(*times, strict=True)))
        for name, times in found.items()
    }
    rows, own, short = list[list[str]](), middle[IMAGES].streamed_busy, list[str]()
    for name, times in found.items():
        if name == IMAGES:
            continue
        ratios, mean = [t.streamed / t.resident for t in times], middle[name]
        milliseconds = [f"{1000 * t / options.images:.2f}" for t in mean[:2]]
        busy = statistics.median(t.streamed_busy / t.resident_busy for t in times)
        short.append(f"{statistics.median(ratios):.2f} times as long for {name}")
        rows.append([
            name, *milliseconds, f"{1 + own / mean.resident_busy:.2f}",
            f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} - {max(ratios):.2f}",
            f"{busy:.2f}",
        ])  # fmt: skip
    head = ["work", "resident, ms an image", "streamed", "ratio predicted", "ratio", "range",
            "of processor time"]  # fmt: skip
    return "\n".join(
        [
            "## Images read from their file, against images kept on the device",
            "",
            f"`python benchmarks/speed/streaming.py`, {utc_now()[:10]}: {made.cpu}, {made.device}, "
            f"threads {made.threads}, torch {made.versions['torch']}, load "
            f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors. {options.images} images of "
            f"{options.stored} pixels, resized to 35 and cut to 32; `{options.trunk}`, batch "
            f"{options.batch}; medians of {options.repeats} interleaved repeats after one to warm "
            "up. The file is in memory: a disk's time is not in here.",
            "",
            f"To read and resize an image takes {1000 * own / options.images:.2f} ms of processor "
            "time. Predicted is what that adds to the work if nothing of it runs beside.",
            "",
            tabulate(rows, head, tablefmt="github", disable_numparse=True),
            "",
            f"{IN_SHORT}streamed images take {', '.join(short)}.",
        ]
    )


def main() -> None:
    """Read the flags, time both kinds of source, print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--stored", type=int, default=112, help="pixels a side in the file")
    parser.add_argument("--trunk", default="sphere20-narrow")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", type=resolve_device, default="auto")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    suite = Suite(methods=("opqn",), bits=(32,), trunk=options.trunk, batch_size=options.batch)
    spec = plan("speed", suite, device=options.device.type)[0].spec
    with tempfile.TemporaryDirectory() as scratch:
        images = draw_file(Path(scratch) / "images.npy", options.images, options.stored)
        found = {
            name: measure(both, options.repeats, options.device)
            for name, both in works(spec, images, options.device).items()
        }
    text = section(found, options)
    leave(text, options.markdown)


if __name__ == "__main__":
    main()
