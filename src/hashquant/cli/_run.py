"""The verb `run`: suite and flags to cells, cells to records, records to a table."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hashquant.cli._asked import resolve
from hashquant.cli._dryrun import TO_RUN, show
from hashquant.cli._flags import made_ready
from hashquant.cli._interrupts import ENDS, ended
from hashquant.cli._parser import jobs_at_once
from hashquant.cli._progress import Decoding, Progress
from hashquant.cli._reporting import show_report, tell
from hashquant.errors import PluginError
from hashquant.machine.environment import resolve_device
from hashquant.plugins import registry
from hashquant.plugins.failures import calling
from hashquant.plugins.versions import Code
from hashquant.records.store import Store
from hashquant.runs.contest import Contest, Surroundings, load
from hashquant.runs.planning import Cell, plan
from hashquant.runs.runner import is_cached, units
from hashquant.runs.tally import Tally
from hashquant.runs.workers import run as run_cells
from hashquant.settings.suite import RunSpec
from hashquant.training.trunks import check_weights, fetched_weights

if TYPE_CHECKING:  # pandas is for reports only
    from hashquant.report import Options
    from hashquant.report.parts import Parts


def run(flags: argparse.Namespace) -> int:
    """Run or show the cells of a suite; the last line is always the summary."""
    tally = Tally()
    try:
        code = _run(flags, tally)
    except ENDS as error:
        code = ended(error, "interrupted: finished cells and the last epoch are stored")
    print(tally, flush=True)
    return code


def _run(flags: argparse.Namespace, tally: Tally) -> int:
    name, suite = resolve(flags)
    jobs = jobs_at_once(flags.jobs_per_device)
    device = resolve_device(flags.device)
    cells = plan(name, suite, device=device.type)
    for spec in {(c.spec.trunk, c.spec.image_size): c.spec for c in cells}.values():
        _check_trunk(spec)
    store = Store(flags.results_dir.absolute())  # also where a plug-in goes elsewhere
    here = Surroundings(
        store, flags.data_dir, device, flags.on_bad_image, flags.force, Decoding(quiet=flags.quiet)
    )
    wishes = _wishes(flags, cells[0].spec)  # refused before anything is trained
    if flags.dry_run:
        return _measure(cells, here, tally)
    made_ready("--reports-dir", flags.reports_dir / name)
    with store.lock(name):
        if name not in registry.suites():
            store.keep_suite(name, Path(flags.suite))
        with Progress(sum(map(units, cells)), quiet=flags.quiet) as progress:
            run_cells(cells, here, progress, tally, jobs)
        for note in (*registry.refused(), *Code().notes(tally.records)):
            print(f"note: {note}", file=sys.stderr)
        _report(store, name, wishes, flags.reports_dir / name, verbose=flags.verbose)
    return tally.exit_code


def _check_trunk(spec: RunSpec) -> None:
    """Have the weights of a pretrained trunk here, or refuse local ones that do not fit."""
    if spec.card is not None:
        fetched_weights(spec.card)
    else:
        check_weights(spec.trunk, spec.image_size)


def _wishes(flags: argparse.Namespace, like: RunSpec) -> "Options":
    from hashquant.report import Options

    return Options(
        figures=flags.figures, spread=flags.spread, workers=os.cpu_count() or 1, like=like
    )


def _report(store: Store, name: str, wishes: "Options", out: Path, *, verbose: bool) -> None:
    """Report on the suite; what fails of it is told, and changes nothing about the cells."""
    from hashquant.report.parts import Parts

    parts = Parts()
    parts.attempt(
        "the report", lambda: _shown(store, name, wishes, out, parts), lambda: None, deed="written"
    )
    tell(parts.failures, verbose=verbose)


def _shown(store: Store, name: str, wishes: "Options", out: Path, parts: "Parts") -> None:
    records = store.read(name)
    if records.evals:
        show_report(records, out, wishes, parts)


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
