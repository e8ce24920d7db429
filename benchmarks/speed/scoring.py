"""Time exact scoring against the textbook loop, interleaved, and check that both agree.

Usage: python benchmarks/speed/scoring.py [--queries 1000] [--gallery 200000] [--json FILE]
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from baselines import adc_by_sorting, hamming_by_sorting  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.codes.binary import pack_bits  # noqa: E402
from hashquant.codes.family import CodeBudget  # noqa: E402
from hashquant.codes.product import pack_indices  # noqa: E402
from hashquant.evaluation import Evaluation, evaluate  # noqa: E402
from hashquant.search import Gallery, hamming_groups, table_groups  # noqa: E402

JOBS = ("hamming-64", "hamming-32", "hamming-16", "product-8x256", "product-4x256")


@dataclass(frozen=True)
class Row:
    """One job's result: seconds for all queries, and the ratio of each interleaved repeat."""

    job: str
    classes: int
    ours_seconds: float
    baseline_seconds: float
    ratio_median: float
    ratio_min: float
    ratio_max: float
    mean_ap: float
    baseline_mean_ap: float
    extra_memory_mib: float


@dataclass(frozen=True)
class Job:
    """Both sides of one comparison on the same codes."""

    ours: Callable[[], Evaluation]
    baseline: Callable[[int], list[float]]


def noisy_classes(
    count: int, classes: int, dims: int, noise: float, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return embeddings around shared class centres, and their labels."""
    centres = torch.randn(classes, dims, generator=torch.Generator().manual_seed(7))
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=g)
    return centres[labels] + noise * torch.randn(count, dims, generator=g), labels


def hamming_job(bits: int, queries: int, gallery: int, classes: int) -> Job:
    """Return a binary comparison; codes flip about a third of their class centre's bits."""
    near, near_labels = noisy_classes(queries, classes, bits, 1.5, 1)
    far, far_labels = noisy_classes(gallery, classes, bits, 1.5, 2)
    query_codes, codes = pack_bits(near > 0), pack_bits(far > 0)
    plus_minus = [(x > 0).float() * 2 - 1 for x in (near, far)]

    def ours() -> Evaluation:
        items = Gallery(codes, far_labels, CodeBudget(bits))
        return evaluate(hamming_groups(query_codes, near_labels, items), "hamming")

    def baseline(sample: int) -> list[float]:
        return hamming_by_sorting(
            plus_minus[0][:sample], near_labels[:sample], plus_minus[1], far_labels
        )

    return Job(ours, baseline)


def product_job(books: int, queries: int, gallery: int, classes: int) -> Job:
    """Return an ADC comparison with inner-product tables over random codebooks of 256 words."""
    dims = 16 * books
    near, near_labels = noisy_classes(queries, classes, dims, 1.5, 1)
    far, far_labels = noisy_classes(gallery, classes, dims, 1.5, 2)
    words = torch.randn(books, 256, 16, generator=torch.Generator().manual_seed(3)) * 1.8
    far_parts = far.view(gallery, books, 16)
    indices = torch.stack(
        [torch.cdist(far_parts[:, m], words[m]).argmin(1) for m in range(books)], dim=1
    )
    tables = torch.einsum("qmd,mkd->qmk", near.view(queries, books, 16), words)
    budget = CodeBudget(8 * books, books, 256)
    packed = pack_indices(indices, budget)

    def ours() -> Evaluation:
        items = Gallery(packed, far_labels, budget)
        return evaluate(table_groups(tables, near_labels, items, larger_is_closer=True), "adc")

    def baseline(sample: int) -> list[float]:
        return adc_by_sorting(tables[:sample], near_labels[:sample], indices, far_labels)

    return Job(ours, baseline)


def make_job(name: str, queries: int, gallery: int, classes: int) -> Job:
    """Return the comparison a name stands for: `hamming-BITS` or `product-Mx256`."""
    family, size = name.split("-")
    if family == "hamming":
        return hamming_job(int(size), queries, gallery, classes)
    return product_job(int(size.split("x")[0]), queries, gallery, classes)


def compare(name: str, classes: int, options: argparse.Namespace) -> Row:
    """Time both sides in turn, and check that the plain AP lies within our tie bounds.

    The plain loop runs on the first queries of the sample only and is scaled to all of them.
    """
    job = make_job(name, options.queries, options.gallery, classes)
    sample = min(options.sample, options.queries)
    times, result, plain = [], job.ours(), job.baseline(sample)
    for _ in range(options.repeats):
        began = time.perf_counter()
        result = job.ours()
        middle = time.perf_counter()
        plain = job.baseline(sample)
        ended = time.perf_counter()
        times.append((middle - began, (ended - middle) * options.queries / sample))
    check_agreement(name, result, plain)
    ratios = [theirs / ours for ours, theirs in times]
    return Row(
        name,
        classes,
        statistics.median(t[0] for t in times),
        statistics.median(t[1] for t in times),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        float(np.nanmean(result.per_query["ap"][:sample])),
        float(np.mean(plain)),
        extra_memory(name, classes, options),
    )


def check_agreement(name: str, result: Evaluation, plain: list[float]) -> None:
    """Stop unless the plain mean AP agrees with ours as far as ties and float32 allow."""
    expected = float(np.nanmean(result.per_query["ap"][: len(plain)]))
    spread = {s.ties: s.value for s in result.scores if s.metric == "mAP" and s.cutoff == 0}
    slack = 1e-5 + (spread["best"] - spread["worst"])
    if abs(expected - float(np.mean(plain))) > slack:
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
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident_bytes("VmRSS")
    job.ours()
    print(f"{(resident_bytes('VmHWM') - before) / 2**20:.1f}")


def resident_bytes(field: str) -> int:
    """Return this process's resident memory, now (VmRSS) or at its peak (VmHWM), on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def machine(threads: int) -> dict[str, str]:
    """Name what the ratios were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    return {"cpu": cpu, "threads": str(threads), "python": platform.python_version(),
            "torch": str(torch.__version__), "numpy": np.__version__}  # fmt: skip


def main() -> None:
    """Read the flags, run the jobs, print a table."""
    if sys.argv[1:2] == ["--measure-memory"]:
        measure_memory(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--gallery", type=int, default=200_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[500, 10])
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=JOBS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sample", type=int, default=20, help="queries of the plain loop")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    where = machine(options.threads)
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print(
        f"{options.queries} queries x {options.gallery} items; plain loop: {options.sample} "
        f"queries scaled to all; {options.repeats} interleaved repeats",
        flush=True,
    )
    table = []
    for classes in options.classes:
        for job in options.jobs:
            table.append(asdict(compare(job, classes, options)))
            print(f"{job}, {classes} classes: {table[-1]['ratio_median']:.0f}x", flush=True)
    print(tabulate(table, headers="keys", floatfmt=".4g"))
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "rows": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
