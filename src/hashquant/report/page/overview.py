"""The claims of all suites as one page."""

import pandas as pd

from hashquant import __version__
from hashquant.report.evidence.claimlist import CLAIMS
from hashquant.report.evidence.claims import NO_RECORDS, Line, measured, said, worded
from hashquant.report.page._grid import Cell, Column, Grid
from hashquant.report.page._theme import DARK, LIGHT, style, template, variables


def claims_page(frame: pd.DataFrame, intro: str, digest: str, noun: str) -> str:
    """Return a page that shows verdict, estimate and interval of every claim and suite."""
    return template("claims.html.j2").render(
        digest=digest, version=__version__, intro=intro, grid=_grid(frame, noun), style=style(),
        light=variables(LIGHT, {}), dark=variables(DARK, {}), rows=[],
    )  # fmt: skip


def _grid(frame: pd.DataFrame, noun: str) -> Grid:
    suites = list(dict.fromkeys(frame["suite"]))
    found = {(row["suite"], row["claim"]): row for row in frame.to_dict("records")}
    heads = [Column("claim"), Column("hypothesis", rows=True), *map(Column, suites)]
    rows = [
        [Cell(f"({claim.letter})"), Cell(worded(claim.hypothesis, noun), "prose"),
         *(_cell(found[suite, claim.letter]) for suite in suites)]
        for claim in CLAIMS
    ]  # fmt: skip
    caption = "Verdicts, and below each the estimate and the interval that decides."
    return Grid("claims", caption, heads, rows)


def _cell(line: Line) -> Cell:
    if line["verdict"] == NO_RECORDS:
        return Cell(NO_RECORDS, "quiet")
    return Cell(said(line), f"verdict {line['verdict']}", small=measured(line))
