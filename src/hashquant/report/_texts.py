"""The files of a report that are texts: Markdown, CSV, LaTeX and BibTeX."""

from hashquant.machine.filenames import safe_name
from hashquant.report.cards.cited import cited_texts, row_citations
from hashquant.report.evidence import claims
from hashquant.report.findings import Findings
from hashquant.report.forms.latex import proof
from hashquant.report.forms.typeset import typeset
from hashquant.report.frame import health_frame, scores_frame
from hashquant.report.naming import named
from hashquant.report.tables import intervals, maps, supplements, wins


def report_texts(found: Findings) -> dict[str, str]:
    """Return the tables, a document that shows all those in LaTeX, and what is cited.

    Keys are paths below the report's folder: tables lie in `tables/`, the claims above them.
    """
    texts = _map_texts(found) | _evidence_texts(found)
    texts |= supplements.table_texts(found.extras, found.digest)
    typeset_in = [name.removesuffix(".tex") for name in texts if name.endswith(".tex")]
    entries = "../CITATION" if found.sources is not None else ""
    texts["all.tex"] = proof(typeset_in, found.records.suite, found.digest, entries)
    placed = {name if name == "claims.md" else f"tables/{name}": text
              for name, text in texts.items()}  # fmt: skip
    if found.sources is not None and found.cards is not None:
        placed |= cited_texts(
            found.cards, found.sources, found.records.suite, found.digest, found.names
        )
    return placed


def _map_texts(found: Findings) -> dict[str, str]:
    name = safe_name(str(found.metric).lower().replace("@", "-at-"))
    head = f"# records: {found.digest}\n"
    sheet = maps.map_sheet(found.asked, found.records, name)
    sheet = sheet.citing(row_citations(found.sources, found.names))
    return typeset(sheet, found.digest) | {
        f"{name}.csv": maps.csv(found.asked, found.digest),
        "scores.csv": head + scores_frame(found.records).to_csv(index=False),
        "health.csv": head + health_frame(found.records).to_csv(index=False),
    }


def _evidence_texts(found: Findings) -> dict[str, str]:
    """Return what the single queries say: intervals, wins and claims, always of mAP."""
    suite, names, blocks = found.records.suite, found.names, found.blocks
    judged = named(found.claims, names, blocks)
    texts: dict[str, str] = {}
    for frame, sheet in (
        (found.intervals, intervals.intervals_sheet(found.intervals, blocks, suite)),
        (found.wins, wins.wins_sheet(named(found.wins, names), suite)),
        (found.claims, claims.claims_sheet(judged, found.studies, suite, found.noun)),
    ):
        texts |= typeset(sheet, found.digest)
        texts[f"{sheet.name}.csv"] = f"# records: {found.digest}\n{frame.to_csv(index=False)}"
    return texts
