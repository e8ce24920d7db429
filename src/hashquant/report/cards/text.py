"""Reproduction cards as Markdown: a table per method and data set, and what was not found."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from hashquant.report.blocks import examined_as
from hashquant.report.cards.lines import NO_FIGURE, NOT_COMPARABLE, NOT_MEASURED, WITHIN
from hashquant.report.cards.readings import READINGS
from hashquant.report.forms.markdown import escape
from hashquant.report.naming import named
from hashquant.report.numerals import NOTHING, number, spread, within
from hashquant.settings.names import Names
from hashquant.settings.reference import Reference, Sources

Line = Mapping[Any, Any]  # Any: one line of the frame, by column
SAID = (
    "Beside each measured number stands what was published of the same method, data set and code "
    "length; a published number is nowhere counted among the measured. **Reproduced**: the "
    "published number, with its reading error, lies in the measured 95 % interval (without an "
    "interval: the mean lies within the reading error). **Within** *x*: so far above or below what "
    "was published. "
    "**Not comparable**: a known part of the protocol differs; what the source does not tell is "
    "listed and does not count. Numbers read from a plot are marked ≈."
)


def cards_markdown(
    cards: pd.DataFrame, sources: Sources, suite: str, names: Names | None = None
) -> str:
    """Return the cards of a suite as Markdown; without `names`, with identifiers."""
    names = names or Names()
    frame = named(cards, names)
    parts = [f"# Reproduction cards, suite {escape(suite)}", SAID]
    published = frame[frame["verdict"] != NO_FIGURE]
    for (method, dataset, target), mine in published.groupby(
        ["method", "dataset", "target"], sort=False
    ):
        where = dataset if target == dataset else f"{dataset} → {examined_as(str(target))}"
        paper = sources.methods[str(method)]
        parts += [
            f"## {escape(f'{names.method(str(method))} on {where}')}",
            f"{_paper(paper)}.",
            _grid(mine),
            _notes(mine),
        ]
    bare = without_figure(frame)
    if bare:
        parts += ["## No figure found", _bare(bare, sources, names)]
    used = [name for name in READINGS if (published["metric"] == name).any()]
    parts += [f"*{name}: {READINGS[name].text}.*" for name in used]
    return "\n\n".join(parts) + "\n"


def verdict(line: Line) -> str:
    """Say how a published number and a measured one agree, in a few words."""
    if line["verdict"] == WITHIN:
        return f"within {off(line)}"
    if line["verdict"] == NOT_COMPARABLE:
        return f"not comparable: {line['differs']}"
    if line["verdict"] == NOT_MEASURED:
        return f"not measured: {line['note']}"
    return str(line["verdict"])


def off(line: Line) -> str:
    """Say how far what was measured lies from what was published.

    >>> off({"distance": -0.0123})
    '0.0123 (below)'
    """
    return f"{number(abs(line['distance']))} ({'above' if line['distance'] > 0 else 'below'})"


def claimed(line: Line) -> str:
    """Write a published number; what was read from a plot says how far it may be off.

    >>> claimed({"published": 0.9, "precision": 0.01, "read_from": "figure"})
    '≈ 0.9 ± 0.01'
    """
    text = f"{line['published']:g}"
    return f"≈ {text} ± {line['precision']:g}" if line["read_from"] == "figure" else text


def _grid(mine: pd.DataFrame) -> str:
    rows = [
        [escape(line["label"]), line["bits"], line["metric"], claimed(line),
         spread(line["measured"], line["sd"]), within(line["low"], line["high"]),
         line["n"] or NOTHING, escape(verdict(line))]
        for line in mine.to_dict("records")
    ]  # fmt: skip
    heads = ["row", "bits", "metric", "published", "measured", "95 % interval", "seeds",
             "verdict"]  # fmt: skip
    aligned = ["left", "right", "left", *["right"] * 4, "left"]
    return tabulate(rows, heads, "pipe", disable_numparse=True, colalign=aligned)


def _notes(mine: pd.DataFrame) -> str:
    said = (f"{line['bits']} bits, {origin(line)}" for line in mine.to_dict("records"))
    return "\n".join(f"- {escape(text)}" for text in dict.fromkeys(said))


def origin(line: Line) -> str:
    """Say of a published number where it stands, whose it is, and what its source does not tell."""
    by = f" by {line['measured_by']}" if line["measured_by"] else ""
    how = ", read off the plot" if line["read_from"] == "figure" else ""
    told = f" Not told: {line['not_stated']}." if line["not_stated"] else ""
    return f"published{by} in {line['source']}{how}. {line['protocol']}.{told}"


def without_figure(frame: pd.DataFrame) -> list[Line]:
    """Return a line a method of the cells without a published number.

    `trained` and `examined` name the data sets, `bits` the code lengths; `note` says why there is
    none, where that is known.
    """
    return [
        {"method": method, "trained": "; ".join(dict.fromkeys(mine["dataset"])),
         "examined": "; ".join(dict.fromkeys(map(examined_as, mine["target"]))),
         "bits": ", ".join(f"{bits:,}" for bits in sorted(set(mine["bits"]))),
         "note": next((note for note in mine["note"] if note), "")}
        for method, mine in frame[frame["verdict"] == NO_FIGURE].groupby("method", sort=False)
    ]  # fmt: skip


def _bare(bare: Sequence[Line], sources: Sources, names: Names) -> str:
    rows = []
    for line in bare:
        paper = sources.methods.get(line["method"])
        rows.append(
            [escape(names.method(line["method"])), escape(_paper(paper) if paper else line["note"]),
             line["bits"], escape(line["trained"]), escape(line["examined"]),
             escape(elsewhere(paper)) if paper else NOTHING]
        )  # fmt: skip
    heads = ["method", "paper", "bits", "trained on", "examined on", "figures were found for"]
    return tabulate(rows, heads, "pipe", disable_numparse=True)


def _paper(paper: Reference) -> str:
    return f"{paper.authors}: {paper.title}. {paper.venue}, {paper.year}"


def elsewhere(paper: Reference) -> str:
    """Name the data sets and code lengths of which a number was published."""
    found = dict.fromkeys(f"{claim.dataset} {claim.bits}" for claim in paper.claims)
    return ", ".join(found) or "none"
