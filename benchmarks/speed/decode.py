"""Time the first decoding of a folder, one worker against all, and what bounds more of them.

Usage: python benchmarks/speed/decode.py [--images 600] [--markdown FILE]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from sections import leave  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.data.decoding import read_all  # noqa: E402
from hashquant.data.images import Geometry  # noqa: E402

STORED = 112  #: pixels a side after the decoding


def draw_photos(folder: Path, count: int, side: int) -> tuple[str, ...]:
    """Write JPEG files of smooth noise, about as large as photographs of `side` pixels."""
    rng, names = np.random.default_rng(0), []
    for index in range(count):
        coarse = rng.integers(0, 256, (max(side // 8, 1), max(side // 8, 1), 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        names.append(f"{index:05d}.jpg")
        image.save(folder / names[-1], quality=90)
    return tuple(names)


def measure(folder: Path, names: tuple[str, ...], workers: int, size: int) -> tuple[float, float]:
    """Return images a second, and images a second of processor time."""
    began, busy = time.perf_counter(), time.process_time()
    read_all(folder, names, Geometry(size), skip=False, workers=workers)
    busy, took = time.process_time() - busy, time.perf_counter() - began
    return len(names) / took, len(names) / busy


def main() -> None:
    """Draw files, decode them in turn by one worker and by all, print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--side", type=int, default=250, help="pixels of a file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    counts = sorted({1, os.cpu_count() or 1})
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = draw_photos(folder, options.images, options.side)
        kilobytes = (folder / names[0]).stat().st_size / 1000
        for _ in range(options.repeats):
            for count in counts:
                found[count].append(measure(folder, names, count, STORED))
        names = draw_photos(folder, options.images, 8)
        held = max(measure(folder, names, 1, 8)[1] for _ in range(options.repeats))
    rows = [
        [count, *(f"{statistics.median(column):,.0f}" for column in zip(*rates, strict=True))]
        for count, rates in found.items()
    ]
    section = "\n".join(
        [
            "## The first decoding of a folder",
            "",
            f"`python benchmarks/speed/decode.py`: {options.images} JPEG files of {options.side} "
            f"pixels and {kilobytes:.0f} kB to {STORED} pixels; medians of {options.repeats} "
            f"interleaved repeats, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.",
            "",
            tabulate(rows, ["workers", "images/s", "images a processor-second"], tablefmt="github"),
            "",
            f"Images of 8 pixels: {held:,.0f} a processor-second. That is what an image costs "
            "beside its pixels, most of it with the interpreter held: threads share it, and no "
            "number of them decodes more a second.",
        ]
    )
    leave(section, options.markdown)


if __name__ == "__main__":
    main()
