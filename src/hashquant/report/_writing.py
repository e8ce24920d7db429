"""A suite's report as files: tables, figures, claims, cards, page."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from hashquant.errors import UsageError
from hashquant.machine.files import remove_partials, write_atomic
from hashquant.records.store import SuiteRecords
from hashquant.report._texts import report_texts
from hashquant.report.findings import Findings, find
from hashquant.report.options import Options
from hashquant.report.page.write import write_page
from hashquant.report.tables.maps import MapTable


class EmptyReportError(UsageError):
    """A suite without any record that a table could show."""


@dataclass(frozen=True)
class Report:
    """The files a report consists of, and the mAP tables that a terminal shows."""

    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    headline: tuple[MapTable, ...]
    page: Path
    notes: tuple[str, ...] = ()  #: what was asked for and could not be written


def write_report(records: SuiteRecords, out: Path, options: Options | None = None) -> Report:
    """Write a suite's tables to `out/tables`, figures to `out/figures`, claims and page to `out`.

    With sources, reproduction cards and a bibliography too. The same records give the same bytes.

    Raises:
        EmptyReportError: if there is no record.
        UsageError: for an unknown metric.
        StoreError: if a file cannot be written.
    """
    options = options or Options()
    if not records.trains and not records.evals:
        damaged = f" ({len(records.damaged)} damaged files)" if records.damaged else ""
        raise EmptyReportError(
            f"suite '{records.suite}' has no stored record{damaged}, so {out} was not written: "
            "run the suite first"
        )
    remove_partials(out)
    if not options.figures:
        return _written(find(records, options), out)
    # Only a report with figures pays for what draws them, and draws while the rest is written.
    from hashquant.report.drawing.files import usable_formats
    from hashquant.report.drawing.painters import Painters
    from hashquant.report.figures.drawings import begin, drawings, expected_figures
    from hashquant.report.figures.stale import remove_stale

    folder, (usable, notes) = out / "figures", usable_formats(options.formats)
    with Painters(options.workers, expected_figures(records, folder)) as painters:
        found = find(records, options)
        figures = begin(drawings(found, folder, options), usable, painters)
        report = dataclasses.replace(_written(found, out), figures=tuple(figures), notes=notes)
    remove_stale(folder, report.figures, found.metric)
    return report


def _written(found: Findings, out: Path) -> Report:
    """Write all but the figures."""
    tables = []
    for name, text in report_texts(found).items():
        tables.append(out / name)
        write_atomic(tables[-1], text.encode())
    return Report(tuple(tables), (), tuple(found.headline), write_page(found, out))
