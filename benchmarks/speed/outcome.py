"""What one run of the scoring benchmark leaves behind: a table, its raw times and a figure."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
from jobs import TASKS
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from sections import in_short
from split import shares
from tabulate import tabulate

from hashquant.report.drawing.canvas import canvas
from hashquant.report.drawing.files import Drawing, write_files
from hashquant.report.drawing.style import PRESETS, Preset

HEADERS = ("job", "classes", "ours, s", "plain loop, s", "ratio (min – max)", "goal", "stretch",
           "reached", "extra memory, MiB")  # fmt: skip
#: The other results, and what they are of.
OTHERS = {
    "TRAINING.md": "Training against the usual loop",
    "REPORTS.md": "Reports on 1,000 records",
    "STARTUP.md": "Start-up",
    "DEMO.md": "The README's command, before and after",
    "CORPUS.md": "A folder of 700,000 images",
    "PRECISION.md": "What bf16 training costs",
    "PROFILE.md": "What a training step spends its time on",
    "COMPILING.md": "What torch.compile would give",
    "STREAMING.md": "Images from a file instead of memory",
    "DEVICE.md": "Scoring on a card",
    "ADDITIVE.md": "Additive codes beside product codes",
}
MEMORY_GOAL, MEMORY_STRETCH = 1024.0, 512.0
MISSED = "**missed**"


@dataclass(frozen=True)
class Row:
    """One job's seconds for all queries, both sides of each interleaved repeat.

    `split` has the processor seconds of each part of ours, where the goal was missed.
    """

    job: str
    classes: int
    ours: tuple[float, ...]
    plain: tuple[float, ...]
    extra_mib: float
    split: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """The plain loop's time over ours, repeat by repeat."""
        return [plain / ours for ours, plain in zip(self.ours, self.plain, strict=True)]


@dataclass(frozen=True)
class Run:
    """All rows, and what they were measured on."""

    command: str
    date: str
    queries: int
    items: int
    sample: int
    machine: Mapping[str, str]
    limits: Mapping[str, float]
    rows: tuple[Row, ...]


def reached(row: Row) -> str:
    """Say which of its goals the median ratio of a row reaches."""
    task, ratio = TASKS[row.job], statistics.median(row.ratios)
    if task.goal is None or task.stretch is None:
        return "–"
    return "stretch" if ratio >= task.stretch else "goal" if ratio >= task.goal else MISSED


def printed(run: Run) -> str:
    """Return the table as Markdown."""
    body = []
    for row in run.rows:
        task, ratios = TASKS[row.job], row.ratios
        body.append([
            task.title, row.classes, f"{statistics.median(row.ours):.3f}",
            f"{statistics.median(row.plain):.1f}",
            f"{statistics.median(ratios):.0f} ({min(ratios):.0f} – {max(ratios):.0f})",
            f"{task.goal:.0f}" if task.goal else "–",
            f"{task.stretch:.0f}" if task.stretch else "–",
            reached(row), f"{row.extra_mib:.0f}",
        ])  # fmt: skip
    return tabulate(body, headers=HEADERS, tablefmt="github", disable_numparse=True)


def misses(run: Run) -> list[str]:
    """Say of every row below its goal how far it is from what the machine can do."""
    found = []
    threads = int(run.machine["threads"])
    for row in run.rows:
        if reached(row) != MISSED:
            continue
        pace = run.queries * run.items / min(row.ours) / threads / 1e9
        found.append(
            f"- {TASKS[row.job].title}, {row.classes} classes: {pace:.2f}·10⁹ pairs a second and "
            f"thread, where one thread raises {run.limits['count']:.2f}·10⁹ counters a second and "
            f"copies {run.limits['copy']:.1f} GB/s (measured in the same run). "
            f"Of the processor time of one more run: {shares(row.split)}."
        )
    return found


