"""The domain matrix: training sets × targets, with what each code keeps of the embedding, r."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.report.blocks import Block, examined_as
from hashquant.report.evidence.queries import HEADLINE, Evidence
from hashquant.report.evidence.relative import relative
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.frame import cells
from hashquant.report.numerals import NOTHING, number, scored, within

COLUMNS = [
    "train", "target", "protocol", "single_domain", "family", "label", "bits", "mean", "sd", "n",
    "trained", "floor", "r", "r_low", "r_high", "note",
]  # fmt: skip
MEANING = (
    "r = (mAP − floor) / (uncompressed − floor) on the same target, with the uncompressed "
    "embedding of the same trunk and seeds and the mAP of a random order: a random code has 0, the "
    "uncompressed embedding 1; a code can pass 1, since quantization can remove noise"
)

Line = dict[str, Any]  # Any: one line of the frame, by column


def has_matrix(blocks: Sequence[Block]) -> bool:
    """Tell whether some training set was examined on two targets or more."""
    trained = [block.dataset for block in blocks if block.evals]
    return len(trained) > len(set(trained))


def matrix_frame(studies: Sequence[Evidence]) -> pd.DataFrame:
    """Return a line per (training set, target, row, bits).

    `floor` is the mAP of a random order; `r` says how much of the lead of the uncompressed
    embedding over it a cell has on this target, with its 95 % interval. `note` says why a cell has
    no score, or no r.
    """
    lines = [
        _place(study) | _row(study, cell)
        for study in studies
        if study.block.evals
        for cell in cells(study.block, HEADLINE).to_dict("records")
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _place(study: Evidence) -> Line:
    block = study.block
    return {
        "train": block.dataset, "target": block.target, "protocol": block.protocol,
        "single_domain": block.single_domain, "floor": study.floor(),
    }  # fmt: skip


def _row(study: Evidence, cell: Mapping[Any, Any]) -> Line:
    names = ("family", "label", "bits", "mean", "sd", "n", "trained", "note")
    line = {name: cell[name] for name in names}
    if not cell["n"] or not cell["trained"]:
        return line
    found = relative(study, (cell["label"], cell["bits"], False))
    note = "; ".join(filter(None, [cell["note"], found.note]))
    return line | {"r": found.estimate, "r_low": found.low, "r_high": found.high, "note": note}


def matrix_sheet(frame: pd.DataFrame, suite: str) -> Sheet:
    """Return the matrix as a reader sees it: a table per code length and training set."""
    ordered = frame.sort_values("bits", kind="stable")
    shown = [
        _table(f"Trained on {train}, {bits} bits", part)
        for (bits, train), part in ordered.groupby(["bits", "train"], sort=False)
    ]
    return Sheet("domain_matrix", suite, f"Domain matrix of suite {suite}", _said(frame), shown)


def _said(frame: pd.DataFrame) -> str:
    most = int(frame["n"].max()) if frame["n"].notna().any() else 0
    said = (
        "mAP over the full ranking, averaged over the orders of tied items (mean ± sd over seeds, "
        f"n = {most} unless a cell says otherwise)"
    )
    if frame["r"].isna().all():
        return f"{said}. r, which compares targets, needs `float` beside the codes."
    return (
        f"{said}; after the semicolon r with its 95 % interval (made for log r, so that it stays "
        f"above 0). {MEANING}. – where the uncompressed embedding itself is not clear of chance; "
        "without interval where the code is not."
    )


def _table(title: str, part: pd.DataFrame) -> Display:
    most = int(part["n"].max())
    targets = list(dict.fromkeys(zip(part["target"], part["protocol"], strict=True)))
    rows = []
    for label, row in part.groupby("label", sort=False):
        found = {cell["target"]: cell for cell in row.to_dict("records")}
        texts = [_cell(found.get(target, {}), most) for target, _ in targets]
        rows.append([str(label), *texts])
    heads = ["row", *(f"{protocol}: {examined_as(target)}" for target, protocol in targets)]
    return Display.of(title, rows, heads, "l" + "r" * len(targets))


def _cell(cell: Mapping[Any, Any], most: int) -> str:
    if not cell or not cell["n"]:
        return NOTHING
    kept = written(cell)
    return scored(cell, most) + (f"; {kept}" if kept else "")


def written(cell: Mapping[Any, Any]) -> str:
    """Write r of a line with its interval, as far as there are any.

    >>> written({"r": 0.5, "r_low": 0.4, "r_high": 0.61})
    'r 0.50 (0.40 … 0.61)'
    """
    if pd.isna(cell["r"]):
        return ""
    between = within(cell["r_low"], cell["r_high"], 2)
    known = between != NOTHING and cell["r_low"] < cell["r_high"]
    return f"r {number(cell['r'], 2)}" + (f" ({between})" if known else "")
