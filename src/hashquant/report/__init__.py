"""From stored records to tables and figures: no torch, the same bytes for the same records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hashquant.config import RunSpec
from hashquant.errors import UsageError, unknown_name
from hashquant.files import write_atomic
from hashquant.report import claims, intervals, supplements, tables, wins
from hashquant.report.blocks import Block, records_digest, row_families, select_blocks
from hashquant.report.captions import SPREADS
from hashquant.report.display import Sheet
from hashquant.report.evidence import HEADLINE, Evidence, gather
from hashquant.report.figures.style import PRESETS, Preset, looks
from hashquant.report.frame import Metric, check_metric, health_frame, scores_frame
from hashquant.report.latex import proof
from hashquant.report.tables import MapTable
from hashquant.report.terminal import terminal_table
from hashquant.report.typeset import typeset
from hashquant.store import SuiteRecords, folder_name

__all__ = ["EmptyReportError", "ReportPaths", "terminal_table", "write_report"]


class EmptyReportError(UsageError):
    """A suite without any record that a table could show."""


@dataclass(frozen=True)
class ReportPaths:
    """The files a report consists of, and the mAP tables that a terminal shows."""

    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    headline: tuple[MapTable, ...] = ()


def write_report(
    records: SuiteRecords,
    out: Path,
    *,
    metric: str = "mAP",
    figures: bool = True,
    preset: str = "column",
    spread: str = "sd",
    like: RunSpec | None = None,
) -> ReportPaths:
    """Write a suite's tables to `out/tables`, its claims to `out`, figures to `out/figures`.

    `metric` is `name` or `name@cutoff` and names the files (`map.md`, `map_vs_bits_lfw.pdf`);
    `preset` is "column", "double" or "slide"; `spread` is what stands beside the means of the mAP
    tables, "sd" or "interval". A table joins records of equal settings only: those of `like` where
    it is given, else the newest. The same records give the same bytes.

    Raises:
        EmptyReportError: if there is no record.
        UsageError: for an unknown metric, preset or spread.
        StoreError: if a file cannot be written.
    """
    if preset not in PRESETS:
        raise unknown_name("figure preset", preset, PRESETS)
    if spread not in SPREADS:
        raise unknown_name("spread", spread, SPREADS)
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
    found = tables.block_tables(studies, wanted, spread)
    name = folder_name(metric.lower().replace("@", "-at-"))
    digest = records_digest(records)
    written = _write_tables(records, found, digest, out / "tables", name)
    headline = found if wanted == HEADLINE else tables.block_tables(studies, spread=spread)
    written += _write_evidence(headline, studies, digest, out, records.suite)
    extras = _write_extras(
        records, blocks, out, studies=studies, maps=headline, digest=digest,
        preset=PRESETS[preset] if figures else None,
    )  # fmt: skip
    written += extras.tables
    sources = [path.stem for path in written if path.suffix == ".tex"]
    written += _write(out / "tables", {"all.tex": proof(sources, records.suite, digest)})
    if not figures:
        return ReportPaths(written, extras.figures, tuple(headline))
    # Matplotlib takes a second to import: only a report with figures pays for it.
    from hashquant.report.figures.curves import write_block

    look = looks(row_families(records))
    drawn = [*extras.figures]
    for table in found:
        if not table.secondary:
            drawn += write_block(
                table.block, table.cells, wanted, look, out / "figures", digest, PRESETS[preset]
            )
    return ReportPaths(written, tuple(drawn), tuple(headline))


def _write_tables(
    records: SuiteRecords, found: list[MapTable], digest: str, folder: Path, name: str
) -> tuple[Path, ...]:
    head = f"# records: {digest}\n"
    texts = typeset(tables.map_sheet(found, records, name), digest) | {
        f"{name}.csv": tables.csv(found, digest),
        "scores.csv": head + scores_frame(records).to_csv(index=False),
        "health.csv": head + health_frame(records).to_csv(index=False),
    }
    return _write(folder, texts)


def _write_evidence(
    found: Sequence[MapTable],
    studies: Sequence[Evidence],
    digest: str,
    out: Path,
    suite: str,
) -> tuple[Path, ...]:
    """Write what the single queries say: intervals, wins and claims, always of mAP."""
    within = intervals.intervals_frame(found)
    won = wins.wins_frame([table for table in found if not table.secondary])
    judged = claims.claims_frame(studies)
    blocks = [study.block for study in studies]
    shown: list[tuple[pd.DataFrame, Sheet]] = [
        (within, intervals.intervals_sheet(within, blocks, suite)),
        (won, wins.wins_sheet(won, suite)),
        (judged, claims.claims_sheet(judged, studies, suite)),
    ]
    texts: dict[str, str] = {}
    for frame, sheet in shown:
        texts |= typeset(sheet, digest)
        texts[f"{sheet.name}.csv"] = f"# records: {digest}\n{frame.to_csv(index=False)}"
    said = {"claims.md": texts.pop("claims.md")}
    return (*_write(out / "tables", texts), *_write(out, said))


def _write_extras(
    records: SuiteRecords,
    blocks: Sequence[Block],
    out: Path,
    *,
    studies: Sequence[Evidence],
    maps: Sequence[MapTable],
    digest: str,
    preset: Preset | None,
) -> ReportPaths:
    """Write what goes beyond the tables of single blocks; figures only with a preset."""
    found = supplements.collect(records.suite, blocks, studies, maps)
    written = supplements.write_tables(found, out / "tables", digest)
    if preset is None:
        return ReportPaths(written, ())
    look = looks(row_families(records))
    drawn = supplements.write_figures(found, look, out / "figures", digest, preset)
    return ReportPaths(written, drawn)


def _write(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    for file, text in texts.items():
        write_atomic(folder / file, text.encode())
    return tuple(folder / file for file in texts)
