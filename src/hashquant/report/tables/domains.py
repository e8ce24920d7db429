"""The domain matrix: training sets × targets, retention, and quantization minus hashing."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hashquant.records.record import EvalRecord
from hashquant.report.blocks import Block, examined_as
from hashquant.report.evidence.contrasts import CONTROLS, main_row, retention
from hashquant.report.evidence.queries import HEADLINE, Evidence, Key
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.frame import cells
from hashquant.report.numerals import NOTHING, chance, number, scored, within
from hashquant.statistics import difference, holm, interval

#: The label of the lines that hold the signed difference of the families.
DIFFERENCE = "quantization − hashing"
SIDES = ("quantization", "hashing")
COLUMNS = [
    "train", "target", "protocol", "single_domain", "family", "label", "bits", "mean", "sd", "n",
    "retention", "retention_low", "retention_high", "difference", "difference_low",
    "difference_high", "p_value", "p_holm", "compared", "note",
]  # fmt: skip
NAN = float("nan")

Line = dict[str, Any]  # Any: one line of the frame, by column


def has_matrix(blocks: Sequence[Block]) -> bool:
    """Tell whether some training set was examined on two targets or more."""
    trained = [block.dataset for block in blocks if block.evals]
    return len(trained) > len(set(trained))


def matrix_frame(studies: Sequence[Evidence]) -> pd.DataFrame:
    """Return a line per (training set, target, row, bits), then a line per difference of families.

    `retention` is the mAP on the target divided by that of the same trained runs on the training
    set's own split, with a 95 % interval. Lines labelled `DIFFERENCE` hold the mean mAP of the
    learned quantization methods minus that of the learned hashing methods (`compared` names
    them), with interval, p-value, and p-value corrected by Holm over all such lines.
    """
    shown = [study for study in studies if study.block.evals]
    homes = {s.block.dataset: s for s in shown if s.block.single_domain and not s.block.option}
    lines = [
        _place(study.block) | _row(study, homes.get(study.block.dataset), cell)
        for study in shown
        for cell in cells(study.block, HEADLINE).to_dict("records")
    ]
    signed = [
        _place(study.block) | found
        for study in shown
        for bits in study.block.bits
        if (found := _difference(study, bits))
    ]
    tested = [line for line in signed if "p_value" in line]
    for line, p_holm in zip(tested, holm([line["p_value"] for line in tested]), strict=True):
        line["p_holm"] = p_holm
        if not shown[0].can_tell(len(tested)):
            line["note"] = "too few replicates to tell so many differences apart"
    return pd.DataFrame([*lines, *signed], columns=COLUMNS)


def _place(block: Block) -> Line:
    return {
        "train": block.dataset, "target": block.target, "protocol": block.protocol,
        "single_domain": block.single_domain,
    }  # fmt: skip


def _row(study: Evidence, home: Evidence | None, cell: Mapping[Any, Any]) -> Line:
    """Return the numbers of one cell; at home it retains what it has, which is not written."""
    line = {name: cell[name] for name in ("family", "label", "bits", "mean", "sd", "n", "note")}
    if home is study or not cell["n"]:
        return line
    key = (cell["label"], cell["bits"], False)
    found: Line = {"note": "no seen target"} if home is None else _retention(study, home, key)
    return line | found | {"note": "; ".join(filter(None, [cell["note"], found.get("note")]))}


def _retention(study: Evidence, home: Evidence, key: Key) -> Line:
    """Return mAP here / mAP at home over the runs that were examined on both targets."""
    here, there = _scores(study.block, key), _scores(home.block, key)
    runs = here.keys() & there.keys()
    if not runs:
        return {"note": "no run was also examined on the seen target"}
    base = statistics.fmean(there[run] for run in runs)
    if base <= 0:
        return {"note": "the mAP on the seen target is 0"}
    ratio = statistics.fmean(here[run] for run in runs) / base
    line: Line = {"retention": ratio}
    if _same_runs(study, home, key):
        found = interval(*retention(study, home, key))
        return line | {"retention_low": found.low, "retention_high": found.high}
    missing = study.reasons.get(key) or home.reasons.get(key)
    return line | {"note": missing or f"retention over {len(runs)} common runs, without interval"}


def _scores(block: Block, key: Key) -> dict[str, float]:
    return {
        record.run_id: score.value
        for record in block.evals
        if (record.spec.label, record.spec.bits) == key[:2]
        and (score := HEADLINE.find(record)) is not None
    }


def _same_runs(study: Evidence, home: Evidence, key: Key) -> bool:
    known = key in study.cells and key in home.cells
    return known and study.cells[key].runs == home.cells[key].runs


def _difference(study: Evidence, bits: int) -> Line:
    """Return the difference of the families at one code length, or nothing where one is missing."""
    sides = {family: _learned(study, family, bits) for family in SIDES}
    if not all(sides.values()):
        return {}
    means = {
        label: statistics.fmean(_scores(study.block, (label, bits, False)).values())
        for labels in sides.values()
        for label in labels
    }
    ours, theirs = (statistics.fmean(means[label] for label in sides[f]) for f in SIDES)
    names = " − ".join(f"({', '.join(sides[family])})" for family in SIDES)
    line: Line = {"label": DIFFERENCE, "bits": bits, "difference": ours - theirs, "compared": names}
    keys = [(label, bits, False) for label in means]
    if unknown := [key for key in keys if key not in study.cells]:
        reason = study.reasons.get(unknown[0], "no values of its queries")
        return line | {"note": f"{unknown[0][0]}: {reason}"}
    drawn = [np.mean([study.draws((x, bits, False)) for x in sides[f]], 0) for f in SIDES]
    found = difference(ours - theirs, drawn[0] - drawn[1])
    return line | {
        "difference_low": found.low, "difference_high": found.high, "p_value": found.p_value,
    }  # fmt: skip


def _learned(study: Evidence, family: str, bits: int) -> list[str]:
    """Return the main rows of the methods that learn their code with the network."""
    evals: list[EvalRecord] = [r for r in study.block.evals if r.spec.bits == bits]
    fitted = {record.spec.method for record in evals if record.spec.base}
    methods = {record.spec.method for record in evals} - fitted - {*CONTROLS}
    main = {main_row(study, method) for method in methods}
    scored = {record.spec.label for record in evals if HEADLINE.find(record) is not None}
    return sorted(r for r in main & scored if study.block.families[r] == family)


def matrix_sheet(frame: pd.DataFrame, suite: str) -> Sheet:
    """Return the matrix as a reader sees it: per code length and training set, then differences."""
    rows = frame[frame["label"] != DIFFERENCE].sort_values("bits", kind="stable")
    shown = [
        _table(f"Trained on {train}, {bits} bits", part)
        for (bits, train), part in rows.groupby(["bits", "train"], sort=False)
    ]
    signed = frame[frame["label"] == DIFFERENCE].sort_values("bits", kind="stable")
    shown += [_signed(signed)] if len(signed) else []
    title = f"Domain matrix of suite {suite}"
    return Sheet("domain_matrix", suite, title, _said(frame), shown)


def _said(frame: pd.DataFrame) -> str:
    most = int(frame["n"].max()) if frame["n"].notna().any() else 0
    tests = int(frame["p_holm"].notna().sum())
    said = (
        "mAP over the full ranking, expected over ties (mean ± sd over seeds, "
        f"n = {most} unless a cell says otherwise); after the semicolon retention, the mAP divided "
        "by that of the same trained runs on the training set's own split, with its 95 % interval "
        "(bootstrap over identities and seeds, the ratio linearised)."
    )
    if tests:
        said += (
            " Differences are paired over identities; p-values are corrected by Holm over all "
            f"{tests} of them."
        )
    return said


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
    text = scored(cell, most)
    if np.isnan(cell["retention"]):
        return text
    between = within(cell["retention_low"], cell["retention_high"], 2)
    return f"{text}; {number(cell['retention'], 2)} ({between})"


def _signed(signed: pd.DataFrame) -> Display:
    rows = [
        [str(row["bits"]), row["train"], examined_as(row["target"]), row["protocol"],
         number(row["difference"], sign=True),
         within(row["difference_low"], row["difference_high"], sign=True),
         chance(row["p_value"]), chance(row["p_holm"]), row["compared"],
         "" if pd.isna(row["note"]) else row["note"]]
        for row in signed.to_dict("records")
    ]  # fmt: skip
    heads = ["bits", "trained on", "examined on", "protocol", "difference", "95 % interval", "p",
             "p (Holm)", "of", "note"]  # fmt: skip
    title = "Quantization − hashing, learned methods"
    return Display.of(title, rows, heads, "rlllrrrrll", keys=3)
