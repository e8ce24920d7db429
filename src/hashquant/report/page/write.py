"""The page of a suite as one file: findings to plain values, plain values to HTML."""

import dataclasses
import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hashquant import __version__
from hashquant.machine.files import write_atomic
from hashquant.machine.plaintext import STEERING
from hashquant.report.drawing.kinds import in_parts, parts_of, short_part
from hashquant.report.drawing.style import MARKERS, Look, looks
from hashquant.report.findings import Findings
from hashquant.report.naming import faded, named, never_trained
from hashquant.report.page import _costs as costs
from hashquant.report.page import _curves as curves
from hashquant.report.page import _further as further
from hashquant.report.page import _proofs as proofs
from hashquant.report.page import _provenance as provenance
from hashquant.report.page import _published as published
from hashquant.report.page import _scores as scores
from hashquant.report.page import _summary as summary
from hashquant.report.page import _svg as svg
from hashquant.report.page._panel import Panel
from hashquant.report.page._theme import DARK, LIGHT, script, style, template, variables
from hashquant.report.rows import REFERENCE, UNTRAINED, row_families
from hashquant.report.tables.codes import health, radius

NAME = "index.html"
#: Sizes of plots that no script has fitted to the window, in CSS pixels.
CURVE_SIZE, COST_SIZE = (820, 460), (520, 322)
#: What ends a script, or a line of one, or steers a terminal, is written as its number.
_IN_SCRIPT = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&" + STEERING})

#: What the script is told of every row; `whole` only where there are parts.
SCRIPTED = ("label", "marker", "filled", "whole")

Values = dict[str, Any]  # Any: what the template and the script are given


def write_page(found: Findings, folder: Path) -> Path:
    """Write `index.html` into `folder`: one file that loads nothing else.

    Raises:
        StoreError: if it cannot be written.
    """
    path = folder / NAME
    write_atomic(path, page(found).encode())
    return path


def page(found: Findings) -> str:
    """Return the page as HTML; its first line names the digest of the records."""
    look = looks(row_families(found.records))
    look = faded(in_parts(look, found.names), found.blocks)
    values, data = _said(found), Values()
    values |= {"rows": _rows(look, found), "markers": svg.markers()}
    values |= {"light": variables(LIGHT, look), "dark": variables(DARK, look)}
    firsts = _firsts(look, found)
    values |= _curves(found, look, data, firsts) | _costs(found, look, data, firsts)
    values["contents"] = [(name, title) for name, title, shown in _contents(values) if shown]
    data |= {
        "rows": [{k: row[k] for k in SCRIPTED if row[k] is not None} for row in values["rows"]],
        "metrics": scores.metric_texts(found.headline), "margins": svg.MARGINS,
        "markers": svg.CURVE_MARKERS, "parts": curves.PARTS, "shown": curves.SHOWN,
        "blocks": [block.name for block in found.blocks],
    }  # fmt: skip
    return template("page.html.j2").render(values, data=embedded(data))


def _said(found: Findings) -> Values:
    """Return the texts and the tables."""
    records, blocks, extras, names = found.records, found.blocks, found.extras, found.names
    judged, won = named(found.claims, names, blocks), named(found.wins, names)
    return {
        "suite": records.suite, "digest": found.digest, "version": __version__,
        "style": style(), "script": script(),
        "facts": summary.facts(records, blocks), "leaders": summary.leader_grid(found.headline),
        "commands": summary.commands(records.suite),
        "definitions": summary.definitions(found.headline), "told": summary.told(found.headline),
        "verdicts": proofs.verdict_grid(judged), "claims": proofs.claim_grid(judged),
        "unmet": proofs.unmet(judged), "scores": scores.score_grid(found.headline),
        "intervals": proofs.interval_grid(named(found.intervals, names, blocks)),
        "wins": proofs.win_grid(won),
        "matrix": further.matrix_grid(named(extras.matrix, names, blocks)),
        "families": further.family_grids(named(extras.families, names, blocks)),
        "ablation": further.ablation_grid(named(extras.ablation, names, blocks)),
        "health": further.health_grid(named(extras.health, names, blocks), blocks),
        "health_meaning": health.MEANING,
        "radius": further.radius_grid(extras.radius, blocks), "radius_meaning": radius.MEANING,
        "cards": published.card_grid(found.cards, found.sources, names),
        "failures": provenance.failure_grid(records, blocks),
        "broken": list(found.parts.failures), "left_out": provenance.left_out(blocks),
        "provenance": provenance.provenance_grid(records, names),
        "machines": list(provenance.environments(records)),
    }  # fmt: skip


