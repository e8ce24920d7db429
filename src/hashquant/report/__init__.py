"""From stored records to tables and figures: no torch, the same bytes for the same records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hashquant.config import RunSpec
from hashquant.errors import UsageError, unknown_name
from hashquant.files import write_atomic
from hashquant.report import claims, intervals, supplements, tables, wins
from hashquant.report.blocks import records_digest, row_families, select_blocks
from hashquant.report.captions import SPREADS
from hashquant.report.evidence import HEADLINE, Evidence, gather
from hashquant.report.figures.style import PRESETS, looks
from hashquant.report.frame import Metric, check_metric, health_frame, scores_frame
from hashquant.report.latex import proof
from hashquant.report.tables import MapTable
from hashquant.report.terminal import terminal_table
from hashquant.report.typeset import typeset
from hashquant.store import SuiteRecords, folder_name

__all__ = ["EmptyReportError", "Report", "terminal_table", "write_report"]


class EmptyReportError(UsageError):
    """A suite without any record that a table could show."""


@dataclass(frozen=True)
class Report:
    """The files a report consists of, and the mAP tables that a terminal shows."""

    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    headline: tuple[MapTable, ...]


def write_report(
    records: SuiteRecords,
    out: Path,
    *,
    metric: str = "mAP",
    figures: bool = True,
    preset: str = "column",
    spread: str = "sd",
    like: RunSpec | None = None,
) -> Report:
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
    _check(records, out, preset, spread)
    wanted = Metric.parse(metric)
    check_metric(wanted, records)
    blocks = select_blocks(records, like)
    studies = gather(records, blocks)
    found = tables.block_tables(studies, wanted, spread)
    headline = found if wanted == HEADLINE else tables.block_tables(studies, spread=spread)
    name = folder_name(metric.lower().replace("@", "-at-"))
    digest = records_digest(records)
    extras = supplements.collect(records.suite, blocks, studies, headline)
    texts = _map_texts(records, found, digest, name)
    texts |= _evidence_texts(headline, studies, digest, records.suite)
    texts |= supplements.table_texts(extras, digest)
    written = _write(out, texts, records.suite, digest)
    if not figures:
        return Report(written, (), tuple(headline))
    look = looks(row_families(records))
    drawn = supplements.write_figures(extras, look, out / "figures", digest, PRESETS[preset])
    # Matplotlib takes a second to import: only a report with figures pays for it.
    from hashquant.report.figures.curves import write_block

    for table in found:
        if not table.secondary:
            drawn += tuple(write_block(
                table.block, table.cells, wanted, look, out / "figures", digest, PRESETS[preset]
            ))  # fmt: skip
    return Report(written, drawn, tuple(headline))


def _check(records: SuiteRecords, out: Path, preset: str, spread: str) -> None:
    for kind, asked, known in (("figure preset", preset, PRESETS), ("spread", spread, SPREADS)):
        if asked not in known:
            raise unknown_name(kind, asked, known)
    if not records.trains and not records.evals:
        damaged = f" ({len(records.damaged)} damaged files)" if records.damaged else ""
        raise EmptyReportError(
            f"suite '{records.suite}' has no stored record{damaged}, so {out} was not written: "
            "run the suite first"
        )


def _map_texts(
    records: SuiteRecords, found: list[MapTable], digest: str, name: str
) -> dict[str, str]:
    head = f"# records: {digest}\n"
    return typeset(tables.map_sheet(found, records, name), digest) | {
        f"{name}.csv": tables.csv(found, digest),
        "scores.csv": head + scores_frame(records).to_csv(index=False),
        "health.csv": head + health_frame(records).to_csv(index=False),
    }


def _evidence_texts(
    found: Sequence[MapTable], studies: Sequence[Evidence], digest: str, suite: str
) -> dict[str, str]:
    """Return what the single queries say: intervals, wins and claims, always of mAP."""
    within = intervals.intervals_frame(found)
    won = wins.wins_frame([table for table in found if not table.secondary])
    judged = claims.claims_frame(studies)
    blocks = [study.block for study in studies]
    texts: dict[str, str] = {}
    for frame, sheet in (
        (within, intervals.intervals_sheet(within, blocks, suite)),
        (won, wins.wins_sheet(won, suite)),
        (judged, claims.claims_sheet(judged, studies, suite)),
    ):
        texts |= typeset(sheet, digest)
        texts[f"{sheet.name}.csv"] = f"# records: {digest}\n{frame.to_csv(index=False)}"
    return texts


def _write(out: Path, texts: Mapping[str, str], suite: str, digest: str) -> tuple[Path, ...]:
    """Write the tables and a document that shows all of them; the claims stand one folder up."""
    sources = [name.removesuffix(".tex") for name in texts if name.endswith(".tex")]
    written = []
    for name, text in {**texts, "all.tex": proof(sources, suite, digest)}.items():
        written.append(out / name if name == "claims.md" else out / "tables" / name)
        write_atomic(written[-1], text.encode())
    return tuple(written)
