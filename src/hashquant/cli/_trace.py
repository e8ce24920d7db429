"""The verbs that trace a number: `verify` finds it again, `explain` says what made it."""

import argparse
from collections import Counter
from pathlib import Path

from hashquant.cli._parser import stored_suite
from hashquant.errors import UsageError
from hashquant.plugins import registry
from hashquant.records.store import Store
from hashquant.records.vouching import DISTRIBUTIONS


def verify(flags: argparse.Namespace) -> int:
    """Recompute stored scores; name what differs or cannot be read, and count the rest."""
    from hashquant.runs.completion import complete_suite
    from hashquant.runs.verification import verify_suite

    store = Store(flags.results_dir)
    suites = store.suites()
    if flags.suite != "all":
        suites = [stored_suite(flags.suite, suites, store.root)]
    if not suites:
        raise UsageError(f"there must be records to verify, got none in {store.root}")
    counts: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    if flags.complete:
        written = Counter(path.name for suite in suites for path in complete_suite(store, suite))
        print(f"completed: {_count(written.pop(DISTRIBUTIONS, 0), 'examination')}", flush=True)
        if written:
            print(f"sealed: {_count(written.total(), 'record')}", flush=True)
    for suite in suites:
        for checked in verify_suite(store, suite):
            for problem in (*checked.differences, *checked.unreadable):
                print(problem, flush=True)
            if flags.verbose:
                print(f"{checked.folder}: {checked.source or 'not verified'}", flush=True)
            counts[checked.source] += 1
            counts["different"] += bool(checked.differences)
            counts["unreadable"] += bool(checked.unreadable)
            notes.update(checked.notes)
    for note, count in notes.items():
        print(f"note: {note} ({_count(count, 'record')})")
    kinds = ("codes", "per-query", "different", "unreadable")
    print("verified: " + " ".join(f"{kind}={counts[kind]}" for kind in kinds))
    return 1 if counts["different"] or counts["unreadable"] else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def explain(flags: argparse.Namespace) -> int:
    """Print everything that made a cell, and the command that makes it again."""
    from hashquant.records.gate import gate_at
    from hashquant.report.trace.explain import explanation
    from hashquant.report.trace.locate import locate
    from hashquant.report.trace.repeat import command

    store = Store(flags.results_dir)
    cell = locate(store, flags.cell)
    print(explanation(cell, gate_at(store, cell.train) if cell.train else None))
    if cell.spec is not None:
        targets = [record.target for _, record in cell.evals]
        owner, suite = _options_owner(cell.spec.dataset), _suite_of(store, cell.spec.suite)
        print(f"\nmade again by\n{command(cell.spec, targets, owner, suite)}")
        if suite and not Path(suite).is_file():
            print(f"where {suite} is the path of the suite's file, which is not kept here")
    return 0


def _suite_of(store: Store, name: str) -> str:
    """Return how `--suite` names a suite: by its file where it is not among the benchmarks."""
    if name in registry.suites():
        return ""
    kept = store.suite_file(name)
    return str(kept) if kept.is_file() else f"{name}.yaml"


def _options_owner(dataset: str) -> str:
    """Return how `--set` names a data set; by its own name where it is not installed here."""
    try:
        return registry.dataset_stem(dataset)
    except UsageError:
        return dataset.partition(":")[0]
