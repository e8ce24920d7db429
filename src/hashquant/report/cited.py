"""What a report cites: the names it speaks of, the cards beside its numbers, the bibliography."""

from collections.abc import Sequence
from pathlib import Path

from hashquant.files import write_atomic
from hashquant.record import EvalRecord, TrainRecord
from hashquant.reference import Sources
from hashquant.report.bibliography import bibliography
from hashquant.report.cards import cards_frame
from hashquant.report.cardtext import cards_markdown
from hashquant.report.evidence import Evidence
from hashquant.store import SuiteRecords


def cited(records: SuiteRecords) -> tuple[set[str], set[str]]:
    """Return the methods and the data sets that a suite's records speak of."""
    stored: tuple[EvalRecord | TrainRecord, ...] = (*records.trains, *records.evals)
    methods = {record.spec.method for record in stored}
    methods |= {record.spec.base["method"] for record in stored if record.spec.base}
    examined = {record.target.partition("+")[0] for record in records.evals}
    return methods, examined | {record.spec.dataset for record in stored}


def write_cited(
    records: SuiteRecords, studies: Sequence[Evidence], sources: Sources, out: Path, digest: str
) -> tuple[Path, ...]:
    """Write `cards.md`, `tables/cards.csv` and `CITATION.bib` to `out`, and return their paths.

    Raises:
        StoreError: if a file cannot be written.
    """
    cards = cards_frame(studies, sources, records.trains)
    said = cards_markdown(cards, sources, records.suite)
    texts = {
        "tables/cards.csv": f"# records: {digest}\n{cards.to_csv(index=False)}",
        "cards.md": f"<!-- records: {digest} -->\n\n{said}",
        "CITATION.bib": f"% records: {digest}\n\n{bibliography(sources)}",
    }
    for name, text in texts.items():
        write_atomic(out / name, text.encode())
    return tuple(out / name for name in texts)
