"""What the rows of a suite are: their families, which hold no code, and which did not train."""

from collections.abc import Iterable, Mapping

from hashquant.records.gate import gates
from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.drawing.style import family_of
from hashquant.settings.suite import base_spec, canonical_json

#: The family of what is no code, or none that learns: it stands beside the codes as a measure.
REFERENCE = "reference"
#: Bits of the longest code a method may be asked for; what is longer is a float embedding.
LONGEST_CODE = 1024
#: What a row is said to be that is no better than a random order of the gallery (ADR 0017).
UNTRAINED = "did not train"


def row_families(records: SuiteRecords) -> dict[str, str]:
    """Return the family of every row, learnt from any record that tells its codewords."""
    words: dict[str, int] = {}
    real: set[str] = set()
    stored: tuple[EvalRecord | TrainRecord, ...] = (*records.trains, *records.evals)
    for record in stored:
        if record.cost is not None:
            vectors = record.cost.query_form == "decoded"  # what it is decoded to is a codeword
            words[record.spec.method] = record.cost.codewords or int(vectors)
        if uncoded(record):
            real.add(record.spec.method)
    return {
        spec.label: REFERENCE if spec.method in real
        else family_of(spec.method, codewords=words.get(spec.method))
        for spec in (record.spec for record in stored)
    }  # fmt: skip


def uncoded(record: EvalRecord | TrainRecord) -> bool:
    """Tell whether a record is of a method that keeps float embeddings instead of codes."""
    if record.cost is not None:
        return record.cost.query_form == "float"
    return record.spec.bits > LONGEST_CODE


def bases_only(records: SuiteRecords) -> set[str]:
    """Return the rows that were trained for others to be fitted on, and examined nowhere."""
    stored: tuple[EvalRecord | TrainRecord, ...] = (*records.trains, *records.evals)
    bases = {canonical_json(r.spec.base): r.spec for r in stored if r.spec.base}
    return {base_spec(s).label for s in bases.values()} - {r.spec.label for r in records.evals}


def cut_from(records: SuiteRecords) -> set[str]:
    """Return the runs of which shorter codes are a prefix and that are examined nowhere."""
    return {t.base_run for t in records.trains if t.spec.prefix} - {r.run_id for r in records.evals}


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
    'seeds 0, 2 oom; seed 1 failed'
    """
    if len(reasons) == 1 and not named:
        return next(iter(reasons))
    return "; ".join(
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))} {reason}"
        for reason, seeds in sorted(reasons.items(), key=lambda pair: (min(pair[1]), pair[0]))
    )
