"""Learned quantization against learned hashing: best against best, and every pair of rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from hashquant.report.blocks import examined_as
from hashquant.report.evidence.families import FAMILIES, best_against_best, sides
from hashquant.report.evidence.queries import ALPHA, Evidence
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.numerals import chance, number, within
from hashquant.statistics import difference, simultaneous

#: What a line compares: the best of each family, chosen without looking, or one pair of rows.
BEST, PAIR = "best quantizer − best hash", "pair"
COLUMNS = ["train", "target", "protocol", "single_domain", "bits", "kind", "quantization",
           "hashing", "difference", "low", "high", "p_adjusted", "note"]  # fmt: skip

Line = dict[str, Any]  # Any: one line of the frame, by column
Drawn = tuple[float, Any]  # Any: replicates (b,)


def families_frame(studies: Sequence[Evidence]) -> pd.DataFrame:
    """Return the differences of learned quantization and learned hashing, a line each.

    Of every block and code length: the best of each family against each other (`BEST`; chosen on
    half of the identities, compared on the others, each half in turn), then every pair of rows
    (`PAIR`). Intervals are simultaneous over all lines of one kind.
    """
    best, pairs = list(_best(studies)), list(_pairs(studies))
    return pd.DataFrame([*_judged(best, studies), *_judged(pairs, studies)], columns=COLUMNS)


def _best(studies: Sequence[Evidence]) -> Iterator[tuple[Line, Drawn]]:
    for study in studies:
        for bits in study.block.bits:
            if (found := best_against_best(study, bits)) is not None:
                line = _place(study, bits) | {"kind": BEST} | dict(found.names)
                yield line, (found.estimate, found.replicates)


def _pairs(studies: Sequence[Evidence]) -> Iterator[tuple[Line, Drawn]]:
    for study in studies:
        for bits in study.block.bits:
            rows = sides(study, bits)
            for ours in rows[FAMILIES[0]]:
                for theirs in rows[FAMILIES[1]]:
                    keys = (ours, bits, False), (theirs, bits, False)
                    means, draws = map(study.mean, keys), map(study.draws, keys)
                    line = {"kind": PAIR, FAMILIES[0]: ours, FAMILIES[1]: theirs}
                    estimate, replicates = next(means) - next(means), next(draws) - next(draws)
                    yield _place(study, bits) | line, (estimate, replicates)


def _place(study: Evidence, bits: int) -> Line:
    block = study.block
    return {
        "train": block.dataset, "target": block.target, "protocol": block.protocol,
        "single_domain": block.single_domain, "bits": bits,
    }  # fmt: skip


def _judged(found: Sequence[tuple[Line, Drawn]], studies: Sequence[Evidence]) -> list[Line]:
    drawn = [contrast for _, contrast in found]
    enough = not found or studies[0].can_tell(len(found))
    judged = simultaneous(drawn, ALPHA) if enough else [difference(*one) for one in drawn]
    note = "" if enough else "interval of this line alone: too few replicates for all together"
    return [
        line | {"difference": one.estimate, "low": one.low, "high": one.high, "note": note}
        | {"p_adjusted": one.p_value if enough else float("nan")}
        for (line, _), one in zip(found, judged, strict=True)
    ]  # fmt: skip


def with_best(frame: pd.DataFrame, families: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of a matrix, and best against best as one more row of each training set."""
    best = families[(families["kind"] == BEST) & families["train"].isin(frame["train"])]
    if best.empty:
        return frame.assign(difference=float("nan"))
    return pd.concat([frame, best.assign(label=BEST, trained=True)], ignore_index=True)


def families_sheet(frame: pd.DataFrame, suite: str) -> Sheet:
    """Return the differences as a reader sees them: best against best, then all pairs."""
    best, pairs = (frame[frame["kind"] == kind] for kind in (BEST, PAIR))
    intro = (
        "Differences of mAP between learned quantizers and learned hashes, above 0 where the "
        "quantizer is better. The best of each family is chosen on half of the identities and "
        "compared on the others, each half in turn, so that no query both chooses and compares; "
        "what did not train takes no part. Intervals are simultaneous, 95 % for all "
        f"{len(best)} lines of the first table and for all {len(pairs)} of the second (Bonferroni)."
    )
    tables = [("Best quantizer − best hash", best), ("All pairs", pairs)]
    shown = [_table(title, part) for title, part in tables if len(part)]
    return Sheet("families", suite, f"Families, suite {suite}", intro, shown)


def _table(title: str, part: pd.DataFrame) -> Display:
    rows = [
        [str(row["bits"]), row["train"], examined_as(row["target"]), row["protocol"],
         row["quantization"], row["hashing"], number(row["difference"], sign=True),
         within(row["low"], row["high"], sign=True), chance(row["p_adjusted"]), row["note"]]
        for row in part.to_dict("records")
    ]  # fmt: skip
    heads = ["bits", "trained on", "examined on", "protocol", "quantizer", "hash", "difference",
             "interval", "p (adjusted)", "note"]  # fmt: skip
    return Display.of(title, rows, heads, "rlllllrrrl", keys=3)