def _contents(values: Values) -> list[tuple[str, str, object]]:
    return [
        ("summary", "Summary", True), ("scores-section", "Scores", True),
        ("curves-section", "Curves", values["curves"]), ("costs-section", "Costs", values["costs"]),
        ("matrix-section", "Domain matrix", values["matrix"]),
        ("families-section", "Families", values["families"]),
        ("ablation-section", "Ablations", values["ablation"]),
        ("health-section", "Code health", values["health"]),
        ("radius-section", "Hamming radius 2", values["radius"]),
        ("statistics", "Statistics", True),
        ("cards-section", "Published numbers", values["cards"]),
        ("failures-section", "Failures and gaps", True),
        ("provenance-section", "Provenance", True), ("again", "Make it again", True),
    ]  # fmt: skip


def _rows(look: Mapping[str, Look], found: Findings) -> list[Values]:
    """Return how every row looks: its name, its CSS class, its marker and dash."""
    failed = never_trained(found.blocks)
    marks = dict(zip(MARKERS, (name for name, _ in svg.markers()), strict=True))
    names = {x: found.names.row(x) + (f" ({UNTRAINED})" if x in failed else "") for x in look}
    firsts, parts = _firsts(look, found), [row.part for row in look.values() if row.part]
    return [
        {"label": names[label], "css": f"m{at}", "marker": marks[row.marker], "filled": row.filled,
         "dash": " ".join(f"{part * svg.LINE:g}" for part in row.dash) or "none", "at": at,
         "part": short_part(row.part, parts), "first": label in firsts,
         "whole": row.family == REFERENCE if row.part else None}
        for at, (label, row) in enumerate(look.items())
    ]  # fmt: skip


def _firsts(look: Mapping[str, Look], found: Findings) -> set[str]:
    """Return the rows that plots begin with: of many the best of each part, and references."""
    parts = parts_of(look, look)
    if not parts:
        return set(look)
    shown = [table.cells for table in found.headline if not table.secondary]
    scored = pd.concat(shown) if shown else pd.DataFrame({"label": [], "mean": []})
    means = scored.groupby("label")["mean"].mean().fillna(0).to_dict()
    best = {max(labels, key=lambda label: means.get(label, 0.0)) for labels in parts.values()}
    return best | {label for label, row in look.items() if row.family == REFERENCE}


def _curves(
    found: Findings, look: Mapping[str, Look], data: Values, firsts: Container[str]
) -> Values:
    groups = curves.curve_groups(found.blocks)
    data["curves"] = curves.embedded(groups, look)
    if not groups:
        return {"curves": None}
    first, blocks = groups[0], found.blocks
    panel = curves.panel(first, blocks[first.block])
    places = dict.fromkeys(group.block for group in groups)
    shown = {
        "panel": panel, "svg": svg.drawn(panel.only(firsts), look, *CURVE_SIZE),
        "width": CURVE_SIZE[0], "height": CURVE_SIZE[1],
        "grid": curves.curve_grid(first, blocks[first.block]),
    }  # fmt: skip
    return {
        "curves": shown, "kinds": list(curves.KINDS.items()),
        "curve_blocks": [(at, blocks[at].name) for at in places],
        "curve_bits": sorted({group.bits for group in groups}),
    }  # fmt: skip


def _costs(
    found: Findings, look: Mapping[str, Look], data: Values, firsts: Container[str]
) -> Values:
    blocks = found.blocks
    data["costs"] = []
    if found.extras.budgets.empty:
        return {"costs": None}
    frame = found.extras.budgets
    panels: dict[str, list[Panel]] = {}
    for block in blocks:
        mine = frame[(frame["dataset"] == block.dataset) & (frame["target"] == block.target)]
        if drawn := costs.panels(mine, block.name):
            panels[block.name] = drawn
    if not panels:  # nothing that trained
        return {"costs": None}
    places = {label: at for at, label in enumerate(look)}
    data["costs"] = [
        {"name": name, "panels": [_plain(panel, places) for panel in drawn]}
        for name, drawn in panels.items()
    ]
    first = next(iter(panels.values()))
    shown = {
        "plots": [(panel, svg.drawn(panel.only(firsts), look, *COST_SIZE)) for panel in first],
        "width": COST_SIZE[0], "height": COST_SIZE[1],
        "grid": costs.cost_grid(frame, blocks),
    }  # fmt: skip
    return {"costs": shown, "cost_blocks": list(panels)}


def _plain(panel: Panel, places: Mapping[str, int]) -> Values:
    """Return a plot as the script reads it: rows by their number."""
    plain = dataclasses.asdict(panel)
    for series in plain["series"]:
        series["m"] = places[series.pop("label")]
    return plain


def embedded(data: object) -> str:
    r"""Return plain values as JSON that can stand inside a `<script>`.

    >>> print(embedded("</script>"))
    "\u003c/script\u003e"
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_IN_SCRIPT)
