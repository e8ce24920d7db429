"""Time our training loop against the usual one, interleaved, and lay their losses side by side.

Usage: python benchmarks/speed/training.py [--trunks sphere20 resnet18] [--markdown FILE]
"""

import argparse
import copy
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from baselines_training import (  # noqa: E402
    WORKERS,
    pixel_transforms,
    plain_epoch,
    plain_loader,
    plain_network,
)
from PIL import Image  # noqa: E402
from rates import DTYPES, bf16_note, matrix_rate, training_flops, wait  # noqa: E402
from sections import IN_SHORT, leave, verdict  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torchvision import datasets, transforms  # noqa: E402

from hashquant.data.imagecache import decode_once  # noqa: E402
from hashquant.data.images import Geometry  # noqa: E402
from hashquant.data.items import TrainingSet  # noqa: E402
from hashquant.data.layouts import file_list  # noqa: E402
from hashquant.data.pixels import ImageSource  # noqa: E402
from hashquant.machine.environment import resolve_device, utc_now  # noqa: E402
from hashquant.machine.seeds import generator, seeded  # noqa: E402
from hashquant.records.provenance import provenance  # noqa: E402
from hashquant.runs.planning import plan  # noqa: E402
from hashquant.settings.suite import RunSpec, Suite  # noqa: E402
from hashquant.training.epochs import run_epoch  # noqa: E402
from hashquant.training.network import Network, build_network, memory_format  # noqa: E402
from hashquant.training.optimizers import build_optimizer  # noqa: E402

#: trunk → the least ratio that is asked for, in bf16
GOALS = {"sphere20": 2.4, "resnet18": 3.0}
STORED = 40  #: pixels of the timed files; 35 after the resize, 32 after the crop
CLASSES = 32


@dataclass(frozen=True)
class Row:
    """One trunk's rates in images a second, and how far the two losses lie apart."""

    trunk: str
    precision: str
    ours: float
    plain: float
    ratios: list[float]
    flops: float
    losses: list[tuple[float, float]]

    @property
    def apart(self) -> float:
        """The largest difference of a step's two losses, in parts of the plain one."""
        return max(abs(ours - plain) / plain for ours, plain in self.losses)


def make_spec(trunk: str, batch: int, precision: str, device: torch.device) -> RunSpec:
    """Return OPQN at 4x256 as the suites train it on faces."""
    suite = Suite(methods=("opqn",), bits=(32,), trunk=trunk, batch_size=batch, precision=precision)
    return plan("speed", suite, device=device.type)[0].spec


def draw_folder(folder: Path, images: int, side: int) -> None:
    """Write PNG files of noise around one colour pattern a class."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 256, (CLASSES, side, side, 3))
    for index in range(images):
        noisy = patterns[index % CLASSES] + rng.normal(0, 40, (side, side, 3))
        place = folder / f"{index % CLASSES:03d}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(place / f"{index:05d}.png")


def read_folder(
    folder: Path, spec: RunSpec, device: torch.device, rows: np.ndarray | None = None
) -> TrainingSet:
    """Decode the folder into our cache and hand `rows` of it (all) to the device.

    The order is ImageFolder's.
    """
    files = file_list(folder, [p.relative_to(folder).as_posix() for p in folder.rglob("*.png")])
    side = Image.open(folder / files.names[0]).width
    images = decode_once(files, Geometry(side), folder.parent, name="speed").images
    rows = np.arange(len(images)) if rows is None else rows
    labels = torch.tensor([int(files.names[row].split("/")[0]) for row in rows])
    source = ImageSource(images, rows, resize=spec.resize, device=device, resident_bytes=2**30)
    return TrainingSet(source, labels, torch.ones(len(rows), dtype=torch.bool), CLASSES)


def plain_optimizer(network: Network, spec: RunSpec) -> torch.optim.Optimizer:
    """Return SGD as tutorials write it."""
    recipe = spec.schedule
    return torch.optim.SGD(
        network.parameters(), recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def measure(spec: RunSpec, folder: Path, options: argparse.Namespace) -> Row:
    """Time both loops in turn, an epoch each, after one epoch of warm-up."""
    device = options.device
    training = read_folder(folder, spec, device)
    fresh = build_network(spec, training.num_classes, device)
    losses = loss_curve(spec, fresh, folder.with_name("curve"), options)
    flops = training_flops(plain_network(fresh).trunk, spec.image_size)
    plain, loader = plain_network(fresh), plain_loader(folder, spec)
    theirs = plain_optimizer(plain, spec)
    network = fresh.to(memory_format=memory_format(device, spec.precision))  # type: ignore[call-overload]
    optimizer = build_optimizer(network, spec.schedule)
    count, times = len(training.labels), []
    for epoch in range(options.repeats + 1):
        ours_s = _timed(
            partial(run_epoch, network, optimizer, training, spec, epoch, device), device
        )
        plain_s = _timed(partial(plain_epoch, plain, theirs, loader, device), device)
        times.append((ours_s, plain_s))
    times = times[1:]
    return Row(
        trunk=spec.trunk,
        precision=spec.precision,
        ours=count / statistics.median(t[0] for t in times),
        plain=count / statistics.median(t[1] for t in times),
        ratios=[plain_s / ours_s for ours_s, plain_s in times],
        flops=flops,
        losses=losses,
    )


def _timed(work: Callable[[], object], device: torch.device) -> float:
    wait(device)
    began = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - began


def loss_curve(
    spec: RunSpec, fresh: Network, folder: Path, options: argparse.Namespace
) -> list[tuple[float, float]]:
    """Return (ours, plain) loss of each step from equal weights, batches and dropout masks.

    The files have the trunk's size: nothing is resized, cropped or flipped, so that both loops
    see the same pixels in the same order. Each step has images of its own. Steps are epochs to our
    loop, whose rate is kept from falling between them, as the plain loop's is.
    """
    device, size = options.device, options.curve_batch
    spec = dataclasses.replace(
        spec, batch_size=size, resize=0, flip=False,
        schedule=dataclasses.replace(spec.schedule, lr=0.01, step_factor=1.0),
    )  # fmt: skip
    ours, plain = copy.deepcopy(fresh), plain_network(fresh)
    ours.to(memory_format=memory_format(device, spec.precision))  # type: ignore[call-overload]
    optimizer, theirs = build_optimizer(ours, spec.schedule), plain_optimizer(plain, spec)
    images, losses = plain_images(folder, spec), []
    for step in range(options.curve_steps):
        rows = np.arange(step, len(images), options.curve_steps)
        part = read_folder(folder, spec, device, rows)
        terms, _ = run_epoch(ours, optimizer, part, spec, step, device)
        order = torch.randperm(len(rows), generator=generator(spec.seed, "shuffle", step))
        batch = (images[rows][order], part.labels[order])
        with seeded(spec.seed, "epoch", step, device=device):
            [loss] = plain_epoch(plain, theirs, [batch], device)
        losses.append((terms["total"], loss))
    return losses


def plain_images(folder: Path, spec: RunSpec) -> torch.Tensor:
    """Return all images of a folder in ImageFolder's order, not augmented."""
    found = datasets.ImageFolder(str(folder), transforms.Compose(pixel_transforms(spec)))
    return torch.stack([image for image, _ in found])