def text(run: Run, folder: Path) -> str:
    """Return RESULTS.md, which names the other results that lie in `folder`."""
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    memory = max(row.extra_mib for row in run.rows)
    held = "stretch" if memory <= MEMORY_STRETCH else "goal" if memory <= MEMORY_GOAL else "missed"
    missed = misses(run) or ["No row misses its goal."]
    return "\n".join([
        "# Scoring against the textbook loop", "",
        f"`{run.command}`, {run.date}: {machine}.",
        f"{run.queries:,} queries × {run.items:,} gallery items. The plain loop (`baselines.py`)",
        "takes one query at a time, compares all bits or gathers once a book, sorts everything",
        f"and takes AP alone; it is timed on {run.sample} queries and scaled linearly to all. Ours",
        "takes every score of an examination, exactly: mAP, P@k, recall, the precision-recall",
        f"curve, both tie bounds. Medians of {len(run.rows[0].ours)} interleaved repeats.",
        "Memory is what scoring adds to a fresh process at its peak, compiled kernels included:",
        f"{memory:.0f} MiB at most ({held}; goal {MEMORY_GOAL:.0f}, stretch {MEMORY_STRETCH:.0f}).",
        "", printed(run), "", "## What limits the rows that miss their goal", "", *missed, "",
        "Raw times: `scoring.json`; figure: `figures/scoring.png`.", "", *beside(folder), "",
    ])  # fmt: skip


def beside(folder: Path) -> list[str]:
    """Name the other results and quote what each says in short."""
    found = ["## Beside scoring", "",
             "- Growth with the gallery: `growth.json`, `figures/growth.png`; 10⁸ codes by 1,000 "
             "queries: `streamed.json`.",
             "- The same for tables: `growth-tables.json`, `figures/growth-tables.png`.",
             ]  # fmt: skip
    for name, what in OTHERS.items():
        path = folder / name
        if path.is_file():
            found.append(f"- {what}: [{name}]({name}). {in_short(path)}".rstrip())
    return found


def kept(folder: Path) -> Run:
    """Return the run that was written last."""
    raw = json.loads((folder / "scoring.json").read_text(encoding="utf-8"))
    return Run(**raw | {"rows": tuple(Row(**row) for row in raw["rows"])})


def write(run: Run, folder: Path) -> None:
    """Write RESULTS.md, scoring.json and the figure."""
    packed = json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n"
    (folder / "scoring.json").write_text(packed, encoding="utf-8")
    (folder / "RESULTS.md").write_text(text(run, folder), encoding="utf-8")
    (folder / "figures").mkdir(exist_ok=True)
    frame, preset = ratios(run), PRESETS["double"]
    drawing = partial(ratio_figure, frame, preset)
    write_files(Drawing(drawing, frame, folder / "figures" / "scoring", preset))


def ratios(run: Run) -> pd.DataFrame:
    """Return every ratio beside the goal and the stretch of its row."""
    return pd.DataFrame([
        {"job": f"{TASKS[row.job].title} ({row.classes} classes)",
         "ratio": statistics.median(row.ratios), "low": min(row.ratios), "high": max(row.ratios),
         "goal": TASKS[row.job].goal, "stretch": TASKS[row.job].stretch}
        for row in run.rows
    ]).astype({"goal": float, "stretch": float})  # fmt: skip


def ratio_figure(frame: pd.DataFrame, preset: Preset) -> Figure:
    """Draw the ratios, one row a job."""
    panel, axes = canvas(preset)
    panel.set_size_inches(preset.width, 0.6 + 0.24 * len(frame))
    places = list(range(len(frame)))[::-1]
    spread = [frame["ratio"] - frame["low"], frame["high"] - frame["ratio"]]
    axes.errorbar(frame["ratio"], places, xerr=spread, fmt="o", color="#4C78A8", capsize=2)
    axes.scatter(frame["goal"], places, marker="|", color="#E45756", s=90, label="goal")
    axes.scatter(frame["stretch"], places, marker="|", color="#F2A93B", s=90, label="stretch")
    axes.set_yticks(places, frame["job"])
    axes.set_xscale("log")
    # Names of its own for 1, 2 and 5 of each decade: names of all would run into each other.
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("times faster than the plain loop (median, min – max)")
    panel.legend(loc="outside lower center", ncols=2, frameon=False)
    return panel
