"""The domain matrix, the families, ablations and codes as tables of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.report.blocks import Block, examined_as
from hashquant.report.numerals import NOTHING, chance, number, spread, within
from hashquant.report.page._grid import Cell, Column, Grid, cells
from hashquant.report.rows import UNTRAINED
from hashquant.report.tables.codes.health import CENTERS, NAMES, between_centers
from hashquant.report.tables.codes.radius import HEADS, radius_lines, radius_text
from hashquant.report.tables.domains import MEANING, written
from hashquant.report.tables.families import BEST, PAIR

Line = Mapping[Any, Any]  # Any: one line of a frame, by column
DECIMALS = {"perplexity": 1, "distinct_codes": 1, "dead_codewords": 1}
#: What a table of code health shows; the share of distinct codes stands behind their number.
SHOWN = tuple(n for n in NAMES if n != "distinct_fraction" and not n.startswith("center"))


def matrix_grid(frame: pd.DataFrame) -> Grid | None:
    """Return the domain matrix, or nothing where no training set has several targets."""
    if frame.empty:
        return None
    targets = list(dict.fromkeys(zip(frame["target"], frame["protocol"], strict=True)))
    heads = [
        Column("trained on", filtered=True), Column("bits", True, filtered=True),
        Column("method", rows=True),
        *(Column(f"{protocol}: {examined_as(target)}", True) for target, protocol in targets),
    ]  # fmt: skip
    most = float(frame["mean"].max())
    rows = []
    for (train, bits, label), part in frame.groupby(["train", "bits", "label"], sort=False):
        by = {(cell["target"], cell["protocol"]): cell for cell in part.to_dict("records")}
        row = [*cells((train, bits)), Cell(str(label), "row")]
        rows.append([*row, *(_scored(by.get(target), most) for target in targets)])
    first = {"trained on": rows[0][0].text, "bits": rows[0][1].text}
    caption = (
        "mAP of each training set on each target, darker is higher. Second line: "
        f"{MEANING}; with its 95 % interval."
    )
    return Grid("matrix", caption, heads, rows, first)


def _scored(cell: Line | None, most: float) -> Cell:
    if cell is None:
        return Cell("")
    if not cell["n"]:
        return Cell(NOTHING, small=str(cell["note"] or ""))
    if not cell["trained"]:
        return Cell(spread(cell["mean"], cell["sd"]), "untrained", small=UNTRAINED)
    share = cell["mean"] / most if most > 0 else 0.0
    return Cell(spread(cell["mean"], cell["sd"]), small=written(cell), heat=round(share, 3))


def family_grids(frame: pd.DataFrame) -> list[Grid]:
    """Return best against best, and all pairs, where both families have a learned method."""
    said = {
        BEST: "Best learned quantizer − best learned hash, each chosen on half of the identities "
        "and compared on the others, each half in turn.",
        PAIR: "Every learned quantizer − every learned hash.",
    }
    return [
        _families(kind, caption, frame[frame["kind"] == kind])
        for kind, caption in said.items()
        if (frame["kind"] == kind).any()
    ]


def _families(kind: str, caption: str, frame: pd.DataFrame) -> Grid:
    heads = [
        Column("bits", True, filtered=True), Column("trained on", filtered=True),
        Column("examined on", rows=True, filtered=True), Column("protocol", filtered=True),
        Column("quantizer", filtered=True), Column("hash", filtered=True),
        Column("difference", True), Column("interval", True), Column("p\u00a0(adjusted)", True),
        Column("note"),
    ]  # fmt: skip
    rows = [
        [*cells((line["bits"], line["train"])), Cell(examined_as(line["target"]), "row"),
         *cells((line["protocol"], line["quantization"], line["hashing"],
                 number(line["difference"], sign=True),
                 within(line["low"], line["high"], sign=True), chance(line["p_adjusted"]))),
         Cell(_note(line), "quiet")]
        for line in frame.to_dict("records")
    ]  # fmt: skip
    name = "families" if kind == BEST else "pairs"
    together = f"{caption} Intervals are simultaneous, 95 % for all {len(rows)} lines together."
    return Grid(name, together, heads, rows)


def ablation_grid(frame: pd.DataFrame) -> Grid | None:
    """Return every variant beside its method's own row, or nothing without variants."""
    if frame.empty:
        return None
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("bits", True, filtered=True), Column("row", rows=True, filtered=True),
        Column("mAP", True), Column("difference", True), Column("95 % interval", True),
        Column("p\u00a0(Holm)", True), Column("note"),
    ]  # fmt: skip
    rows = []
    for line in frame.to_dict("records"):
        default = line["label"] == line["default"]
        texts = (
            spread(line["mean"], line["sd"]), number(line["difference"], sign=True),
            within(line["low"], line["high"], sign=True), chance(line["p_holm"]),
        )  # fmt: skip
        note = "default" if default else _note(line)
        place = (line["train"], examined_as(line["target"]), line["bits"])
        rows.append([*cells(place), Cell(line["label"], "row"), *cells(texts), Cell(note, "quiet")])
    caption = "Variants of a method, and the paired difference of each to the method's own row."
    return Grid("ablation", caption, heads, rows, search=True)


