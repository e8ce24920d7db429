"""Time exact scoring over 10^4 to 10^8 codes of 64 bits: linear in pairs, flat in classes.

Usage: python benchmarks/speed/growth.py [--kind hamming|adc] [--items N ...] [--queries Q]
[--classes C ...] [--write]

Galleries of 10^7 codes and more are files that are mapped block by block; each point is a process
of its own, whose peak memory is measured; loading the compiled kernel is not timed. The run of
10^8 codes by 1,000 queries: python benchmarks/speed/growth.py --items 100000000 --queries 1000
--classes 1000 --name streamed --write. Look-up tables, of 8 books of 256 codewords:
python benchmarks/speed/growth.py --kind adc --classes 1000 --name growth-tables --write
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from machine import UNUSED, described, resident_bytes, restart_peak  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.codes.binary import unpack_bits  # noqa: E402
from hashquant.codes.family import CodeBudget  # noqa: E402
from hashquant.codes.kernels import count_pairs, placers  # noqa: E402
from hashquant.machine.compiled import compiled  # noqa: E402
from hashquant.metrics.kernels import fold_gains, list_tied  # noqa: E402
from hashquant.report.drawing.canvas import canvas  # noqa: E402
from hashquant.report.drawing.files import Drawing, write_files  # noqa: E402
from hashquant.report.drawing.style import PRESETS, Preset, legend_below  # noqa: E402
from hashquant.search.evaluation import Evaluation, evaluate  # noqa: E402
from hashquant.search.exhaustive import Gallery, StoredGallery, hamming_groups, table_groups  # noqa: E402

SIZES = [10**4, 10**5, 10**6, 10**7, 10**8]
#: Pairs that a point without `--queries` is given, within these numbers of queries.
PAIRS, QUERIES = {"hamming": 2 * 10**9, "adc": 2 * 10**8}, (16, 2000)
BUDGETS = {"hamming": CodeBudget(64), "adc": CodeBudget(64, 8, 256)}
STORED_FROM, BLOCK = 10**7, 1 << 20


@dataclass(frozen=True)
class Point:
    """One search: how large, how long, and how far memory rose above what held the inputs."""

    items: int
    queries: int
    classes: int
    seconds: float
    extra_mib: float
    peak_mib: float
    mean_ap: float

    @property
    def picoseconds(self) -> float:
        """Time for one pair of query and item, in 10^-12 s."""
        return self.seconds / (self.items * self.queries) * 1e12


def drawn(classes: np.ndarray, seed: int) -> np.ndarray:
    """Return 64-bit codes as bytes: the class's own word, a quarter of its bits flipped."""
    own = np.random.default_rng(7).integers(0, 1 << 63, int(classes.max()) + 1, dtype=np.uint64)
    g = np.random.default_rng(seed)
    flips = g.integers(0, 1 << 63, (2, len(classes)), dtype=np.uint64)
    words: np.ndarray = own[classes] ^ (flips[0] & flips[1])
    return words.view(np.uint8).reshape(-1, 8)


def write_codes(path: Path, sizes: np.ndarray) -> None:
    """Write a gallery in order of class, a block at a time."""
    ends = np.cumsum(sizes)
    with path.open("wb") as file:
        for block, start in enumerate(range(0, int(ends[-1]), BLOCK)):
            places = np.arange(start, min(start + BLOCK, int(ends[-1])))
            file.write(drawn(np.searchsorted(ends, places, side="right"), 100 + block).tobytes())


def drawn_tables(query: torch.Tensor) -> torch.Tensor:
    """Return tables (q, 8, 256) that tell how far a byte is from the query's own, with noise."""
    g = torch.Generator().manual_seed(2)
    differing = query.unsqueeze(2) ^ torch.arange(256).to(torch.uint8)  # (q, m, k)
    distance = unpack_bits(differing.view(-1, 1), 8).sum(1).view(differing.shape)
    return distance + 0.5 * torch.randn(differing.shape, generator=g)


def searching(
    kind: str, query: torch.Tensor, labels: torch.Tensor, gallery: Gallery | StoredGallery
) -> Callable[[], Evaluation]:
    """Return the search that is timed; its kernel is loaded."""
    pairs = len(query) * len(gallery)
    for kernel in (list_tied, fold_gains):
        compiled(kernel, pairs)
    if kind == "hamming":
        compiled(count_pairs, pairs)
        return lambda: evaluate(hamming_groups(query, labels, gallery), kind)
    placers(pairs)
    tables = drawn_tables(query)
    return lambda: evaluate(table_groups(tables, labels, gallery, larger_is_closer=False), kind)


