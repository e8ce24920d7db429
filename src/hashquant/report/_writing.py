"""A suite's report as files: tables, figures, claims, cards, page."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.errors import UsageError
from hashquant.machine.files import guarded, remove_partials
from hashquant.records.store import SuiteRecords
from hashquant.report._texts import write_texts
from hashquant.report.findings import Findings, find
from hashquant.report.options import Options
from hashquant.report.page.write import NAME, write_page
from hashquant.report.parts import Parts
from hashquant.report.tables.maps import MapTable

if TYPE_CHECKING:  # what draws is for reports with figures only
    from hashquant.report.drawing.painters import Painters

FIGURES = "the figures"


class EmptyReportError(UsageError):
    """A suite without any record that a table could show."""


@dataclass(frozen=True)
class Report:
    """The files a report consists of, and the mAP tables that a terminal shows.

    `page` is None where it could not be written.
    """

    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    headline: tuple[MapTable, ...]
    page: Path | None
    notes: tuple[str, ...] = ()  #: what was asked for and cannot be written here

    @property
    def files(self) -> tuple[Path, ...]:
        """All files."""
        return (*self.tables, *self.figures, *([self.page] if self.page else []))


def write_report(
    records: SuiteRecords, out: Path, options: Options | None = None, parts: Parts | None = None
) -> Report:
    """Write a suite's tables to `out/tables`, figures to `out/figures`, claims and page to `out`.

    With sources, reproduction cards and a bibliography too. The same records give the same bytes.
    A part that cannot be made is told to `parts`, and the rest is written; without them, it raises.

    Raises:
        EmptyReportError: if there is no record.
        UsageError: for an unknown metric.
        StoreError: if nothing can be written into `out`, or without `parts`, for any file.
    """
    options, parts = options or Options(), parts or Parts(strict=True)
    if not records.trains and not records.evals:
        damaged = f" ({len(records.damaged)} damaged files)" if records.damaged else ""
        raise EmptyReportError(
            f"suite '{records.suite}' has no stored record{damaged}, so {out} was not written: "
            "run the suite first"
        )
    remove_partials(out)
    if not options.figures:
        return _written(find(records, options, parts), out)
    # Only a report with figures pays for what draws them, and draws while the rest is written.
    return _drawn(records, out, options, parts)


def _drawn(records: SuiteRecords, out: Path, options: Options, parts: Parts) -> Report:
    """Write all, the figures by processes of their own where they are many."""
    folder = out / "figures"
    begun = parts.attempt(
        FIGURES, lambda: _begun(records, folder, options), lambda: None, deed="drawn"
    )
    if begun is None:
        return _written(find(records, options, parts), out)
    painters, usable, notes = begun
    with painters:
        found = find(records, options, parts)
        figures = parts.attempt(
            FIGURES,
            lambda: _handed_out(found, folder, options, usable, painters),
            lambda: iter(()),
            deed="drawn",
        )
        report = dataclasses.replace(_written(found, out), figures=tuple(figures), notes=notes)
    parts.attempt(
        "the figures that are not drawn any more", lambda: _tidied(folder, report, found),
        lambda: None, deed="removed",
    )  # fmt: skip
    return report


def _begun(
    records: SuiteRecords, folder: Path, options: Options
) -> "tuple[Painters, tuple[str, ...], tuple[str, ...]]":
    """Start the processes that draw; return them, the formats they can write, why no others."""
    from hashquant.report.drawing.files import usable_formats
    from hashquant.report.drawing.painters import Painters
    from hashquant.report.figures.drawings import expected_figures

    usable, notes = usable_formats(options.formats)
    return Painters(options.workers, expected_figures(records, folder)), usable, notes


def _handed_out(
    found: Findings, folder: Path, options: Options, usable: tuple[str, ...], painters: "Painters"
) -> Iterator[Path]:
    from hashquant.report.figures.drawings import begin, drawings

    return begin(drawings(found, folder, options), usable, painters, found.parts)


def _tidied(folder: Path, report: Report, found: Findings) -> None:
    from hashquant.report.figures.stale import remove_stale

    remove_stale(folder, report.figures, found.metric)


def _written(found: Findings, out: Path) -> Report:
    """Write all but the figures."""
    with guarded(out):
        out.mkdir(parents=True, exist_ok=True)
    tables = write_texts(found, out)
    page = found.parts.attempt(
        "the page", lambda: write_page(found, out), lambda: None, deed="written",
        files=[out / NAME],
    )  # fmt: skip
    return Report(tuple(tables), (), tuple(found.headline), page)
