"""What did not train: which runs by their gate, and what is said of the cells that hold them."""

from collections.abc import Iterable, Mapping

from hashquant.records.gate import gates
from hashquant.records.record import EvalRecord
from hashquant.records.store import SuiteRecords

#: What a row is said to be that is no better than a random order of the gallery (ADR 0017).
UNTRAINED = "did not train"


def failed_runs(records: SuiteRecords) -> dict[str, str]:
    """Return why a run did not train, by its run_id."""
    return {run: gate.reason for run, gate in gates(records).items() if not gate.trained}


def untrained_cells(
    evals: Iterable[EvalRecord], failed: Mapping[str, str]
) -> dict[tuple[str, int], str]:
    """Return why a cell (row, bits) did not train: each that has a seed which did not.

    A mean over the other seeds alone would flatter the method.
    """
    found: dict[tuple[str, int], dict[str, list[int]]] = {}
    for record in evals:
        if record.run_id in failed:
            cell = found.setdefault((record.spec.label, record.spec.bits), {})
            cell.setdefault(failed[record.run_id], []).append(record.spec.seed)
    return {cell: f"{UNTRAINED}: {seed_reasons(why, named=False)}" for cell, why in found.items()}


def seed_reasons(reasons: Mapping[str, list[int]], *, named: bool) -> str:
    """Join reasons (text → seeds); seeds are named where they did not all end the same way.

    >>> seed_reasons({"failed": [1], "oom": [0, 2]}, named=False)
    'seed 1 failed; seeds 0, 2 oom'
    """
    if len(reasons) == 1 and not named:
        return next(iter(reasons))
    return "; ".join(
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))} {reason}"
        for reason, seeds in sorted(reasons.items(), key=lambda pair: (min(pair[1]), pair[0]))
    )
