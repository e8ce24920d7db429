"""Time a whole report on a store of drawn records: reading, tables, figures, the bundle.

Usage: python benchmarks/speed/reports.py [--seeds 5] [--no-figures] [--profile 15] [--markdown F]

With 5 seeds: 200 trainings, each examined on 4 targets; 1,000 records.
"""

import argparse
import cProfile
import json
import os
import platform
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:0] = [str(ROOT / "src")]

import numpy as np  # noqa: E402
from sections import leave  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant import registry  # noqa: E402
from hashquant.config import Recipe, RunSpec, comparability_key, run_id  # noqa: E402
from hashquant.record import Cost, Curve, EvalRecord, Score, TrainRecord  # noqa: E402
from hashquant.store import Store  # noqa: E402

Made = TypeVar("Made")
SUITE = "drawn"
WORDS = {"opqn": 256, "dpq": 256, "gpq": 16, "pq": 256, "opq": 256}
METHODS = (*WORDS, "dcdh", "itq", "lsh", "random", "sshash")
BITS = (16, 24, 36, 48)
TARGETS = {"lfw": "seen", "lfw-unseen": "unseen", "olivetti-cross": "cross",
           "synthfaces-studio": "cross"}  # fmt: skip
PEOPLE, QUERIES, GALLERY = 158, 641, 2576
RANKS = tuple(sorted({round(1.15**i) for i in range(57)}))
CUTOFFS = (1, 5, 10, 50, 100)


