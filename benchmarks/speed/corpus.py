"""Take 700,000 image files of 112 pixels through the cache: decoded, interrupted, shared, streamed.

Usage: python benchmarks/speed/corpus.py [--images 700000] [--scratch FOLDER] [--markdown FILE]

One process starts to decode and is killed; two more are started at once, and a last one finds all
done. Each counts the files that it decodes. Then the cache is read at random, as an epoch of
training does, and in order, as encoding does; the system is asked to forget the file before each.
The disk is told of a whole step before its first image is read, but for one comparison.
FOLDER takes some 46 kB an image: 33 GB for 700,000.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from machine import resident_bytes, restart_peak  # noqa: E402
from PIL import Image  # noqa: E402
from sections import IN_SHORT, leave  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.data import decoding, rowfile  # noqa: E402
from hashquant.data.images import Geometry, read_image  # noqa: E402
from hashquant.data.pixels import ImageSource  # noqa: E402
from hashquant.machine.environment import utc_now  # noqa: E402
from hashquant.machine.hardware import cpu_model  # noqa: E402
from hashquant.plugins.registry import make_dataset  # noqa: E402

SIDE, IDENTITY = 112, 100  #: pixels of a file, and images of an identity
BATCH = 256
#: how the cache is read → what the table calls it; `alone` asks for one image after the other
READINGS = {"alone": "at random, one by one", "random": "at random", "order": "in order"}
KILLED, NEXT, BESIDE, LATER = (
    "killed after a third", "started next", "started with it", "started later"
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What one process did: images decoded or read, its seconds, and memory that it took."""

    images: int
    seconds: float
    extra_mib: float


def draw_identity(folder: Path, identity: int, images: int) -> None:
    """Write JPEG files of smooth noise around one identity's pattern."""
    rng = np.random.default_rng(identity)
    own = rng.integers(0, 200, (14, 14, 3))
    place = folder / f"{identity:05d}"
    place.mkdir()
    for index in range(images):
        coarse = (own + rng.integers(0, 56, own.shape)).astype(np.uint8)
        image = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(place / f"{index:03d}.jpg", quality=90)


def draw(folder: Path, images: int) -> None:
    """Write all files, on all cores."""
    folder.mkdir()
    sizes = [min(IDENTITY, images - start) for start in range(0, images, IDENTITY)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(draw_identity, folder), range(len(sizes)), sizes, chunksize=8))


def decode(folder: Path, root: Path) -> None:
    """Prepare the folder as a run does, counting what is decoded, and print a `Part`."""
    calls = itertools.count()

    def counted(path: Path, geometry: Geometry) -> np.ndarray:
        next(calls)
        return read_image(path, geometry)

    dataset = make_dataset(f"folder:{folder}", {"size": str(SIDE)})
    dataset.progress = lambda done, _: print(json.dumps({"done": done}), flush=True)
    before, began = restart_peak(), time.perf_counter()
    with patch.object(decoding, "read_image", counted):
        dataset.prepare(root)
    took = time.perf_counter() - began
    report(next(calls), took, before)


def stream(folder: Path, root: Path, order: str) -> None:
    """Read every image from the cache, in steps of `BATCH`, and print a `Part`."""
    images = make_dataset(f"folder:{folder}", {"size": str(SIDE)}).load(root).images
    for path in root.glob(f".cache/*/{decoding.PIXELS}"):
        forget(path)
    torch.set_num_threads(1)
    if order == "alone":
        rowfile.announce = lambda *_: None
    rows = np.arange(len(images))
    source = ImageSource(images, rows, resize=0, device=torch.device("cpu"), resident_bytes=0)
    places = torch.arange(len(rows)) if order == "order" else torch.randperm(len(rows))
    before, began = restart_peak(), time.perf_counter()
    served = sum(batch.shape[0] for batch in source.stream(torch.split(places, BATCH)))
    report(served, time.perf_counter() - began, before)


