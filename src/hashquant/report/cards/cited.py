"""What a report cites: the names it speaks of, the cards beside its numbers, the bibliography."""

import pandas as pd

from hashquant.records.record import EvalRecord, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.report.cards._bibliography import bibliography, keys
from hashquant.report.cards.text import cards_markdown
from hashquant.report.forms.spreadsheet import csv_text
from hashquant.settings.names import Names
from hashquant.settings.reference import Sources
from hashquant.settings.words import split_target


def cited(records: SuiteRecords) -> tuple[set[str], set[str]]:
    """Return the methods and the data sets that a suite's records speak of."""
    stored: tuple[EvalRecord | TrainRecord, ...] = (*records.trains, *records.evals)
    methods = {record.spec.method for record in stored}
    methods |= {record.spec.base["method"] for record in stored if record.spec.base}
    examined = {split_target(record.target)[0] for record in records.evals}
    return methods, examined | {record.spec.dataset for record in stored}


def cards_texts(
    cards: pd.DataFrame, sources: Sources, suite: str, digest: str, names: Names | None = None
) -> dict[str, str]:
    """Return the files `cards.md` and `cards.csv` (name → text)."""
    return {
        "cards.csv": csv_text(cards, digest),
        "cards.md": f"<!-- records: {digest} -->\n\n{cards_markdown(cards, sources, suite, names)}",
    }


def citations(sources: Sources, digest: str) -> dict[str, str]:
    """Return the file `CITATION.bib` (name → text)."""
    return {"CITATION.bib": f"% records: {digest}\n\n{bibliography(sources)}"}


def row_citations(sources: Sources | None, names: Names) -> dict[str, str]:
    """Return the key in `CITATION.bib` of each method by what readers call it."""
    return {names.method(name): key for name, key in keys(sources).items()} if sources else {}
