"""Reproduction cards: what a paper published beside what was measured, and what sets them apart."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hashquant.records.record import EvalRecord, Score, TrainRecord
from hashquant.report.cards._departures import Departures, departures
from hashquant.report.cards.readings import READINGS
from hashquant.report.evidence.queries import HEADLINE, Evidence
from hashquant.report.frame import SECONDARY, Metric
from hashquant.report.tables.budgets import stored_cells
from hashquant.settings.reference import Claim, Sources
from hashquant.settings.suite import RunSpec

REPRODUCED, WITHIN, NOT_COMPARABLE = "reproduced", "within", "not comparable"
NO_FIGURE, NOT_MEASURED = "no figure found", "not measured"
NAN = float("nan")
COLUMNS = [
    "method", "label", "dataset", "target", "bits", "metric", "published", "precision",
    "read_from", "measured_by", "source", "protocol", "measured", "sd", "low", "high", "n",
    "comparison", "verdict", "distance", "differs", "not_stated", "note",
]  # fmt: skip

Line = dict[str, Any]  # Any: one line of the frame, by column


@dataclass(frozen=True, eq=False)
class _Cell:
    """One row and code length of a block: its records of all seeds, or why there is none."""

    evidence: Evidence
    spec: RunSpec
    bits: int
    records: Sequence[EvalRecord] = ()
    reason: str = ""

    @property
    def place(self) -> Line:
        block = self.evidence.block
        return {"method": self.spec.method, "label": self.spec.label, "dataset": block.dataset,
                "target": block.target, "bits": self.bits}  # fmt: skip

    def matches(self, claim: Claim) -> bool:
        """Tell whether a claim is of this data set, target and length, and of these settings."""
        block = self.evidence.block
        asked = claim.dataset, claim.target or claim.dataset, claim.bits
        changed = {*self.spec.overrides, *(["prefix"] if self.spec.prefix else [])}
        own = changed <= set(claim.settings) and not self.spec.head_only
        return own and asked == (block.dataset, block.target, self.bits)


def cards_frame(
    studies: Sequence[Evidence], sources: Sources, trains: Sequence[TrainRecord]
) -> pd.DataFrame:
    """Return a line per cell and number published of it; one line where none was found.

    Rows that change a method's settings have a line only where a number was published for these
    settings. `published` is what the source says, `measured` (mean over seeds, with sd and the
    95 % interval) what the records hold; `distance` is measured - published where both mean the
    same.
    """
    runs = {train.run_id: train for train in trains}
    lines: list[Line] = []
    for cell in _cells(studies, trains):
        paper = sources.methods.get(cell.spec.method)
        found = [claim for claim in paper.claims if cell.matches(claim)] if paper else []
        lines += [_card(cell, claim, runs) for claim in found]
        spec = cell.spec
        if not found and not (spec.overrides or spec.head_only or spec.prefix):
            lines.append(_without_figure(cell, sources))
    return pd.DataFrame(lines, columns=COLUMNS)


def _cells(studies: Sequence[Evidence], trains: Sequence[TrainRecord]) -> Iterator[_Cell]:
    specs = {train.spec.label: train.spec for train in trains}
    for evidence in studies:
        scored = stored_cells(evidence.block)
        for (_, bits), records in scored.items():
            yield _Cell(evidence, records[0].spec, bits, records)
        seeds: dict[tuple[str, int], str] = {}
        for gap in evidence.block.gaps:
            seeds.setdefault((gap.label, gap.bits), gap.reason)
        named = {label for label, _ in scored} & {
            label for label, family in evidence.block.families.items() if family == "reference"
        }
        for (label, bits), reason in seeds.items():
            if (label, bits) not in scored and label not in named:
                yield _Cell(evidence, specs[label], bits, (), reason)


def _without_figure(cell: _Cell, sources: Sources) -> Line:
    note = cell.reason or sources.missing.get(cell.spec.method, "")
    return cell.place | {
        "metric": str(HEADLINE), "published": NAN, "precision": NAN, "verdict": NO_FIGURE,
        "distance": NAN, "note": note, **_measured(cell, None),
    } | dict.fromkeys(("read_from", "measured_by", "source", "protocol", "differs",
                       "not_stated"), "")  # fmt: skip


def _card(cell: _Cell, claim: Claim, runs: Mapping[str, TrainRecord]) -> Line:
    found = _measured(cell, claim)
    line = cell.place | {"metric": claim.metric, "published": claim.value} | found
    for name in ("precision", "read_from", "measured_by", "source", "protocol"):
        line[name] = getattr(claim, name)
    if not found["n"]:
        why = cell.reason or f"no {claim.metric} of that definition is stored"
        return line | {"verdict": NOT_MEASURED, "distance": NAN, "differs": "", "not_stated": "",
                       "note": why}  # fmt: skip
    first = cell.records[0]
    apart = departures(claim, first, runs.get(first.run_id), _score(first, claim))
    return line | _judged(line, apart)


def _judged(line: Line, apart: Departures) -> Line:
    distance = line["measured"] - line["published"] if apart.comparable else NAN
    verdict = _agreement(line) if apart.comparable else NOT_COMPARABLE
    return {
        "verdict": verdict,
        "distance": distance,
        "differs": "; ".join(apart.differs),
        "not_stated": ", ".join(apart.not_stated),
        "note": "",
    }


def _agreement(line: Line) -> str:
    """Say whether the measured interval, or the mean without one, meets what was published."""
    known = not math.isnan(line["low"])
    low, high = (line[end if known else "measured"] for end in ("low", "high"))
    least, most = (line["published"] + sign * line["precision"] for sign in (-1, 1))
    return REPRODUCED if low <= most and least <= high else WITHIN


def _measured(cell: _Cell, claim: Claim | None) -> Line:
    """Return mean, sd, interval, seeds and comparison of what a claim speaks of, else of mAP."""
    values = [value for record in cell.records if (value := _value(record, claim)) is not None]
    score = _score(cell.records[0], claim) if cell.records else None
    headline = claim is None or _beside(claim) == HEADLINE
    line: Line = {
        "measured": statistics.fmean(values) if values else NAN,
        "sd": statistics.stdev(values) if len(values) > 1 else NAN,
        "low": NAN, "high": NAN, "n": len(values),
        "comparison": score.comparison if score else "",
    }  # fmt: skip
    if headline and score:
        key = cell.spec.label, cell.records[0].spec.bits, score.comparison in SECONDARY
        if key in cell.evidence.cells:
            found = cell.evidence.interval(key)
            line |= {"low": found.low, "high": found.high}
    return line


def _value(record: EvalRecord, claim: Claim | None) -> float | None:
    reading = READINGS.get(claim.metric) if claim else None
    if reading and reading.read:
        return reading.read(record.curves[0]) if record.curves else None
    score = _score(record, claim)
    return score.value if score else None


def _score(record: EvalRecord, claim: Claim | None) -> Score | None:
    """Return the score that a claim speaks of, by its definition where the claim gives it."""
    if claim is None:
        return HEADLINE.find(record)
    wanted = _beside(claim)
    if wanted is None:
        return None
    plain = wanted.find(record)
    asked = [
        score
        for score in record.scores
        if (score.metric.lower(), score.cutoff) == (wanted.name.lower(), wanted.cutoff)
        and score.ties in ("expected", "")
        and claim.denominator in ("", score.denominator)
        and claim.comparison in ("", score.comparison)
    ]
    return plain if plain in asked else next(iter(asked), None)


def _beside(claim: Claim) -> Metric | None:
    """Return the metric that stands beside a published number, None where it is a curve."""
    reading = READINGS.get(claim.metric)
    if reading is None:
        return Metric.parse(claim.metric)
    return None if reading.read else HEADLINE
