"""From records to pandas frames: every score in long form, and the cells of a table."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hashquant.errors import UsageError, unknown_name
from hashquant.records.record import EvalRecord, Score
from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.rows import seed_reasons

#: Comparisons that stand in a table of their own; every other one is a method's headline.
SECONDARY = ("asymmetric-hamming", "sdc")
#: Which denominator a table takes where a score was stored with several: the one of least place.
PREFERRED = {"min(R,relevant)": 0, "relevant": 1, "k": 2, "": 3}
#: Decimals a table shows; what reads equal is marked equal.
DECIMALS = 4
NOT_RUN = "not run"
#: What the name of a metric begins with where smaller is better (queries with an empty ball).
LOWER_IS_BETTER = ("empty",)


@dataclass(frozen=True)
class Metric:
    """A score's name and cutoff, as a user writes it: `mAP`, `mAP@1000`, `precision@10`."""

    name: str
    cutoff: int = 0

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Read a metric's name.

        >>> Metric.parse("mAP@1000")
        Metric(name='mAP', cutoff=1000)

        Raises:
            UsageError: if what follows the @ is no whole number.
        """
        name, at, cutoff = text.partition("@")
        if at and not cutoff.isdecimal():
            raise UsageError(f"metric must be a name or name@cutoff, got '{text}'")
        return cls(name, int(cutoff or 0))

    def __str__(self) -> str:
        return f"{self.name}@{self.cutoff}" if self.cutoff else self.name

    def find(self, record: EvalRecord, *, secondary: bool = False) -> Score | None:
        """Return this metric's tie-expected score of a record, or None if it has none."""
        name = self.name.lower()
        # The cheapest question first: a record holds dozens of scores.
        found = [
            score
            for score in record.scores
            if score.cutoff == self.cutoff
            and score.ties in ("expected", "")
            and (score.comparison in SECONDARY) == secondary
            and score.metric.lower() == name
        ]
        return min(found, key=lambda s: PREFERRED.get(s.denominator, len(PREFERRED)), default=None)


def check_metric(metric: Metric, records: SuiteRecords) -> None:
    """Refuse a metric that no record holds.

    Raises:
        UsageError: naming the nearest metric that is stored.
    """
    pairs = {(score.metric, score.cutoff) for r in records.evals for score in r.scores}
    stored = {str(Metric(*pair)) for pair in pairs}
    if records.evals and str(metric).lower() not in {name.lower() for name in stored}:
        raise unknown_name("metric", str(metric), stored)


def cells(block: Block, metric: Metric, *, secondary: bool = False) -> pd.DataFrame:
    """Return the cells of a block's table: one row per (row, bits), in reading order.

    Columns: family, label, bits, mean and sd over seeds (sd is missing for one seed), n (seeds),
    comparison, trained and competes (bool: what did not train and references are never best),
    rank (1 best, 2 second, 0 neither) and note (why scores are missing, or ""); low and high (95 %
    interval), compared, undecided and undecided_people (bool), empty until `judged` fills them.
    """
    stats = means(block, metric, secondary=secondary)
    labels: Iterable[str] = {label for label, _ in stats} if secondary else block.families
    ordered = sorted(labels, key=block.place)
    notes = _notes(block, metric)
    rows = []
    for label in ordered:
        for bits in block.bits:
            values = stats.get((label, bits))
            note = notes.get((label, bits), "" if values else NOT_RUN)
            rows.append(
                {"family": block.families[label], "label": label, "bits": bits}
                | (values or {"mean": float("nan"), "sd": float("nan"), "n": 0, "comparison": ""})
                | {"trained": (label, bits) not in block.untrained}
                | {"competes": block.competes(label, bits), "note": note}
            )
    columns = ["family", "label", "bits", "mean", "sd", "n", "comparison", "trained", "competes",
               "note"]  # fmt: skip
    # A mask without a line must stay a mask: pandas takes one of objects for names of columns.
    frame = pd.DataFrame(rows, columns=columns).astype({"trained": bool, "competes": bool})
    frame["rank"] = _ranks(frame, metric)
    return frame.assign(low=float("nan"), high=float("nan"), compared=False, undecided=False,
                        undecided_people=False)  # fmt: skip


def means(
    block: Block, metric: Metric, *, secondary: bool = False
) -> dict[tuple[str, int], dict[str, float | int | str]]:
    """Return mean, sd (missing for one seed), n and comparison of every scored (label, bits)."""
    found: dict[tuple[str, int], list[Score]] = defaultdict(list)
    for record in block.evals:
        if (score := metric.find(record, secondary=secondary)) is not None:
            found[record.spec.label, record.spec.bits].append(score)
    return {cell: _mean_sd(scores) for cell, scores in found.items()}


def _mean_sd(scores: Sequence[Score]) -> dict[str, float | int | str]:
    values = [score.value for score in scores]
    return {
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else float("nan"),
        "n": len(values),
        "comparison": scores[0].comparison,
    }