def measured(kind: str, items: int, queries: int, classes: int, folder: Path) -> Point:
    """Search once, in this process."""
    sizes = np.full(classes, items // classes)
    sizes[: items % classes] += 1
    path = folder / "codes.bin"
    write_codes(path, sizes)
    wanted = np.arange(queries) % classes
    query, labels = torch.from_numpy(drawn(wanted, 1)), torch.from_numpy(wanted)
    gallery: Gallery | StoredGallery
    if items >= STORED_FROM:
        known = torch.arange(classes)
        gallery = StoredGallery(path, known, torch.from_numpy(sizes), BUDGETS[kind])
    else:
        codes = torch.from_numpy(np.fromfile(path, np.uint8).reshape(-1, 8))
        own = torch.from_numpy(np.repeat(np.arange(classes), sizes))
        gallery = Gallery(codes, own, BUDGETS[kind])
    search = searching(kind, query, labels, gallery)
    before, began = restart_peak(), time.perf_counter()
    found = search()
    seconds, peak = time.perf_counter() - began, resident_bytes("VmHWM")
    path.unlink()
    value = next(s.value for s in found.scores if s.metric == "mAP")
    mib = 1 / 2**20
    return Point(items, queries, classes, seconds, (peak - before) * mib, peak * mib, value)


def in_a_process(options: argparse.Namespace, *shape: int) -> tuple[Point, dict[str, str]]:
    """Search in a fresh process, so that its peak of memory is its own; name what it ran on."""
    with tempfile.TemporaryDirectory() as folder:
        asked = [options.kind, *(str(x) for x in (*shape, options.threads)), folder]
        command = [sys.executable, __file__, "--measure", *asked]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    point, machine = json.loads(done.stdout)
    return Point(**point), machine


def measure(kind: str, items: str, queries: str, classes: str, threads: str, folder: str) -> None:
    """Print the point of one search, and the machine with what this process computed with."""
    torch.set_num_threads(int(threads))
    point = measured(kind, int(items), int(queries), int(classes), Path(folder))
    print(json.dumps([asdict(point), described(int(threads))]))


def write_figure(points: list[Point], stem: Path) -> None:
    """Write seconds a pair over the gallery's size, and the numbers."""
    frame = pd.DataFrame([{**asdict(p), "picoseconds": p.picoseconds} for p in points])
    preset = PRESETS["column"]
    write_files(Drawing(partial(growth_figure, frame, preset), frame, stem, preset))


def growth_figure(frame: pd.DataFrame, preset: Preset) -> Figure:
    """Draw one line a number of classes."""
    panel, axes = canvas(preset)
    for (classes, held), marker in zip(frame.groupby("classes"), "os^v", strict=False):
        axes.plot(held["items"], held["picoseconds"], marker=marker, label=f"{classes} classes")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("codes in the gallery")
    axes.set_ylabel("10⁻¹² s a pair")
    legend_below(axes, preset)
    return panel


def asked() -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(BUDGETS), default="hamming")
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--queries", type=int, help="instead of as many as make the usual pairs")
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--name", default="growth", help="of the files that --write leaves")
    parser.add_argument("--write", action="store_true", help="raw times, and the figure")
    return parser.parse_args()


def main() -> None:
    """Measure every point, print a table, and write it down if that is asked for."""
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
        return
    options = asked()
    points, machine = list[Point](), dict[str, str]()
    for items in options.items:
        usual = min(max(PAIRS[options.kind] // items, QUERIES[0]), QUERIES[1])
        for classes in options.classes:
            shape = items, options.queries or usual, classes
            point, ran = in_a_process(options, *shape)
            points.append(point)
            # Small searches use no compiled kernel: the machine is that of all points together.
            machine |= {name: value for name, value in ran.items() if value != UNUSED}
            print(f"{items} items, {classes} classes: {points[-1].seconds:.2f} s", flush=True)
    rows = [{**asdict(p), "10^-12 s a pair": p.picoseconds} for p in points]
    print(tabulate(rows, headers="keys", floatfmt=".4g", tablefmt="github"))
    if options.write:
        command = shlex.join(["python", "benchmarks/speed/growth.py", *sys.argv[1:]])
        raw = {"command": command, "machine": described(options.threads) | machine, "points": rows}
        packed = json.dumps(raw, indent=1) + "\n"
        folder = Path(__file__).parent
        (folder / f"{options.name}.json").write_text(packed, encoding="utf-8")
        if len(options.items) > 1:  # of one size there is no growth to see
            (folder / "figures").mkdir(exist_ok=True)
            write_figure(points, folder / "figures" / options.name)


if __name__ == "__main__":
    main()
