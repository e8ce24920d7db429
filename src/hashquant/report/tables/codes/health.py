"""Code health beside each score: how many codes differ, how evenly bits and codewords are used."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.records.record import EvalRecord
from hashquant.report.blocks import Block
from hashquant.report.forms.display import Display, Sheet, per_block
from hashquant.report.frame import Metric
from hashquant.report.numerals import NOTHING, number, spread
from hashquant.report.tables.budgets import mean_sd, stored_cells

#: Names of `EvalRecord.health` that a table shows, in its order.
NAMES = ("distinct_codes", "distinct_fraction", "bit_balance", "bit_correlation", "codeword_use",
         "perplexity", "dead_codewords", "quantization_error", "center_distance_min",
         "center_distance_mean")  # fmt: skip
#: A column that is there where some method gives its classes binary centres.
CENTERS = "bits between centres"
TIED = Metric("tied-pairs")
COLUMNS = ["dataset", "target", "label", "bits", "mean", "sd", "n", "codewords", *NAMES,
           "tied_pairs"]  # fmt: skip
MEANING = (
    "All numbers are means over seeds, of the codes of the gallery. Distinct codes, in brackets as "
    "a share of the items; bit balance: mean |p − ½| of the share p of ones (0 is balanced, ½ "
    "constant); bit correlation: mean |ρ| over pairs of bits; codeword use: share of the codewords "
    "that some item uses; perplexity of their use in one codebook, of K; dead codewords: unused "
    "ones of all codebooks; quantization error as each method defines it, which is not compared "
    "between methods; bits between centres: the least and the mean of all pairs of classes, where "
    "a method gives them binary centres; tied pairs: share of the pairs of a relevant and an "
    "irrelevant item that a query cannot tell apart, by the headline comparison. – is not defined "
    "or not stored."
)


def health_cells(blocks: Sequence[Block]) -> pd.DataFrame:
    """Return a line per (block, row, bits): mAP and the means of its code health over seeds."""
    lines = [
        {"dataset": block.dataset, "target": block.target, "label": label, "bits": bits}
        | mean_sd(cell)
        | {"codewords": cell[0].cost.codewords}
        | {name: _mean([r.health[name] for r in cell if name in r.health]) for name in NAMES}
        | {"tied_pairs": _mean(_tied(cell))}
        for block in blocks
        for (label, bits), cell in stored_cells(block).items()
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else float("nan")


def _tied(cell: Sequence[EvalRecord]) -> list[float]:
    return [score.value for record in cell if (score := TIED.find(record)) is not None]


def health_sheet(frame: pd.DataFrame, blocks: Sequence[Block], suite: str) -> Sheet:
    """Return the code health as a reader sees it: a table per block."""
    shown = per_block(frame, blocks, _table)
    return Sheet("health", suite, f"Code health, suite {suite}", MEANING, shown)


def _table(title: str, mine: pd.DataFrame) -> Display:
    apart = bool(mine["center_distance_min"].notna().any())
    rows = []
    for line in mine.to_dict("records"):
        share = number(100 * line["distinct_fraction"], 1)
        words = f" of {line['codewords']}" if line["perplexity"] >= 0 else ""
        distinct = _count(line["distinct_codes"])
        rows.append(
            [line["label"], f"{line['bits']:,}", spread(line["mean"], line["sd"]),
             distinct + (f" ({share} %)" if line["distinct_fraction"] >= 0 else ""),
             number(line["bit_balance"], 3), number(line["bit_correlation"], 3),
             number(line["codeword_use"], 3), number(line["perplexity"], 1) + words,
             _count(line["dead_codewords"]), number(line["quantization_error"], 3),
             *([between_centers(line)] if apart else []), number(line["tied_pairs"])]
        )  # fmt: skip
    heads = ["row", "bits", "mAP", "distinct codes", "bit balance", "mean abs. bit correlation",
             "codeword use", "perplexity", "dead codewords", "quantization error",
             *([CENTERS] if apart else []), "tied pairs"]  # fmt: skip
    return Display.of(title, rows, heads, "l" + "r" * (len(heads) - 1), keys=2)


def between_centers(line: Mapping[Any, Any]) -> str:  # Any: a line of a data frame
    """Return the least and the mean distance of the centres, or a dash where there are none."""
    least, mean = line["center_distance_min"], line["center_distance_mean"]
    return f"{number(least, 0)}, mean {number(mean, 1)}" if least >= 0 else NOTHING


def _count(value: float) -> str:
    """Write a mean of whole numbers, with a decimal where it is none."""
    return f"{value:,.0f}" if value % 1 == 0 else number(value, 1)
