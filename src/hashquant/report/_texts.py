"""The files of a report that are texts: Markdown, CSV, LaTeX and BibTeX."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from hashquant.machine.filenames import safe_name
from hashquant.machine.files import write_atomic
from hashquant.report.cards.cited import cards_texts, citations, row_citations
from hashquant.report.evidence import claims
from hashquant.report.findings import Findings
from hashquant.report.forms.display import Sheet
from hashquant.report.forms.latex import proof
from hashquant.report.forms.spreadsheet import csv_text
from hashquant.report.forms.typeset import typeset
from hashquant.report.frame import health_frame, scores_frame
from hashquant.report.naming import named
from hashquant.report.parts import called, remove
from hashquant.report.tables import intervals, maps, supplements, wins

Texts = dict[str, str]

#: The numbers of every record, of which the table of code health shows means.
WHOLE_HEALTH = "health of all records"
#: The files of the tables that share a name, and those that do not lie among the tables.
_FILES = {"health": ["health.md", "health.tex"], WHOLE_HEALTH: ["health.csv"]}
_PLACES = {name: name for name in ("claims.md", "cards.md", "CITATION.bib")}


def write_texts(found: Findings, out: Path) -> list[Path]:
    """Write the tables, a document that shows all those in LaTeX, and what is cited, below `out`.

    Tables lie in `tables/`, the claims above them. Return the files. What a table that fails had
    before goes.
    """
    written: list[Path] = []
    for name, make in _makers(found).items():
        part, wrote = called(name), partial(_written, make, out)
        former = [out / path for path in _paths(name)]
        if part in found.parts.broken:  # told already, where its numbers were computed
            remove(former)
        else:
            written += found.parts.attempt(part, wrote, list, deed="written", files=former)
    typeset_in = [path.stem for path in written if path.suffix == ".tex"]
    written += found.parts.attempt(
        "the document all.tex", partial(_written, partial(_all_tex, found, typeset_in), out), list,
        deed="written", files=[out / "tables/all.tex"],
    )  # fmt: skip
    return written


def _makers(found: Findings) -> dict[str, Callable[[], Texts]]:
    """Return by table, named as its files, what makes them: name → text."""
    head, records = found.digest, found.records
    makers: dict[str, Callable[[], Texts]] = {
        map_name(found): lambda: _map_texts(found),
        "scores": lambda: {"scores.csv": csv_text(scores_frame(records), head)},
        WHOLE_HEALTH: lambda: {"health.csv": csv_text(health_frame(records), head)},
        **_evidence_texts(found),
        **supplements.table_texts(found.extras, found.digest),
    }
    if (sources := found.sources) is not None:
        makers["cards"] = lambda: _cards(found)
        makers["CITATION"] = lambda: citations(sources, found.digest)
    return makers


def _written(make: Callable[[], Texts], out: Path) -> list[Path]:
    paths = []
    for name, text in make().items():
        paths.append(out / _PLACES.get(name, f"tables/{name}"))
        write_atomic(paths[-1], text.encode())
    return paths


def _paths(name: str) -> list[str]:
    """Return where the files of a table may lie."""
    files = _FILES.get(name) or [name + end for end in (".md", ".csv", ".tex", ".bib")]
    return [_PLACES.get(file, f"tables/{file}") for file in files]


def map_name(found: Findings) -> str:
    """Return the stem of the files of the metric asked for."""
    return safe_name(str(found.metric).lower().replace("@", "-at-"))


def _map_texts(found: Findings) -> Texts:
    name = map_name(found)
    sheet = maps.map_sheet(found.asked, found.records, name)
    sheet = sheet.citing(row_citations(found.sources, found.names))
    return typeset(sheet, found.digest) | {f"{name}.csv": maps.csv(found.asked, found.digest)}


def _all_tex(found: Findings, typeset_in: Sequence[str]) -> Texts:
    entries = "../CITATION" if found.sources is not None else ""
    return {"all.tex": proof(typeset_in, found.records.suite, found.digest, entries)}


def _cards(found: Findings) -> Texts:
    if found.cards is None or found.sources is None:
        return {}
    return cards_texts(found.cards, found.sources, found.records.suite, found.digest, found.names)


def _evidence_texts(found: Findings) -> dict[str, Callable[[], Texts]]:
    """Return what the single queries say: intervals, wins and claims, always of mAP."""
    suite, names, blocks = found.records.suite, found.names, found.blocks

    def made(frame: pd.DataFrame, sheet: Sheet) -> Texts:
        return typeset(sheet, found.digest) | {f"{sheet.name}.csv": csv_text(frame, found.digest)}

    return {
        "intervals": lambda: made(
            found.intervals, intervals.intervals_sheet(found.intervals, blocks, suite)
        ),
        "wins": lambda: made(found.wins, wins.wins_sheet(named(found.wins, names), suite)),
        "claims": lambda: made(
            found.claims,
            claims.claims_sheet(
                named(found.claims, names, blocks), found.studies, suite, found.noun
            ),
        ),
    }
