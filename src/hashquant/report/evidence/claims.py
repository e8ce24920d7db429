"""The claims of the OPQN paper as hypotheses, each with estimate, interval and computed verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from hashquant.report.evidence.contrasts import Contrast, Contrasts, beats, leads, retains
from hashquant.report.evidence.queries import ALPHA, Evidence
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.numerals import chance, number, within
from hashquant.statistics import difference, holm

SOURCE = "Zhang, Zhe, Yan, Pattern Recognition 141, 2023, abstract"
NO_RECORDS = "no records"
COLUMNS = ["claim", "hypothesis", "where", "compared", "bits", "seeds", "estimate", "low", "high",
           "p_holm", "verdict", "needs"]  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One hypothesis: what is claimed, where, what is computed, and what the records must hold."""

    letter: str
    hypothesis: str
    source: str
    computed: str
    needs: str
    contrasts: Contrasts


LEAD = (
    "mean over code lengths of mAP(OPQN) − mAP(best rival); the best rival of a data set is the "
    "row of another method that OPQN is least ahead of (references do not compete)"
)
VARIANT = (
    "mean over code lengths of mAP(OPQN) − mAP(the same with {change}), single- and cross-domain"
)

CLAIMS = (
    Claim(
        "a", "OPQN retrieves better than all compared methods in a single domain (identities "
        "that were trained on).", SOURCE, LEAD,
        "`opqn` and another method, examined on the training set's own split (target `seen`)",
        leads("opqn", cross=False),
    ),
    Claim(
        "b", "OPQN retrieves better than all compared methods across domains (identities that "
        "were not trained on).", SOURCE, LEAD,
        "`opqn` and another method, examined on a target of protocol cross or unseen",
        leads("opqn", cross=True),
    ),
    Claim(
        "c1", "Fixed orthonormal codewords retrieve better than learned ones.", SOURCE,
        VARIANT.format(change="learned codewords"),
        "rows `opqn` and `opqn codebooks=learned` (suite ablation-opqn)",
        beats("opqn", "codebooks", "learned"),
    ),
    Claim(
        "c2", "It is orthonormality that helps, not merely that the codewords are fixed: "
        "orthonormal codewords retrieve better than random ones.",
        f"our control of the reason given in {SOURCE}",
        VARIANT.format(change="fixed random codewords"),
        "rows `opqn` and `opqn codebooks=random` (suite ablation-opqn)",
        beats("opqn", "codebooks", "random"),
    ),
    Claim(
        "d", "Learned quantization keeps more of its accuracy on identities that were not trained "
        "on than learned hashing does.",
        "Zhang, Zhe, Yan, arXiv 2107.00327v2, 2021, abstract (finds its method fitter for scalable "
        "face retrieval than deep hashing)",
        "retention, cross-domain mAP / single-domain mAP of the same trained runs: mean over the "
        "learned quantization methods − mean over the learned hashing methods, mean over code "
        "lengths; closed-form controls do not count",
        "a learned quantization and a learned hashing method, each examined on `seen` and on a "
        "target of protocol cross or unseen",
        retains,
    ),
    Claim(
        "e1", "A loss on the original features and their quantized form together is better than "
        "one on the features alone.", SOURCE, VARIANT.format(change="the loss on x only"),
        "rows `opqn` and `opqn loss_on=x` (suite ablation-opqn)", beats("opqn", "loss_on", "x"),
    ),
    Claim(
        "e2", "A loss on the original features and their quantized form together is better than "
        "one on the quantized form alone.", SOURCE, VARIANT.format(change="the loss on s only"),
        "rows `opqn` and `opqn loss_on=s` (suite ablation-opqn)", beats("opqn", "loss_on", "s"),
    ),
    Claim(
        "f", "The entropy term, meant to lower the quantization error, makes retrieval better.",
        SOURCE, VARIANT.format(change="entropy weight 0"),
        "rows `opqn` and `opqn entropy_weight=0.0` (suite ablation-opqn)",
        beats("opqn", "entropy_weight", 0.0),
    ),
)  # fmt: skip


def claims_frame(studies: Sequence[Evidence]) -> pd.DataFrame:
    """Return a line for each claim and block, and one for the mean of its blocks.

    Holm's correction runs over all lines. A claim is supported where the corrected p-value is at
    most 5 % and the estimate above 0, not supported where the 95 % interval lies below 0,
    undecided otherwise, and has "no records" where nothing of it can be computed.
    """
    rows: list[dict[str, Any]] = []  # Any: a column each
    p_values: list[float] = []
    for claim in CLAIMS:
        contrasts = claim.contrasts(studies)
        told: dict[str, Any] = {"claim": claim.letter, "hypothesis": claim.hypothesis}
        if not contrasts:
            rows.append(told | {"verdict": NO_RECORDS, "needs": _needs(claim, studies)})
        for contrast in contrasts:
            line, p_value = _line(contrast)
            rows.append(told | line)
            p_values.append(p_value)
    corrected: Iterator[float] = iter(holm(p_values))
    for row in rows:
        if "estimate" in row:
            row["p_holm"] = next(corrected)
            row["verdict"] = verdict(row["estimate"], row["high"], row["p_holm"])
    return pd.DataFrame(rows, columns=COLUMNS)