def health_grid(frame: pd.DataFrame, blocks: Sequence[Block]) -> Grid | None:
    """Return the code health of every cell, or nothing where none is stored."""
    if frame.empty:
        return None
    apart = bool(frame["center_distance_min"].notna().any())
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("method", rows=True, filtered=True), Column("bits", True, filtered=True),
        Column("mAP", True), *(Column(name.replace("_", " "), True) for name in SHOWN),
        *([Column(CENTERS, True)] if apart else []), Column("tied pairs", True),
    ]  # fmt: skip
    rows = [
        [*cells((line["dataset"], examined_as(line["target"]))), Cell(line["label"], "row"),
         *cells((f"{line['bits']:,}", spread(line["mean"], line["sd"]))),
         *cells(_health(line, name) for name in SHOWN),
         *cells([between_centers(line)] if apart else []), *cells([number(line["tied_pairs"])])]
        for line in frame.to_dict("records")
    ]  # fmt: skip
    first = {"trained on": blocks[0].trained, "examined on": blocks[0].examined}
    return Grid("health", "How well the codes of the gallery are used.", heads, rows, first)


def _health(line: Line, name: str) -> str:
    value = line[name]
    whole = name in ("distinct_codes", "dead_codewords") and value % 1 == 0
    text = f"{value:,.0f}" if whole else number(value, DECIMALS.get(name, 3), grouped=True)
    if name == "distinct_codes" and line["distinct_fraction"] >= 0:
        return f"{text} ({number(100 * line['distinct_fraction'], 1)} %)"
    if name == "perplexity" and value >= 0:
        return f"{text} of {line['codewords']}"
    return text


def radius_grid(frame: pd.DataFrame, blocks: Sequence[Block]) -> Grid | None:
    """Return what lies within Hamming radius 2, or nothing where no row has a Hamming code."""
    if frame.empty:
        return None
    heads = [
        Column("trained on", filtered=True), Column("examined on", filtered=True),
        Column("family", filtered=True), Column("method", rows=True, filtered=True),
        Column("bits", True, filtered=True), *(Column(head, True) for head in HEADS.values()),
        Column("seeds", True), Column("note"),
    ]  # fmt: skip
    shown = [block for block in blocks if len(radius_lines(frame, block))]
    rows = [
        _ball(block, line)
        for block in shown
        for line in radius_lines(frame, block).to_dict("records")
    ]
    first = {"trained on": shown[0].trained, "examined on": shown[0].examined}
    caption = "What lies within Hamming radius 2 of the queries; ± standard deviation over seeds."
    return Grid("radius", caption, heads, rows, first)


def _ball(block: Block, line: Line) -> list[Cell]:
    label, css = line["label"], "" if line["trained"] else "untrained"
    return [
        *cells((block.trained, block.examined, block.section(label))),
        Cell(block.names.row(label), "row"), Cell(str(line["bits"])),
        *(Cell(radius_text(line, name, line["n"]), css) for name in HEADS),
        Cell(str(line["n"])), Cell(line["note"], "quiet"),
    ]  # fmt: skip


def _note(line: Line) -> str:
    return "" if pd.isna(line["note"]) else str(line["note"])
