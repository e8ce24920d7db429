"""The statistics of the page: verdicts on claims, intervals, and who beats whom."""

import pandas as pd

from hashquant.report.blocks import examined_as
from hashquant.report.captions import INTERVAL
from hashquant.report.evidence.claimlist import CLAIMS
from hashquant.report.evidence.claims import NO_RECORDS, at_a_glance, said
from hashquant.report.numerals import NOTHING, chance, number, within
from hashquant.report.page._grid import Cell, Column, Grid, cells
from hashquant.report.page._scores import COMPARED
from hashquant.report.tables.wins import STANDING, STANDINGS, WIDEST, standings


def verdict_grid(judged: pd.DataFrame) -> Grid:
    """Return the claims at a glance."""
    heads = [Column(""), Column("claim", rows=True), Column("verdict"),
             Column("supported in"), Column("seeds", True)]  # fmt: skip
    rows = [
        [Cell(letter), Cell(claim, "prose"), Cell(verdict, f"verdict {verdict.partition(' ')[0]}"),
         *cells((each or NOTHING, seeds or NOTHING))]
        for letter, claim, verdict, each, seeds in at_a_glance(judged)
    ]  # fmt: skip
    caption = "The claims of the OPQN paper as hypotheses, judged on the records of this suite."
    return Grid("verdicts", caption, heads, rows)


def claim_grid(judged: pd.DataFrame) -> Grid | None:
    """Return every line behind the verdicts that has an estimate."""
    lines = judged[judged["verdict"] != NO_RECORDS]
    if lines.empty:
        return None
    heads = [
        Column("claim", filtered=True), Column("where", rows=True), Column("difference"),
        Column("bits", True), Column("seeds", True), Column("estimate", True),
        Column("interval", True),
        Column("p\u00a0(adjusted)", True), Column("verdict", filtered=True),
    ]  # fmt: skip
    rows = [
        [Cell(f"({line['claim']})"), Cell(line["where"], "prose"), Cell(line["compared"], "quiet"),
         *cells((line["bits"], line["seeds"], number(line["estimate"], sign=True),
                 within(line["low"], line["high"], sign=True), chance(line["p_adjusted"]))),
         Cell(said(line), f"verdict {line['verdict'].partition(' ')[0]}")]
        for line in lines.to_dict("records")
    ]  # fmt: skip
    caption = (
        "Every line behind the verdicts. Intervals are simultaneous, 95 % for all lines together, "
        "and are what the verdict looks at."
    )
    return Grid("claims", caption, heads, rows, search=True)


def unmet(judged: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Return the letter and the needs of every claim without records.

    Every second part of the needs is code.
    """
    missing = judged[judged["verdict"] == NO_RECORDS]
    return [
        (
            claim.letter,
            str(missing.loc[missing["claim"] == claim.letter, "needs"].iloc[0]).split("`"),
        )
        for claim in CLAIMS
        if claim.letter in set(missing["claim"])
    ]


def interval_grid(within_frame: pd.DataFrame) -> Grid | None:
    """Return the interval of every mean, and what it rests on."""
    if within_frame.empty:
        return None
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("method", rows=True, filtered=True), Column("bits", True, filtered=True),
        Column("compared by", filtered=True), Column("mAP", True), Column("95 % interval", True),
        Column("seeds", True), Column("queries", True), Column("identities", True), Column("note"),
    ]  # fmt: skip
    rows = [
        [*cells((line["dataset"], examined_as(line["target"]))), Cell(line["label"], "row"),
         *cells((line["bits"], COMPARED.get(line["comparison"], line["comparison"]),
                 number(line["mean"]), within(line["low"], line["high"]), line["n"],
                 f"{line['queries']:,}", f"{line['identities']:,}")), Cell(line["note"], "quiet")]
        for line in within_frame.to_dict("records")
    ]  # fmt: skip
    first = {"trained on": rows[0][0].text, "examined on": rows[0][1].text}
    caption = f"95 % interval of every mean: {INTERVAL}."
    return Grid("intervals", caption, heads, rows, first)


def win_grid(won: pd.DataFrame) -> Grid | None:
    """Return how often each row has the larger mAP than each other row."""
    if won.empty:
        return None
    labels = list(dict.fromkeys([*won["row"], *won["rival"]]))
    if len(labels) > WIDEST:
        return _standing_grid(won)
    texts = {
        (line["row"], line["rival"]):
        (f"{line['better']} of {line['compared']}", f"{line['significantly_better']} significant")
        for line in won.to_dict("records")
    }  # fmt: skip
    rows = [
        [Cell(row, "row"), *(_won(texts.get((row, rival)), same=row == rival) for rival in labels)]
        for row in labels
    ]
    heads = [Column("better ↓ than →", rows=True), *(Column(label, True) for label in labels)]
    caption = (
        "Tables × code lengths in which the row has the larger mAP than the column; second line: "
        "those in which the paired difference is significant (Holm, 5 %). References do not "
        "compete."
    )
    return Grid("wins", caption, heads, rows)


def _standing_grid(won: pd.DataFrame) -> Grid:
    """Return how many rivals each of many rows stands before and behind."""
    rows = [
        [Cell(line["row"], "row"), *cells(str(line[name]) for name in STANDINGS)]
        for line in standings(won).to_dict("records")
    ]
    heads = [Column("method", rows=True), *(Column(name, True) for name in STANDINGS.values())]
    return Grid("wins", STANDING.replace("`", ""), heads, rows)


def _won(text: tuple[str, str] | None, *, same: bool) -> Cell:
    if text is None:
        return Cell("" if same else NOTHING)
    return Cell(text[0], small=text[1])