def verdict(estimate: float, high: float, p_value: float) -> str:
    """Judge a hypothesis "the estimate is above 0" by its interval and corrected p-value.

    >>> verdict(0.1, 0.2, 0.01), verdict(0.1, 0.2, 0.06), verdict(-0.1, -0.02, 0.5)
    ('supported', 'undecided', 'not supported')
    """
    if estimate > 0 and p_value <= ALPHA:
        return "supported"
    return "not supported" if high < 0 else "undecided"


def _line(contrast: Contrast) -> tuple[dict[str, object], float]:
    found = difference(contrast.estimate, contrast.replicates)
    line = {
        "where": contrast.where,
        "compared": contrast.compared,
        "bits": " ".join(map(str, contrast.bits)),
        "seeds": "–".join(map(str, dict.fromkeys((contrast.seeds[0], contrast.seeds[-1])))),
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
    }
    return line, found.p_value


def _needs(claim: Claim, studies: Sequence[Evidence]) -> str:
    unknown = sum(len(study.reasons) for study in studies)
    if not unknown:
        return claim.needs
    reason = next(reason for study in studies for reason in study.reasons.values())
    return f"{claim.needs}; {unknown} cells cannot be used ({reason})"


def claims_sheet(frame: pd.DataFrame, studies: Sequence[Evidence], suite: str) -> Sheet:
    """Return the claims as a reader sees them: the verdicts at a glance, then all behind them."""
    specs = [(study.block.spec, study.block.names) for study in studies]
    made = dict.fromkeys(
        f"trunk {n.trunk(s.trunk)}, {s.image_size}-pixel images, {s.epochs} epochs"
        for s, n in specs
    )
    intro = (
        "Each claim is a hypothesis, in our words, that a difference is above 0. Intervals (95 %) "
        "and p-values are of a paired bootstrap over identities and seeds (over identities alone "
        "where there is 1 seed: the spread between seeds is then not covered), p-values "
        "Holm-corrected over all lines of this file. A claim is supported where p ≤ 0.05 and the "
        "difference is above 0, not supported where the interval lies below 0, and undecided "
        "otherwise. The verdicts hold for the data, trunk and training of this suite: "
        f"{'; '.join(made)}."
    )
    displays = [_at_a_glance(frame), *(_behind(claim, frame) for claim in CLAIMS)]
    return Sheet("claims", suite, f"Claims of the OPQN paper on suite {suite}", intro, displays)


def at_a_glance(frame: pd.DataFrame) -> list[list[str]]:
    """Return a row per claim: letter, hypothesis, verdict, supported in how many, seeds."""
    rows = []
    for claim in CLAIMS:
        lines = frame[frame["claim"] == claim.letter]
        overall = str(lines["verdict"].iloc[-1])
        alone = lines["verdict"].iloc[:-1]
        each = f"{(alone == 'supported').sum()} of {len(alone)}" if len(alone) else ""
        seeds = "" if overall == NO_RECORDS else str(lines["seeds"].iloc[-1])
        rows.append([f"({claim.letter})", claim.hypothesis, overall, each, seeds])
    return rows


def _at_a_glance(frame: pd.DataFrame) -> Display:
    heads = ["", "claim", "verdict", "supported in", "seeds"]
    return Display.of("", at_a_glance(frame), heads, "lllll", keys=2)


def _behind(claim: Claim, frame: pd.DataFrame) -> Display:
    """Return every line behind the verdict on a claim, or what would have to be stored for it."""
    lines = frame[frame["claim"] == claim.letter]
    known = lines[lines["estimate"].notna()]
    rows = [
        [row["where"], row["compared"], row["bits"], row["seeds"],
         number(row["estimate"], sign=True), within(row["low"], row["high"], sign=True),
         chance(row["p_holm"]), row["verdict"]]
        for row in known.to_dict("records")
    ]  # fmt: skip
    heads = ["where", "difference", "bits", "seeds", "estimate", "95 % interval", "p (Holm)",
             "verdict"]  # fmt: skip
    before = [f"Source: {claim.source}. Computed: {claim.computed}."]
    before += [] if rows else [f"No records: needs {lines['needs'].iloc[0]}."]
    shown = Display.of(f"({claim.letter}) {claim.hypothesis}", rows, heads, "llllrrrl", keys=2)
    return replace(shown, before=before)
