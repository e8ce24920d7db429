"""The verb `report`: tables, figures and more from stored records."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.cli._flags import targets_in, words
from hashquant.cli._parser import numbers, stored_suite, unknown_suite
from hashquant.cli._reporting import show_report, tell
from hashquant.errors import DataError, UsageError
from hashquant.plugins import naming, registry
from hashquant.plugins.versions import Code
from hashquant.settings.ranges import Count
from hashquant.settings.reading import coerce

if TYPE_CHECKING:  # pandas and NumPy are for reports only
    from hashquant.records.store import SuiteRecords
    from hashquant.report.findings import Findings
    from hashquant.report.parts import Parts
    from hashquant.settings.names import Names


def report(flags: argparse.Namespace) -> int:
    """Write tables and figures from stored records, or what stands over several suites.

    A part that cannot be made is told, and the exit code is 1; the rest is written.
    """
    from hashquant.report.parts import Parts

    parts = Parts()
    if flags.claims or flags.readme is not None:
        if flags.claims:
            _claims(flags, parts)
        if flags.readme is not None:
            parts.attempt(
                f"the tables of {flags.readme}", lambda: _readme(flags), lambda: None,
                deed="written", passing=(UsageError,),
            )  # fmt: skip
    else:
        _suite(flags, parts)
    tell(parts.failures, verbose=flags.verbose)
    return 1 if parts.failures else 0


def _suite(flags: argparse.Namespace, parts: "Parts") -> None:
    from hashquant.records.store import Store
    from hashquant.report import Options

    options = Options(
        figures=flags.figures, preset=flags.preset, formats=words(flags.formats),
        spread=flags.spread, workers=os.cpu_count() or 1,
    )  # fmt: skip
    store = Store(flags.results_dir)
    flags.suite = stored_suite(flags.suite, store.suites(), flags.results_dir)
    records = store.read(flags.suite)
    _warn(records)
    for note in Code().notes(records.trains):
        print(f"note: {note}", file=sys.stderr)
    out = flags.reports_dir / flags.suite
    if flags.sheet:
        parts.attempt(
            "the retrieval sheets", lambda: _sheets(flags, records, out), lambda: None,
            deed="drawn", passing=(UsageError, DataError),
        )  # fmt: skip
    written = show_report(records, out, options, parts, passing=(UsageError,))
    for note in written.notes if written else ():
        print(f"note: {note}", file=sys.stderr)
    if flags.bundle and written:
        from hashquant.report.bundle import BUNDLE

        bundle = parts.attempt(
            "the bundle", lambda: _bundle(records, written.files, flags), lambda: None,
            files=[out / BUNDLE],
        )  # fmt: skip
        if bundle:
            print(f"bundle: {bundle}")


def _warn(records: "SuiteRecords") -> None:
    """Name what is left out of a report because it is damaged."""
    for path in records.damaged:
        reason = records.reasons.get(path, "it cannot be read")
        print(f"warning: {path} is left out: {reason}", file=sys.stderr)


def _claims(flags: argparse.Namespace, parts: "Parts") -> None:
    """Write the claims of all suites that have records."""
    from hashquant.records.store import Store
    from hashquant.report import Options
    from hashquant.report.across.claims import write_claims
    from hashquant.report.findings import find

    names = Store(flags.results_dir).suites()
    if not names:
        raise UsageError(f"--claims needs stored records, got none in {flags.results_dir}")

    def judged(name: str) -> "Findings":
        records, called = _read(flags, name)
        return find(records, Options(names=called))

    found = {
        name: findings
        for name in names
        if (findings := parts.attempt(
            f"the claims on suite {name}", partial(judged, name), lambda: None,
            passing=(UsageError,),
        ))
    }  # fmt: skip
    if not found:
        return
    for path in parts.attempt(
        "the claims", lambda: write_claims(found, flags.reports_dir), tuple, deed="written",
        files=[flags.reports_dir / f"claims{end}" for end in (".md", ".csv", ".tex", ".html")],
    ):  # fmt: skip
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
    records = store.read(stored_suite(suite, store.suites(), flags.results_dir))
    if not records.evals:
        raise unknown_suite(suite, store.suites(), flags.results_dir)
    _warn(records)
    return records, naming.names(*cited(records))


def _bundle(records: "SuiteRecords", written: Sequence[Path], flags: argparse.Namespace) -> Path:
    from hashquant.records.store import Store
    from hashquant.report.bundle import Material, write_bundle

    lock = Path(__file__).resolve().parents[3] / "requirements.lock"
    kept = Store(flags.results_dir).suite_file(flags.suite)
    material = Material(
        flags.results_dir / flags.suite,
        suite_file=registry.suites().get(flags.suite, kept if kept.is_file() else None),
        lock=lock if lock.is_file() else None,
        manifests=registry.manifests(),
    )
    return write_bundle(records, written, flags.reports_dir / flags.suite, material)


def _sheets(flags: argparse.Namespace, records: "SuiteRecords", out: Path) -> None:
    """Write the retrieval sheets: first, since they can be refused."""
    from hashquant.runs.sheets import Asked, write_sheets

    queries = coerce(flags.sheet_queries, Count, "--sheet-queries")
    asked = Asked(
        tuple(words(flags.sheet)), queries, tuple(targets_in(flags.sheet_targets)),
        numbers("--sheet-bits", flags.sheet_bits), flags.show_images,
    )  # fmt: skip
    write_sheets(records, asked, flags.data_dir, out / "figures")