def forget(path: Path) -> None:
    """Ask the system to drop a file from its memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def report(images: int, seconds: float, before: int) -> None:
    """Print what this process did, and how far its memory rose above `before`."""
    extra = (resident_bytes("VmHWM") - before) / 2**20
    print(json.dumps(asdict(Part(images, seconds, extra))), flush=True)


def run_part(part: str, folder: str, root: str, order: str = "") -> None:
    """Do what `start` asked a process for."""
    if part == "decode":
        decode(Path(folder), Path(root))
    else:
        stream(Path(folder), Path(root), order)


def start(*words: object) -> subprocess.Popen[str]:
    """Start one part in a process of its own."""
    command = [sys.executable, __file__, "--part", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> Part:
    """Wait for a process and return what it did."""
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a part ended with {process.returncode}")
    return Part(**json.loads(told.splitlines()[-1]))


def interrupted(folder: Path, root: Path, until: int) -> int:
    """Kill a decoding process once `until` files are done, and return how many were."""
    process, done = start("decode", folder, root), 0
    for line in process.stdout or ():
        done = json.loads(line).get("done", done)
        if done >= until:
            break
    process.kill()
    process.communicate()
    return done


def measure(folder: Path, root: Path, images: int) -> dict[str, Part]:
    """Return what each process did, by what it is called in the table."""
    began = time.perf_counter()
    saved = interrupted(folder, root, images // 3)
    found = {KILLED: Part(saved, time.perf_counter() - began, 0.0)}
    pair = [start("decode", folder, root) for _ in range(2)]
    both = sorted((finish(one) for one in pair), key=lambda part: -part.images)
    found[NEXT], found[BESIDE] = both
    found[LATER] = finish(start("decode", folder, root))
    for order, said in READINGS.items():
        found[f"cache read {said}"] = finish(start("stream", folder, root, order))
    return found


def section(found: dict[str, Part], kilobytes: float, images: int) -> str:
    """Return the table as Markdown."""
    rows = [
        [name, f"{part.images:,}", f"{part.seconds:.1f}", f"{part.images / part.seconds:,.0f}",
         f"{part.extra_mib:.0f}" if part.extra_mib else "–"]
        for name, part in found.items()
    ]  # fmt: skip
    decoded = sum(found[name].images for name in (KILLED, NEXT, BESIDE, LATER))
    reading = {said: found[f"cache read {said}"] for said in READINGS.values()}
    rates = ", ".join(f"{part.images / part.seconds:,.0f} {said}" for said, part in reading.items())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    stored = images * 3 * SIDE**2
    return "\n".join(
        [
            "## A folder of many images",
            "",
            f"`python benchmarks/speed/corpus.py --images {images}`, {utc_now()[:10]}: "
            f"{cpu_model()}, {os.cpu_count()} processors. {images:,} JPEG files of {SIDE} pixels "
            f"and {kilobytes:.1f} kB, {IDENTITY} an identity; the cache is one file of "
            f"{stored / 1e9:.1f} GB on a machine with {memory / 1e9:.1f} GB of memory.",
            "",
            tabulate(
                rows, ["process", "images", "seconds", "images/s", "more memory, MiB"],
                tablefmt="github", disable_numparse=True,
            ),
            "",
            "Seconds of decoding have the listing of the folder and the digests in them, those of "
            "the killed process its start too. Memory is what a process took at its peak beyond "
            f"what it had when it began. Images are read by one core in steps of {BATCH}, from a "
            "file that the system was asked to forget; one by one means that the disk was not told "
            "of a step's other images.",
            "",
            f"{IN_SHORT}{decoded - images:,} of {images:,} files decoded twice, but for the step "
            "that the kill interrupted; "
            f"{found[NEXT].images / found[NEXT].seconds:,.0f} images/s decoded, found again in "
            f"{found[LATER].seconds:.1f} s; images/s read from the file: {rates}.",
        ]
    )  # fmt: skip


def main() -> None:
    """Draw the files, run every part, print the section."""
    if sys.argv[1:2] == ["--part"]:
        run_part(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=700_000)
    parser.add_argument("--scratch", type=Path, help="on the disk to be measured")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        folder, root = Path(scratch) / "faces", Path(scratch) / "data"
        root.mkdir()
        draw(folder, options.images)
        kilobytes = (folder / "00000" / "000.jpg").stat().st_size / 1000
        found = measure(folder, root, options.images)
    leave(section(found, kilobytes, options.images), options.markdown)


if __name__ == "__main__":
    main()
