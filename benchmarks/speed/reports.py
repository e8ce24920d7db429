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
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

from drawnstore import SUITE, draw_store  # noqa: E402
from sections import IN_SHORT, leave, verdict  # noqa: E402
from tabulate import tabulate  # noqa: E402

from hashquant.machine.environment import utc_now  # noqa: E402
from hashquant.machine.hardware import cpu_model  # noqa: E402
from hashquant.plugins import registry  # noqa: E402
from hashquant.records.store import Store  # noqa: E402

Made = TypeVar("Made")
GOAL = 10.0  #: seconds
READING, TABLES = "reading the records", "tables and page"
FIRST = "the same and all figures, for the first time"
AGAIN = "the same again, no figure changed"


@dataclass(frozen=True)
class Part:
    """One part of a report: its seconds of the processor, child processes counted, and passed."""

    part: str
    busy: float
    passed: float


@dataclass(frozen=True)
class Measured:
    """Every part of a report, and where the time of its figures goes."""

    parts: list[Part]
    figures: int = 0
    steps: dict[str, float] = field(default_factory=dict)

    def passed(self, part: str) -> float:
        """Return the seconds that passed for one part."""
        return next(found.passed for found in self.parts if found.part == part)


def timed(part: str, work: Callable[[], Made], lines: int = 0) -> tuple[Made, Part]:
    """Return what `work` makes, and its time; print the top of its profile if asked.

    On a busy machine the seconds of the processor are the ones to compare.
    """
    profile = cProfile.Profile() if lines else None
    began, busy = time.perf_counter(), processor_seconds()
    made = profile.runcall(work) if profile else work()
    took = Part(part, processor_seconds() - busy, time.perf_counter() - began)
    if profile:
        print(f"{part}:")
        pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(lines)
    return made, took


def processor_seconds() -> float:
    """Return what this process and those that it waited for have computed."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure(root: Path, lines: int, *, figures: bool) -> Measured:
    """Time each part of a report once; the steps of the figures in a report that one process draws.

    Those of a second report: its process has then imported what draws.
    """
    from hashquant.report import Options, cited, write_report
    from hashquant.report.bundle import Material, write_bundle

    out = root / "reports" / SUITE
    records, reading = timed(READING, lambda: Store(root).read(SUITE), lines)
    sources = registry.sources(*cited(records))

    def write(out: Path, workers: int = os.cpu_count() or 1, figures: bool = True) -> list[Path]:
        options = Options(figures=figures, sources=sources, workers=workers)
        made = write_report(records, out, options)
        return [*made.tables, *made.figures]

    paths, tables = timed(TABLES, lambda: write(out, figures=False), lines)
    measured = Measured([reading, tables])
    if figures:
        from figuresteps import drawing_steps

        for part in (FIRST, AGAIN):
            paths, drawing = timed(part, lambda: write(out), lines)
            measured.parts.append(drawing)
        steps = drawing_steps(lambda: write(root / "alone", workers=1))
        count = sum(path.suffix == ".pdf" for path in paths)
        measured = replace(measured, figures=count, steps=steps)
    material = Material(root / SUITE, manifests=registry.manifests())
    _, bundling = timed("bundle", lambda: write_bundle(records, paths, out, material))
    measured.parts.append(bundling)
    return measured


def section(measured: Measured, count: int) -> str:
    """Return the table as Markdown, and what limits the part that draws."""
    rows = [[p.part, f"{p.busy:.1f}", f"{p.passed:.1f}"] for p in measured.parts]
    return "\n".join(
        [
            "## Reports",
            "",
            f"`python benchmarks/speed/reports.py`, {utc_now()[:10]}: {cpu_model()}; a suite of "
            f"{count:,} records, each part once, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} "
            "processors; child processes count.",
            "",
            tabulate(
                rows, ["part", "processor s", "passed, s"], tablefmt="github", disable_numparse=True
            ),
            "",
            f"Goal: {count:,} records in {GOAL:.0f} s. Each figure is a PDF, PNG, SVG and CSV; one "
            "that did not change is compared, not drawn. `run` draws them as it ends, so that "
            "`report` meets them drawn.",
            *limits(measured),
            "",
            IN_SHORT + in_short(measured) + ".",
        ]
    )  # fmt: skip


def limits(measured: Measured) -> list[str]:
    """Say what the first drawing of figures spends, and the least that it needs here."""
    if not measured.figures:
        return []
    whole, cores = sum(measured.steps.values()), os.cpu_count() or 1
    steps = ", ".join(f"{step} {took:.1f}" for step, took in measured.steps.items())
    return [
        "",
        f"What limits the first drawing: {measured.figures} figures, drawn by one process alone, "
        f"take {whole:.1f} s of the processor ({steps}), {whole / measured.figures:.2f} a figure. "
        f"All but the first step is matplotlib's own. {cores} processors need {whole / cores:.0f} "
        f"s for that at the very least; {GOAL:.0f} s would allow "
        f"{GOAL * cores / measured.figures:.2f} a figure, and nothing for the tables.",
    ]


def in_short(measured: Measured) -> str:
    """Say which parts reach the goal."""
    read = measured.passed(READING)
    names = {TABLES: "tables and page", AGAIN: "with figures that are drawn",
             FIRST: f"with {measured.figures} figures to draw"}  # fmt: skip
    found = {part.part: read + part.passed for part in measured.parts if part.part in names}
    return f"reading included, goal {GOAL:.0f} s: " + ", ".join(
        f"{name} {found[part]:.1f} s ({verdict(found[part] <= GOAL)})"
        for part, name in names.items()
        if part in found
    )


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
        measured = measure(Path(folder), options.profile, figures=not options.no_figures)
    leave(section(measured, count), options.markdown)
    if options.json:
        raw = {"records": count, **asdict(measured)}
        options.json.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