def markdown(rows: list[Row], options: argparse.Namespace) -> str:
    """Return the section of RESULTS.md on training."""
    made = provenance(options.device)
    rates = {name: matrix_rate(options.device, dtype) for name, dtype in DTYPES.items()}
    bounds = [rates[r.precision] / r.flops for r in rows]
    table = [
        [r.trunk, r.precision, f"{r.ours:.1f}", f"{r.plain:.1f}",
         f"{statistics.median(r.ratios):.2f}", f"{min(r.ratios):.2f} - {max(r.ratios):.2f}",
         GOALS.get(r.trunk, ""), f"{bound:.1f}", f"{r.ours / bound:.0%}",
         f"{r.plain / bound:.0%}", f"{r.apart:.1e}"]
        for r, bound in zip(rows, bounds, strict=True)
    ]  # fmt: skip
    head = ["trunk", "precision", "ours, img/s", "plain, img/s", "ratio", "range", "goal",
            "bound, img/s", "ours of it", "plain of it", "losses apart"]  # fmt: skip
    curves = [
        f"{r.trunk}: " + ", ".join(f"{ours:.4f} / {plain:.4f}" for ours, plain in r.losses)
        for r in rows
    ]
    speeds = ", ".join(f"{name} {rate / 1e9:,.1f}" for name, rate in rates.items())
    return "\n".join(
        [
            "## Training against the usual loop",
            "",
            f"`python benchmarks/speed/training.py`, {utc_now()[:10]}: {made.cpu}, {made.device}, "
            f"{made.threads} threads, torch {made.versions['torch']}. Batch {options.batch}, "
            f"{options.repeats} interleaved repeats of {options.steps} steps, and one to warm up.",
            f"Plain: ImageFolder, DataLoader with {WORKERS} workers, PIL transforms, fp32 NCHW, "
            "a loss per book, read at each step. Ours: the engine's loop on the decoded cache.",
            "",
            tabulate(table, head, tablefmt="github", disable_numparse=True),
            "",
            "The bound is the matrix rate over the products of one image, forward and backward. "
            f"Matrix rate, GFLOP/s: {speeds}; {bf16_note()}.",
            f"Loss of each step, ours / plain, from equal weights, {options.curve_batch} images "
            f"a step: {'; '.join(curves)}.",
            "Where a step's time goes: `PROFILE.md`. A compiled trunk: `COMPILING.md`. Images that "
            "are read from a file: `STREAMING.md`.",
            "",
            IN_SHORT + "; ".join(map(in_short, rows, bounds)) + ".",
        ]
    )  # fmt: skip


def in_short(row: Row, bound: float) -> str:
    """Say how far a trunk is from its goal, and how far the machine lets it be."""
    ratio, goal = statistics.median(row.ratios), GOALS.get(row.trunk)
    said = f"{row.trunk} {ratio:.2f}x in {row.precision}"
    if goal is not None:
        said += f" (goal {goal} in bf16, {verdict(ratio >= goal)})"
    at_most = f"products alone, at the machine's rate, would give {bound / row.plain:.2f}x"
    return f"{said}: {at_most}"


def main() -> None:
    """Read the flags, time every trunk, print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunks", nargs="+", default=list(GOALS))
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--device", type=resolve_device, default="auto")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=2, help="of an epoch, which is one repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--curve-steps", type=int, default=6)
    parser.add_argument("--curve-batch", type=int, default=32)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        draw_folder(folder, options.batch * options.steps, STORED)
        draw_folder(folder.with_name("curve"), options.curve_batch * options.curve_steps, 32)
        for trunk in options.trunks:
            spec = make_spec(trunk, options.batch, options.precision, options.device)
            rows.append(measure(spec, folder, options))
            print(f"{trunk}: {statistics.median(rows[-1].ratios):.2f}x", flush=True)
    section = markdown(rows, options)
    leave(section, options.markdown)


if __name__ == "__main__":
    main()