def _notes(block: Block, metric: Metric) -> dict[tuple[str, int], str]:
    reasons: dict[tuple[str, int], dict[str, list[int]]] = {}
    for gap in block.gaps:
        reasons.setdefault((gap.label, gap.bits), {}).setdefault(gap.reason, []).append(gap.seed)
    scored: set[tuple[str, int]] = set()
    for record in block.evals:
        cell = record.spec.label, record.spec.bits
        if metric.find(record) is None:
            reasons.setdefault(cell, {}).setdefault(f"no {metric} is stored", []).append(
                record.spec.seed
            )
        else:
            scored.add(cell)
    notes = {cell: seed_reasons(why, named=cell in scored) for cell, why in reasons.items()}
    for cell, why in block.untrained.items():
        notes[cell] = "; ".join(filter(None, [notes.get(cell, ""), why]))
    return notes


def _ranks(frame: pd.DataFrame, metric: Metric) -> "pd.Series[int]":
    """Return 1 for the best of each code length that competes, and 2 for the second."""
    lower = metric.name.lower().startswith(LOWER_IS_BETTER)
    ranks = pd.Series(0, index=frame.index, dtype="int64")
    rivals = frame[frame["competes"] & frame["mean"].notna()]
    for _, part in rivals.groupby("bits"):
        if len(part) > 1:
            place = part["mean"].round(DECIMALS).rank(method="dense", ascending=lower)
            ranks.loc[place.index[place == 1]] = 1
            ranks.loc[place.index[place == 2]] = 2
    return ranks


def scores_frame(records: SuiteRecords) -> pd.DataFrame:
    """Return every score of every examination in long form: one row, one number, all it depends on.

    Seconds, parameters and code health are in `health_frame`.
    """
    rows = [
        _cell(records.suite, record)
        | {
            "metric": score.metric,
            "cutoff": score.cutoff,
            "denominator": score.denominator,
            "ties": score.ties,
            "comparison": score.comparison,
            "value": score.value,
        }
        | _counts(record)
        for record in records.evals
        for score in record.scores
    ]
    columns = [
        *CELL_COLUMNS, "metric", "cutoff", "denominator", "ties", "comparison", "value",
        *COUNT_COLUMNS,
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def health_frame(records: SuiteRecords) -> pd.DataFrame:
    """Return the named plain numbers of every record in long form: code health, timing and cost.

    `kind` is "health", "timing" (of the examination), "training" (timing of the training run) or
    "cost".
    """
    rows = []
    for record in records.evals:
        cost = {"code_bits": record.cost.code_bits, "code_bytes": record.cost.code_bytes,
                "codebook_bytes": record.cost.codebook_bytes,
                "trunk_parameters": record.cost.trunk_parameters,
                "head_parameters": record.cost.head_parameters}  # fmt: skip
        named = {"health": record.health, "timing": record.timing, "cost": cost}
        cell = _cell(records.suite, record) | {"run_id": record.run_id}
        for kind, values in named.items():
            rows += [cell | {"kind": kind, "name": k, "value": v} for k, v in values.items()]
    for train in records.trains:
        cell = _spec_columns(records.suite, train.spec.dataset, train.spec.method)
        cell |= {"label": train.spec.label, "bits": train.spec.bits, "seed": train.spec.seed}
        cell |= {"run_id": train.run_id, "kind": "training"}
        rows += [cell | {"name": k, "value": v} for k, v in train.timing.items()]
    return pd.DataFrame(rows, columns=[*CELL_COLUMNS, "kind", "name", "value", "run_id"])


CELL_COLUMNS = ("suite", "dataset", "target", "protocol", "method", "label", "bits", "seed")
COUNT_COLUMNS = ("queries", "excluded", "gallery", "code_bits", "code_bytes", "codebook_bytes",
                 "run_id", "split_digest", "comparability_key")  # fmt: skip


def _spec_columns(suite: str, dataset: str, method: str) -> dict[str, object]:
    return {"suite": suite, "dataset": dataset, "target": "", "protocol": "", "method": method}


def _cell(suite: str, record: EvalRecord) -> dict[str, object]:
    spec = record.spec
    return _spec_columns(suite, spec.dataset, spec.method) | {
        "target": record.target,
        "protocol": record.protocol,
        "label": spec.label,
        "bits": spec.bits,
        "seed": spec.seed,
    }


def _counts(record: EvalRecord) -> dict[str, object]:
    return {
        "queries": record.queries,
        "excluded": record.queries_excluded,
        "gallery": record.gallery,
        "code_bits": record.cost.code_bits,
        "code_bytes": record.cost.code_bytes,
        "codebook_bytes": record.cost.codebook_bytes,
        "run_id": record.run_id,
        "split_digest": record.split_digest,
        "comparability_key": record.comparability_key,
    }
