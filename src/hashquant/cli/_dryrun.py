"""The flag `--dry-run`: what a run would do, from settings and stored records; no torch."""

import argparse
import sys

from hashquant.cli._asked import resolve
from hashquant.cli._parser import SPREAD, jobs_at_once
from hashquant.errors import HashQuantError
from hashquant.machine.hardware import choose_device, cpu_model, cuda_nodes
from hashquant.plugins import registry
from hashquant.plugins.versions import Code
from hashquant.records.record import TrainRecord
from hashquant.records.store import Store
from hashquant.runs.forecast import Forecast
from hashquant.runs.outline import Outline, outline
from hashquant.runs.planning import Cell
from hashquant.runs.tally import UNTRAINED, Tally

TO_RUN = "to run"


def dry_run(flags: argparse.Namespace) -> int:
    """Show the cells of a suite and an estimate; the last line is the summary."""
    tally = Tally()
    try:
        code = _dry_run(flags, tally)
    except HashQuantError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    print(tally, flush=True)
    return code


def show(cell: Cell, state: str, tally: Tally, reason: str = "") -> None:
    """Print a cell's line, and count its outcome where that is known."""
    spec, reason = cell.spec, reason or cell.reason
    because = f": {reason}" if reason else ""
    print(f"{spec.dataset} {spec.label} {spec.bits} bit seed {spec.seed}: {state}{because}")
    if state != TO_RUN:
        tally.counts[state] += 1


def _dry_run(flags: argparse.Namespace, tally: Tally) -> int:
    name, suite = resolve(flags)
    _refuse_as_a_run_would(flags)
    device = "cpu" if choose_device(flags.device, cuda_nodes()) is None else "cuda"
    found = outline(name, suite, device=device)
    _say_what_is_broken(found)
    forecast = Forecast(Store(flags.results_dir), cpu_model())
    kept: list[TrainRecord] = []
    for cell in found.cells:
        reason = found.broken.get(cell.spec.dataset, "")
        state = "failed" if reason else cell.status
        if not state:
            state = TO_RUN if flags.force or not forecast.is_cached(cell) else "cached"
        show(cell, state, tally, reason)
        if state == TO_RUN:
            forecast.add(cell, fresh=flags.force)
        elif state == "cached":
            tally.counts[UNTRAINED] += forecast.is_untrained(cell)
            kept += filter(None, [forecast.newest(cell)])
    print(forecast)
    for note in (*registry.refused(), *Code().notes(kept)):
        print(f"note: {note}", file=sys.stderr)
    if tally.counts["cached"]:
        print("cached: judged by settings; whether images changed is seen when they are loaded")
    if device == "cuda" and flags.device.strip().lower() == "auto":
        print("device: cuda, for the driver has one; whether torch can use it is seen by the run")
    return 0


def _refuse_as_a_run_would(flags: argparse.Namespace) -> None:
    jobs_at_once(flags.jobs_per_device)
    if flags.spread != SPREAD:  # what nobody asked for is not worth the import of pandas
        from hashquant.report import Options

        Options(spread=flags.spread)


def _say_what_is_broken(found: Outline) -> None:
    trained = {cell.spec.dataset for cell in found.cells}
    for reference, reason in found.broken.items():
        if reference not in trained:
            print(f"error: {reason}", file=sys.stderr)
    if found.note:
        print(f"note: torch was imported to plan this: {found.note}", file=sys.stderr)
