"""A report as a command writes it: what fails is a sentence on stderr, the table stands anyway."""

import dataclasses
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.plugins import naming, registry

if TYPE_CHECKING:  # pandas and NumPy are for reports only
    from hashquant.records.store import SuiteRecords
    from hashquant.report import Options, Report
    from hashquant.report.parts import Parts

#: Parts that are told one by one; where a disk is full, all of them fail.
MOST = 12


def show_report(
    records: "SuiteRecords",
    out: Path,
    options: "Options",
    parts: "Parts",
    passing: tuple[type[Exception], ...] = (),
) -> "Report | None":
    """Write a report and print its table; return it, or None where nothing could be written.

    Errors that are `passing` are raised, all others are told to `parts`.
    """
    from hashquant.report import cited, terminal_table, write_report
    from hashquant.report.findings import find
    from hashquant.report.parts import Parts as Apart

    named = parts.attempt("the names", lambda: cited(records), lambda: (set(), set()))
    options = dataclasses.replace(
        options,
        sources=parts.attempt(
            "the citations", lambda: registry.sources(*named), lambda: None,
            files=[out / name for name in ("cards.md", "tables/cards.csv", "CITATION.bib")],
        ),
        names=parts.attempt("the names", lambda: naming.names(*named), lambda: options.names),
    )  # fmt: skip
    written: Report | None = parts.attempt(
        "the report", lambda: write_report(records, out, options, parts), lambda: None,
        deed="written", passing=passing, rest="its table is shown",
    )  # fmt: skip

    def table() -> str:
        shown = written.headline if written else find(records, options, Apart()).headline
        return terminal_table(records, shown, parts)

    print(parts.attempt("the table", table, str, deed="shown"))
    if written and written.files:
        print(f"tables, figures and page: {out}")
    return written


def tell(failures: Iterable[str], *, verbose: bool) -> None:
    """Print which parts of a report could not be made."""
    found = list(failures)
    shown = found if verbose else found[:MOST]
    for line in shown:
        print(f"error: {line}", file=sys.stderr)
    if len(shown) < len(found):
        print(f"error: so could {len(found) - len(shown)} more parts not; --verbose names all",
              file=sys.stderr)  # fmt: skip