def draw_store(root: Path, seeds: int) -> int:
    """Write the records of a suite and return how many there are."""
    store, count = Store(root), 0
    identity = np.repeat(np.arange(PEOPLE), -(-QUERIES // PEOPLE))[:QUERIES]
    for spec in specs(seeds):
        rng = np.random.default_rng([METHODS.index(spec.method), spec.bits, spec.seed])
        cell = store.cell(spec, run_id(spec, "v1"))
        cell.save_train(training(spec))
        for target in TARGETS:
            skill = 0.8 - 0.04 * METHODS.index(spec.method) + spec.bits / 400
            ap = np.clip(skill + 0.2 * rng.standard_normal(QUERIES), 0, 1)
            other = np.clip(ap - 0.02, 0, 1)
            arrays = {"ap": ap, "ap_sdc": other, "label": identity}
            cell.save_eval(examination(spec, target, arrays), arrays, {"codes": np.zeros(1)})
        count += 1 + len(TARGETS)
    return count


def specs(seeds: int) -> Iterator[RunSpec]:
    """Yield every run of the suite."""
    for method in METHODS:
        for bits in BITS:
            for seed in range(seeds):
                yield RunSpec(
                    suite=SUITE, method=method, dataset="lfw", bits=bits, seed=seed,
                    trunk="sphere20-narrow", image_size=32, resize=35, padding=0, flip=True,
                    mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), features=512, epochs=20,
                    batch_size=256, precision="fp32", recipe="common", schedule=Recipe(),
                    selection="last", device="cpu", settings={},
                )  # fmt: skip


def training(spec: RunSpec) -> TrainRecord:
    """Return the training record of a run that ended well."""
    return TrainRecord(
        run_id(spec, "v1"), "done", spec, started_at="2024-05-01T10:00:00", dataset_version="v1",
        split_digest="0" * 64, training_images=GALLERY, classes=PEOPLE, cost=cost(spec),
        losses=tuple({"margin": 20.0 / (epoch + 1)} for epoch in range(spec.epochs)),
        timing={"train_seconds": 60.0},
    )  # fmt: skip


def examination(spec: RunSpec, target: str, arrays: dict[str, np.ndarray]) -> EvalRecord:
    """Return an examination whose scores are those of its queries."""
    comparisons = ("adc", "sdc") if spec.method in WORDS else ("hamming",)
    scores = []
    for comparison in comparisons:
        value = float(arrays["ap_sdc" if comparison == "sdc" else "ap"].mean())
        scores += [
            Score("mAP", value + shift, 0, "relevant", ties, comparison)
            for ties, shift in (("expected", 0.0), ("best", 0.01), ("worst", -0.01))
        ]
        scores += [Score("precision", value, k, "k", "expected", comparison) for k in CUTOFFS]
        scores += [Score("recall", value, k, "relevant", "expected", comparison) for k in CUTOFFS]
    recall = 1 - np.exp(-np.array(RANKS) / 300)
    precision = float(arrays["ap"].mean()) * (1 - recall / 2)
    curves = tuple(
        Curve(comparison, RANKS, tuple(precision.tolist()), tuple(recall.tolist()))
        for comparison in comparisons
    )
    return EvalRecord(
        run_id(spec, "v1"), spec, target, TARGETS[target], "0" * 64,
        comparability_key(spec, "v1", "0" * 64, (target,)), QUERIES, 0, GALLERY, tuple(scores),
        curves, cost(spec), health={"distinct_codes": 500.0, "distinct_fraction": 0.2},
        timing={"search_ms_kernel": 0.1, "search_items": 2576.0}, started_at="2024-05-01T11:00:00",
    )  # fmt: skip


def cost(spec: RunSpec) -> Cost:
    """Return what a code of a run's family costs."""
    words = WORDS.get(spec.method, 0)
    form = "table" if words else "bits"
    return Cost(spec.bits, spec.bits // 8, words * 512, form, 2, words, 1_000_000, 10_000)


def timed(part: str, work: Callable[[], Made], lines: int) -> tuple[Made, dict[str, object]]:
    """Return what `work` makes and a row of its seconds; print the top of its profile if asked.

    On a busy machine the seconds of the processor are the ones to compare.
    """
    profile = cProfile.Profile() if lines else None
    began, busy = time.perf_counter(), processor_seconds()
    made = profile.runcall(work) if profile else work()
    row = {"part": part, "processor s": processor_seconds() - busy,
           "passed, s": time.perf_counter() - began}  # fmt: skip
    if profile:
        print(f"{part}:")
        pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(lines)
    return made, row


def processor_seconds() -> float:
    """Return what this process and those that it waited for have computed."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure(root: Path, lines: int, *, figures: bool) -> list[dict[str, object]]:
    """Time each part of a report once and return a row for each."""
    from hashquant.report import Options, cited, write_report
    from hashquant.report.bundle import Material, write_bundle

    out = root / "reports" / SUITE
    records, reading = timed("reading the records", lambda: Store(root).read(SUITE), lines)
    sources = registry.sources(*cited(records))

    def write(figures: bool) -> tuple[Path, ...]:
        asked = Options(figures=figures, sources=sources, workers=os.cpu_count() or 1)
        made = write_report(records, out, asked)
        return (*made.tables, *made.figures)

    paths, tables = timed("tables and page", lambda: write(False), lines)
    rows = [reading, tables]
    if figures:
        for part in ("the same and all figures", "the same again, no figure changed"):
            paths, drawing = timed(part, lambda: write(True), lines)
            rows.append(drawing)
        count = sum(path.suffix == ".pdf" for path in paths)
        rows[2]["part"] = f"the same and all {count} figures"
    material = Material(root / SUITE, manifests=registry.manifests())
    _, bundling = timed("bundle", lambda: write_bundle(records, paths, out, material), 0)
    return [*rows, bundling]


def main() -> None:
    """Read the flags, draw a store, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-figures", action="store_true")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="show N functions")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count = draw_store(Path(folder), options.seeds)
        print(f"{count} records, Python {platform.python_version()}", flush=True)
        rows = measure(Path(folder), options.profile, figures=not options.no_figures)
    section = "\n".join(
        [
            "## Reports",
            "",
            f"`python benchmarks/speed/reports.py`: a suite of {count:,} records, each part once, "
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; child processes count.",
            "",
            tabulate(rows, headers="keys", floatfmt=".1f", tablefmt="github"),
            "",
            "Goal: 1,000 records in 10 s. Each figure is a PDF, PNG, SVG and CSV; one that "
            "did not change is compared, not drawn.",
        ]
    )
    leave(section, options.markdown)
    if options.json:
        options.json.write_text(json.dumps({"records": count, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
