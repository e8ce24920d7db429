"""From stored records to tables, figures and a page: no torch, the same bytes every time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hashquant.config import RunSpec
from hashquant.errors import UsageError, unknown_name
from hashquant.files import write_atomic
from hashquant.report import claims, intervals, latex, supplements, tables, wins
from hashquant.report.blocks import records_digest, row_families, select_blocks
from hashquant.report.evidence import HEADLINE, Evidence, gather
from hashquant.report.figures.canvas import FORMATS, KNOWN_FORMATS, usable_formats
from hashquant.report.figures.curves import write_block
from hashquant.report.figures.drawings import Drawing, draw_all
from hashquant.report.figures.style import PRESETS, looks
from hashquant.report.frame import Metric, check_metric, health_frame, scores_frame
from hashquant.report.page.write import Findings, write_page
from hashquant.report.terminal import terminal_table
from hashquant.report.trainingtimes import training_times
from hashquant.store import SuiteRecords, folder_name

__all__ = ["EmptyReportError", "ReportPaths", "terminal_table", "write_report"]


class EmptyReportError(UsageError):
    """A suite without any record that a table could show."""


@dataclass(frozen=True)
class ReportPaths:
    """The files a report consists of."""

    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    notes: tuple[str, ...] = ()  #: what was asked for and could not be written
    page: Path | None = None


def write_report(
    records: SuiteRecords,
    out: Path,
    *,
    metric: str = "mAP",
    figures: bool = True,
    preset: str = "column",
    formats: Sequence[str] = FORMATS,
    workers: int = 1,
    like: RunSpec | None = None,
) -> ReportPaths:
    """Write a suite's tables to `out/tables`, figures to `out/figures`, claims and page to `out`.

    `metric` is `name` or `name@cutoff` and names the files (`map.md`, `map_vs_bits_lfw.pdf`);
    `preset` is "column", "double" or "slide"; figures are saved in `formats` ("pdf", "png", "svg",
    "pgf" where there is a LaTeX) by up to `workers` processes at a time. A table joins records of
    equal settings only: those of `like` where it is given, else the newest. The same records give
    the same bytes.

    Raises:
        EmptyReportError: if there is no record.
        UsageError: for an unknown metric, preset or format.
        StoreError: if a file cannot be written.
    """
    if preset not in PRESETS:
        raise unknown_name("figure preset", preset, PRESETS)
    for kind in formats:
        if kind not in KNOWN_FORMATS:
            raise unknown_name("figure format", kind, KNOWN_FORMATS)
    if not records.trains and not records.evals:
        damaged = f" ({len(records.damaged)} damaged files)" if records.damaged else ""
        raise EmptyReportError(
            f"suite '{records.suite}' has no stored record{damaged}, so {out} was not written: "
            "run the suite first"
        )
    wanted = Metric.parse(metric)
    check_metric(wanted, records)
    blocks = select_blocks(records, like)
    studies = gather(records, blocks)
    found = tables.block_tables(studies, wanted)
    name = folder_name(metric.lower().replace("@", "-at-"))
    digest = records_digest(records)
    written = _write_tables(records, found, digest, out / "tables", name)
    headline = found if wanted == HEADLINE else tables.block_tables(studies)
    extras = supplements.collect(
        records.suite, blocks, studies, training_times(records.trains)
    )  # fmt: skip
    shown = _findings(records, headline, studies, extras)
    written += _write_evidence(shown, studies, out)
    written += supplements.write_tables(extras, out / "tables", digest)
    opened = write_page(shown, out)
    if not figures:
        return ReportPaths(written, (), page=opened)
    look = looks(row_families(records))
    tasks: list[Drawing] = [
        partial(write_block, table.block, table.cells, wanted, look, out / "figures", digest,
                PRESETS[preset])
        for table in found
        if not table.secondary
    ]  # fmt: skip
    tasks += supplements.drawings(extras, look, out / "figures", digest, PRESETS[preset])
    usable, notes = usable_formats(formats)
    return ReportPaths(written, draw_all(tasks, usable, workers), notes, opened)


def _findings(
    records: SuiteRecords,
    found: Sequence[tables.MapTable],
    studies: Sequence[Evidence],
    extras: supplements.Supplements,
) -> Findings:
    """Compute what the single queries say: intervals, wins and claims, always of mAP."""
    return Findings(
        records, found, extras, intervals.intervals_frame(found),
        wins.wins_frame([table for table in found if not table.secondary]),
        claims.claims_frame(studies), records_digest(records),
    )  # fmt: skip


def _write_tables(
    records: SuiteRecords, found: list[tables.MapTable], digest: str, folder: Path, name: str
) -> tuple[Path, ...]:
    head = f"# records: {digest}\n"
    texts = {
        f"{name}.csv": tables.csv(found, digest),
        f"{name}.md": tables.markdown(found, records, digest),
        f"{name}.tex": latex.latex(found, digest),
        "scores.csv": head + scores_frame(records).to_csv(index=False),
        "health.csv": head + health_frame(records).to_csv(index=False),
    }
    return _write(folder, texts)


def _write_evidence(found: Findings, studies: Sequence[Evidence], out: Path) -> tuple[Path, ...]:
    """Write the intervals, wins and claims."""
    head, comment = f"# records: {found.digest}\n", f"<!-- records: {found.digest} -->\n\n"
    texts = {
        "intervals.csv": head + found.intervals.to_csv(index=False),
        "intervals.md": comment + intervals.intervals_markdown(found.intervals),
        "wins.csv": head + found.wins.to_csv(index=False),
        "wins.md": comment + wins.wins_markdown(found.wins),
        "claims.csv": head + found.claims.to_csv(index=False),
    }
    written = _write(out / "tables", texts)
    said = claims.claims_markdown(found.claims, studies, found.records.suite)
    return (*written, *_write(out, {"claims.md": comment + said}))


def _write(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    for file, text in texts.items():
        write_atomic(folder / file, text.encode())
    return tuple(folder / file for file in texts)
