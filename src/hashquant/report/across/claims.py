"""Claims × suites: every verdict with its estimate and interval in one table."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hashquant.machine.files import write_atomic
from hashquant.report.blocks import records_digest
from hashquant.report.evidence.claimlist import CLAIMS
from hashquant.report.evidence.claims import NO_RECORDS, Line, measured, overall, rule, said, worded
from hashquant.report.findings import Findings, noun_of
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.forms.spreadsheet import csv_text
from hashquant.report.forms.typeset import typeset
from hashquant.report.page.overview import claims_page
from hashquant.settings.names import IDENTITIES
from hashquant.settings.suite import digest

COLUMNS = ["suite", "claim", "hypothesis", "where", "bits", "seeds", "estimate", "low", "high",
           "p_adjusted", "verdict", "needs"]  # fmt: skip
NAME = "claims"


def matrix_frame(found: Mapping[str, Findings]) -> pd.DataFrame:
    """Return the last line of every claim in every suite: the one that judges it."""
    rows = [
        {"suite": suite} | overall(findings.claims, claim.letter)
        for suite, findings in found.items()
        for claim in CLAIMS
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def write_claims(found: Mapping[str, Findings], out: Path) -> tuple[Path, ...]:
    """Write `claims.md`, `claims.csv`, `claims.tex` and the page `claims.html` into `out`.

    Raises:
        StoreError: if a file cannot be written.
    """
    frame = matrix_frame(found)
    name = digest(sorted(records_digest(findings.records) for findings in found.values()))
    noun = noun_of([block for findings in found.values() for block in findings.blocks])
    sheet = matrix_sheet(frame, noun)
    texts = typeset(sheet, name) | {
        f"{NAME}.csv": csv_text(frame, name),
        f"{NAME}.html": claims_page(frame, sheet.intro, name, noun),
    }
    for file, text in texts.items():
        write_atomic(out / file, text.encode())
    return tuple(out / file for file in texts)


def matrix_sheet(frame: pd.DataFrame, noun: str = IDENTITIES) -> Sheet:
    """Return the matrix as a reader sees it: a row a claim, a column a suite, the claims below.

    `noun` is what the classes of the data are called.
    """
    suites = list(dict.fromkeys(frame["suite"]))
    cells = {(row["suite"], row["claim"]): row for row in frame.to_dict("records")}
    rows = [
        [f"({claim.letter})",
         *(written(cells[suite, claim.letter]) for suite in suites)]
        for claim in CLAIMS
    ]  # fmt: skip
    grid = Display.of("", rows, ["claim", *suites], "l" * (len(suites) + 1))
    said = [f"({claim.letter}) {worded(claim.hypothesis, noun)}" for claim in CLAIMS]
    grid = replace(grid, points=said)
    intro = (
        "A column a suite; each field holds verdict, estimate and interval. "
        f"{rule(noun, 'all claims of a suite together')}"
    )
    return Sheet(NAME, "all", "Claims of the OPQN paper on every suite", intro, [grid])


def written(line: Line) -> str:
    """Write one field: verdict, estimate and interval.

    >>> written({"verdict": "no records"})
    'no records'
    """
    if line["verdict"] == NO_RECORDS:
        return NO_RECORDS
    return f"{said(line)}: {measured(line)}"
