"""The verb `run`: suite and flags to cells, cells to records, records to a table."""

import argparse
import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.cli._asked import resolve
from hashquant.cli._dryrun import TO_RUN, show
from hashquant.cli._parser import jobs_at_once
from hashquant.cli._progress import Decoding, Progress
from hashquant.errors import HashQuantError, PluginError
from hashquant.machine.environment import resolve_device
from hashquant.plugins import naming, registry
from hashquant.plugins.failures import calling
from hashquant.plugins.versions import Code
from hashquant.records.store import Store
from hashquant.runs.planning import Cell, plan
from hashquant.runs.runner import Contest, Surroundings, is_cached, load, units
from hashquant.runs.tally import Tally
from hashquant.runs.workers import run as run_cells
from hashquant.settings.suite import RunSpec

if TYPE_CHECKING:  # pandas is for reports only
    from hashquant.report import Options


def run(flags: argparse.Namespace) -> int:
    """Run or show the cells of a suite; the last line is always the summary."""
    tally = Tally()
    try:
        with _interruptible():
            code = _run(flags, tally)
    except HashQuantError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted: finished cells and the last epoch are stored", file=sys.stderr)
        code = 130
    print(tally, flush=True)
    return code


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM end a run cleanly, also one that was started in the background."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _run(flags: argparse.Namespace, tally: Tally) -> int:
    name, suite = resolve(flags)
    jobs = jobs_at_once(flags.jobs_per_device)
    device = resolve_device(flags.device)
    cells = plan(name, suite, device=device.type)
    store = Store(flags.results_dir.absolute())  # also where a plug-in goes elsewhere
    here = Surroundings(
        store, flags.data_dir, device, flags.on_bad_image, flags.force, Decoding(quiet=flags.quiet)
    )
    wishes = _wishes(flags, cells[0].spec)  # refused before anything is trained
    if flags.dry_run:
        return _measure(cells, here, tally)
    with store.lock(name):
        with Progress(sum(map(units, cells)), quiet=flags.quiet) as progress:
            run_cells(cells, here, progress, tally, jobs)
        for note in (*registry.refused(), *Code().notes(tally.records)):
            print(f"note: {note}", file=sys.stderr)
        _report(store, name, wishes, flags.reports_dir / name)
    return tally.exit_code


def _wishes(flags: argparse.Namespace, like: RunSpec) -> "Options":
    from hashquant.report import Options

    return Options(
        figures=flags.figures, spread=flags.spread, workers=os.cpu_count() or 1, like=like
    )


def _report(store: Store, name: str, wishes: "Options", out: Path) -> None:
    from hashquant.report import cited, terminal_table, write_report

    records = store.read(name)
    if not records.evals:
        return
    sources, names = registry.sources(*cited(records)), naming.names(*cited(records))
    written = write_report(records, out, dataclasses.replace(wishes, sources=sources, names=names))
    print(terminal_table(records, written.headline))
    print(f"tables, figures and page: {out}")


def _measure(cells: list[Cell], here: Surroundings, tally: Tally) -> int:
    """Show the cells as their images decide, and time a few steps of each kind."""
    from hashquant.cli._estimate import Estimate

    estimate = Estimate(here.device)
    loaded: dict[str, Contest] = {}
    for cell in cells:
        spec = cell.spec
        if spec.dataset not in loaded:
            loaded[spec.dataset] = load(cell, here)
            for error in loaded[spec.dataset].refused.values():
                print(f"error: {error}", file=sys.stderr)
        contest = loaded[spec.dataset]
        state, reason = cell.status or ("cached" if is_cached(cell, contest, here) else TO_RUN), ""
        if state == TO_RUN:
            try:
                with calling(f"method '{spec.method}'"):
                    estimate.add(spec, contest)
            except PluginError as error:
                state, reason = "failed", str(error)
        show(cell, state, tally, reason)
    print(estimate)
    return 0
