"""Each claim with estimate, interval and computed verdict, on the records of one suite."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from hashquant.report.evidence._contrasts import Contrast
from hashquant.report.evidence.claimlist import CLAIMS, Claim
from hashquant.report.evidence.queries import ALPHA, Evidence
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.numerals import chance, number, within
from hashquant.settings.names import IDENTITIES
from hashquant.statistics import simultaneous

NO_RECORDS = "no records"
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED)
COLUMNS = ["claim", "hypothesis", "where", "compared", "bits", "seeds", "estimate", "low", "high",
           "p_adjusted", "verdict", "needs"]  # fmt: skip
#: What covers together in the file of one suite.
TOGETHER = "the last lines of all claims, which judge, and for all lines before them"

Line = dict[Any, Any]  # Any: one line of the frame, by column


def claims_frame(studies: Sequence[Evidence], noun: str = IDENTITIES) -> pd.DataFrame:
    """Return a line for each claim and block, and one for the mean of its blocks.

    The last line of a claim judges it. Intervals are simultaneous (Bonferroni), 95 % for the last
    lines of all claims together, and for all other lines together; they are what the verdict looks
    at. `noun` is what the classes are called. Without a contrast a claim has "no records".
    """
    rows: list[Line] = []
    last: list[Contrast] = []
    behind: list[Contrast] = []
    for claim in CLAIMS:
        found = claim.contrasts(studies)
        told: Line = {"claim": claim.letter, "hypothesis": worded(claim.hypothesis, noun)}
        if not found:
            rows.append(told | {"verdict": NO_RECORDS, "needs": _needs(claim, studies)})
        rows += [told | _line(contrast) for contrast in found]
        last, behind = [*last, *found[-1:]], [*behind, *found[:-1]]
    judged = {**_judged(last, studies), **_judged(behind, studies)}
    rows = [row | judged[row["contrast"]] if "contrast" in row else row for row in rows]
    return pd.DataFrame(rows, columns=COLUMNS)


def _judged(contrasts: Sequence[Contrast], studies: Sequence[Evidence]) -> dict[Contrast, Line]:
    """Return interval, p-value and verdict of every contrast, all of them judged together."""
    if contrasts and not studies[0].can_tell(len(contrasts)):
        why = "the replicates are too few to judge so many lines together"
        return {contrast: {"verdict": UNDECIDED, "needs": why} for contrast in contrasts}
    found = simultaneous([(c.estimate, c.replicates) for c in contrasts], ALPHA)
    return {
        contrast: {"low": one.low, "high": one.high, "p_adjusted": one.p_value,
                   "verdict": verdict(one.low, one.high)}
        for contrast, one in zip(contrasts, found, strict=True)
    }  # fmt: skip


def verdict(low: float, high: float) -> str:
    """Judge a hypothesis "the difference is above 0" by its interval, by one rule for both signs.

    >>> verdict(0.1, 0.2), verdict(-0.1, 0.2), verdict(-0.2, -0.1)
    ('supported', 'undecided', 'contradicted')
    """
    if low > 0:
        return SUPPORTED
    return CONTRADICTED if high < 0 else UNDECIDED


def said(line: Line) -> str:
    """Return a verdict as a reader sees it: what rests on one training each says so.

    >>> said({"verdict": "supported", "seeds": "1"}), said({"verdict": "undecided", "seeds": "2"})
    ('supported (1 seed)', 'undecided')
    """
    alone = line["seeds"] == "1" and line["verdict"] != NO_RECORDS
    return f"{line['verdict']} (1 seed)" if alone else str(line["verdict"])


def measured(line: Line) -> str:
    """Write the estimate of a line and the interval that decides.

    >>> measured({"estimate": 0.1, "low": -0.05, "high": 0.25})
    '+0.100 (−0.050 … +0.250)'
    """
    between = within(line["low"], line["high"], 3, sign=True)
    return f"{number(line['estimate'], 3, sign=True)} ({between})"


def overall(frame: pd.DataFrame, letter: str) -> Line:
    """Return the last line of a claim: its only block, or the mean of its blocks."""
    found: Line = frame[frame["claim"] == letter].iloc[-1].to_dict()
    return found


def worded(text: str, noun: str = IDENTITIES) -> str:
    """Return a text of a claim with the word for what the classes are."""
    return text.replace("{identities}", noun)


def _line(contrast: Contrast) -> Line:
    return {
        "where": contrast.where,
        "compared": contrast.compared,
        "bits": " ".join(map(str, contrast.bits)),
        "seeds": "–".join(map(str, dict.fromkeys((contrast.seeds[0], contrast.seeds[-1])))),
        "estimate": contrast.estimate,
        "contrast": contrast,
    }


def _needs(claim: Claim, studies: Sequence[Evidence]) -> str:
    unknown = sum(len(study.reasons) for study in studies)
    if not unknown:
        return claim.needs
    reason = next(reason for study in studies for reason in study.reasons.values())
    return f"{claim.needs}; {unknown} cells cannot be used ({reason})"


def claims_sheet(
    frame: pd.DataFrame, studies: Sequence[Evidence], suite: str, noun: str = IDENTITIES
) -> Sheet:
    """Return the claims as a reader sees them: the verdicts at a glance, then all behind them."""
    specs = [(study.block.spec, study.block.names) for study in studies]
    made = dict.fromkeys(
        f"trunk {n.trunk(s.trunk, s.trunk_rate)}, {s.entering}, {s.epochs} epochs" for s, n in specs
    )
    intro = (
        "Each claim is a hypothesis, in our words, that a difference is above 0. "
        f"{rule(noun)} The verdicts hold for the data, trunk and training of this suite: "
        f"{'; '.join(made)}."
    )
    displays = [_at_a_glance(frame), *(_behind(claim, frame, noun) for claim in CLAIMS)]
    return Sheet("claims", suite, f"Claims of the OPQN paper on suite {suite}", intro, displays)


def rule(noun: str = IDENTITIES, together: str = TOGETHER) -> str:
    """Say what an interval is, which of them cover together, and how they decide."""
    return (
        f"Intervals are simultaneous (Bonferroni), 95 % for {together}: paired, {noun} by "
        "bootstrap (t-scaled), training seeds by Student's t with the variance that the suite's "
        "rows tell (ADR 0009); where there is 1 seed the spread between trainings is not covered, "
        "and the verdict says so. A claim is supported where its interval lies above 0, "
        "contradicted where it lies below, undecided otherwise."
    )


def at_a_glance(frame: pd.DataFrame) -> list[list[str]]:
    """Return a row per claim: letter, hypothesis, verdict, supported in how many, seeds."""
    rows = []
    for claim in CLAIMS:
        lines = frame[frame["claim"] == claim.letter]
        last = overall(frame, claim.letter)
        alone = lines["verdict"].iloc[:-1]
        each = f"{(alone == SUPPORTED).sum()} of {len(alone)}" if len(alone) else ""
        seeds = "" if last["verdict"] == NO_RECORDS else str(last["seeds"])
        rows.append([f"({claim.letter})", str(last["hypothesis"]), said(last), each, seeds])
    return rows


def _at_a_glance(frame: pd.DataFrame) -> Display:
    heads = ["", "claim", "verdict", "supported in", "seeds"]
    return Display.of("", at_a_glance(frame), heads, "lllll", keys=2)


def _behind(claim: Claim, frame: pd.DataFrame, noun: str) -> Display:
    """Return every line behind the verdict on a claim, or what would have to be stored for it."""
    lines = frame[frame["claim"] == claim.letter]
    known = lines[lines["estimate"].notna()]
    rows = [
        [row["where"], row["compared"], row["bits"], row["seeds"],
         number(row["estimate"], sign=True), within(row["low"], row["high"], sign=True),
         chance(row["p_adjusted"]), said(row)]
        for row in known.to_dict("records")
    ]  # fmt: skip
    heads = ["where", "difference", "bits", "seeds", "estimate", "interval", "p (adjusted)",
             "verdict"]  # fmt: skip
    before = [f"Source: {claim.source}. Computed: {worded(claim.computed, noun)}."]
    before += [] if rows else [f"No records: needs {lines['needs'].iloc[0]}."]
    title = f"({claim.letter}) {worded(claim.hypothesis, noun)}"
    shown = Display.of(title, rows, heads, "llllrrrl", keys=2)
    return replace(shown, before=before)
