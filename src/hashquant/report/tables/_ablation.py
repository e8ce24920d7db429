"""What each part of a method is worth: its variants beside its own row, with intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.evidence.queries import HEADLINE, Evidence
from hashquant.report.evidence.relative import main_row
from hashquant.report.forms.display import Display, Sheet, per_block
from hashquant.report.frame import cells
from hashquant.report.numerals import chance, number, scored, within
from hashquant.statistics import holm

COLUMNS = [
    "train", "target", "protocol", "method", "default", "label", "bits", "mean", "sd", "n",
    "difference", "low", "high", "p_value", "p_holm", "note",
]  # fmt: skip

Line = dict[str, Any]  # Any: one line of the frame, by column


def ablation_frame(studies: Sequence[Evidence]) -> pd.DataFrame:
    """Return a line per (block, row, bits) of every method that has several rows in a block.

    `default` is the method's row that changes least; every other one has its `difference` to it
    at the same code length, paired over identities, with a 95 % interval where the queries of
    both are known. `p_holm` is corrected by Holm over the block.
    """
    lines = []
    for study in studies:
        found = _block_lines(study)
        tested = [line for line in found if "p_value" in line]
        for line, p_holm in zip(tested, holm([line["p_value"] for line in tested]), strict=True):
            line["p_holm"] = p_holm
        lines += found
    return pd.DataFrame(lines, columns=COLUMNS)


def _block_lines(study: Evidence) -> list[Line]:
    scored = cells(study.block, HEADLINE).to_dict("records")
    rows: dict[str, set[str]] = {}
    for record in study.block.evals:
        rows.setdefault(record.spec.method, set()).add(record.spec.label)
    lines = []
    for method in sorted(method for method, labels in rows.items() if len(labels) > 1):
        default = main_row(study, method)
        mine = [cell for cell in scored if cell["label"] in rows[method]]
        means = {cell["bits"]: cell["mean"] for cell in mine if cell["label"] == default}
        place = {"train": study.block.dataset, "target": study.block.target}
        place |= {"protocol": study.block.protocol, "method": method, "default": default}
        # The default comes first, whatever the order of names.
        for cell in sorted(mine, key=lambda cell: bool(cell["label"] != default)):
            shown = {name: cell[name] for name in ("label", "bits", "mean", "sd", "n", "note")}
            lines.append(place | shown | _compared(study, cell, default, means[cell["bits"]]))
    return lines


def _compared(study: Evidence, cell: Mapping[Any, Any], default: str, mean: float) -> Line:
    """Return the difference of a cell to the default's of that length, and what is known of it."""
    key, base = (cell["label"], cell["bits"], False), (default, cell["bits"], False)
    if key == base or not cell["n"]:
        return {}
    if math.isnan(mean):
        return {"note": f"{default}: no score at {cell['bits']} bits"}
    if not {key, base} <= study.cells.keys():
        reason = study.reasons.get(key) or f"{default}: {study.reasons.get(base)}"
        return {"difference": cell["mean"] - mean, "note": reason}
    found = study.difference(key, base)
    return {
        "difference": found.estimate, "low": found.low, "high": found.high,
        "p_value": found.p_value,
    }  # fmt: skip


def ablation_sheet(frame: pd.DataFrame, blocks: Sequence[Block], suite: str) -> Sheet:
    """Return the ablations as a reader sees them: a table per block."""
    intro = (
        "mAP (mean ± sd over seeds) of a method's variants, and the difference to its own row, "
        "which is named as default: paired bootstrap over identities and seeds (over identities "
        "alone where there is 1 seed), 95 % interval, p-values corrected by Holm over all "
        "differences of a table."
    )
    shown = per_block(frame, blocks, _table, train="train")
    return Sheet("ablation", suite, f"Ablations of suite {suite}", intro, shown)


def _table(title: str, mine: pd.DataFrame) -> Display:
    most = int(mine["n"].max())
    rows = [
        [line["label"] + (" (default)" if line["label"] == line["default"] else ""),
         str(line["bits"]), scored(line, most), number(line["difference"], sign=True),
         within(line["low"], line["high"], sign=True), chance(line["p_holm"]), line["note"] or ""]
        for line in mine.to_dict("records")
    ]  # fmt: skip
    heads = ["row", "bits", f"mAP (n = {most})", "difference", "95 % interval", "p (Holm)", "note"]
    return Display.of(title, rows, heads, "lrrrrrl", keys=2)
