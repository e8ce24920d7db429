"""What the rows of a suite are: their families, and which hold no code or were never examined."""

from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.drawing.style import family_of
from hashquant.settings.suite import base_spec, canonical_json

#: The family of what is no code, or none that learns: it stands beside the codes as a measure.
REFERENCE = "reference"
#: Bits of the longest code a method may be asked for; what is longer is a float embedding.
LONGEST_CODE = 1024


def row_families(records: SuiteRecords) -> dict[str, str]:
    """Return the family of every row, learnt from any record that tells its codewords."""
    words: dict[str, int] = {}
    real: set[str] = set()
    stored: tuple[EvalRecord | TrainRecord, ...] = (*records.trains, *records.evals)
    for record in stored:
        if record.cost is not None:
            words[record.spec.method] = record.cost.codewords
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
