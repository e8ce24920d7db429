"""The verb `report`: tables, figures and more from stored records."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.cli._parser import numbers, unknown_suite, words
from hashquant.errors import UsageError
from hashquant.plugins import naming, registry

if TYPE_CHECKING:  # pandas and NumPy are for reports only
    from hashquant.records.store import SuiteRecords
    from hashquant.settings.names import Names


def report(flags: argparse.Namespace) -> int:
    """Write tables and figures from stored records, or what stands over several suites."""
    if flags.claims:
        _claims(flags)
    if flags.readme is not None:
        _readme(flags)
    if flags.claims or flags.readme is not None:
        return 0
    from hashquant.records.store import Store
    from hashquant.report import Options, cited, terminal_table, write_report

    options = Options(
        figures=flags.figures, preset=flags.preset, formats=words(flags.formats),
        spread=flags.spread, workers=os.cpu_count() or 1,
    )  # fmt: skip
    store = Store(flags.results_dir)
    records = store.read(flags.suite)
    if not records.trains and flags.suite not in store.suites():
        raise unknown_suite(flags.suite, store.suites(), flags.results_dir)
    _warn(records)
    out = flags.reports_dir / flags.suite
    if flags.sheet:
        _sheets(flags, records, out)
    sources, names = registry.sources(*cited(records)), naming.names(*cited(records))
    written = write_report(records, out, dataclasses.replace(options, sources=sources, names=names))
    for note in written.notes:
        print(f"note: {note}", file=sys.stderr)
    print(terminal_table(records, written.headline))
    print(f"tables, figures and page: {out}")
    if flags.bundle:
        files = (*written.tables, *written.figures, written.page)
        print(f"bundle: {_bundle(records, files, flags)}")
    return 0


def _warn(records: "SuiteRecords") -> None:
    """Name what is left out of a report because it is damaged."""
    for path in records.damaged:
        reason = records.reasons.get(path, "it cannot be read")
        print(f"warning: {path} is left out: {reason}", file=sys.stderr)


def _claims(flags: argparse.Namespace) -> None:
    """Write the claims of all suites that have records."""
    from hashquant.records.store import Store
    from hashquant.report import Options
    from hashquant.report.across.claims import write_claims
    from hashquant.report.findings import find

    names = Store(flags.results_dir).suites()
    if not names:
        raise UsageError(f"--claims needs stored records, got none in {flags.results_dir}")
    found = {}
    for name in names:
        records, called = _read(flags, name)
        found[name] = find(records, Options(names=called))
    for path in write_claims(found, flags.reports_dir):
        print(path)


def _readme(flags: argparse.Namespace) -> None:
    """Write the tables of a README anew where they differ from the records."""
    from hashquant.machine.files import write_atomic
    from hashquant.report.across.readme import filled, marked, studied

    try:
        text = flags.readme.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--readme must name a file, got {flags.readme}: {error.strerror}"
        ) from error
    if not marked(text):
        raise UsageError(f"--readme must name a file with markers of tables, got {flags.readme}")
    new = filled(text, lambda suite: studied(*_read(flags, suite)))
    if new != text:
        write_atomic(flags.readme, new.encode())
    number = marked(text)
    found = f"{number} table{'' if number == 1 else 's'}"
    print(f"{flags.readme}: {found}, {'written' if new != text else 'up to date'}")


def _read(flags: argparse.Namespace, suite: str) -> "tuple[SuiteRecords, Names]":
    """Return a suite's records, and the names of what they speak of.

    Raises:
        UsageError: if the suite has no records.
    """
    from hashquant.records.store import Store
    from hashquant.report import cited

    store = Store(flags.results_dir)
    records = store.read(suite)
    if not records.evals:
        raise unknown_suite(suite, store.suites(), flags.results_dir)
    _warn(records)
    return records, naming.names(*cited(records))


def _bundle(records: "SuiteRecords", written: Sequence[Path], flags: argparse.Namespace) -> Path:
    from hashquant.report.bundle import Material, write_bundle

    lock = Path(__file__).resolve().parents[3] / "requirements.lock"
    material = Material(
        flags.results_dir / flags.suite,
        suite_file=registry.suites().get(flags.suite),
        lock=lock if lock.is_file() else None,
        manifests=registry.manifests(),
    )
    return write_bundle(records, written, flags.reports_dir / flags.suite, material)


def _sheets(flags: argparse.Namespace, records: "SuiteRecords", out: Path) -> None:
    """Write the retrieval sheets: first, since they can be refused."""
    from hashquant.runs.sheets import Asked, write_sheets

    if flags.sheet_queries < 1:
        raise UsageError(f"--sheet-queries must be at least 1, got {flags.sheet_queries}")
    asked = Asked(
        tuple(words(flags.sheet)), flags.sheet_queries, tuple(words(flags.sheet_targets)),
        numbers("--sheet-bits", flags.sheet_bits), flags.show_images,
    )  # fmt: skip
    write_sheets(records, asked, flags.data_dir, out / "figures")
