"""What lies within Hamming radius 2 of the queries: precision, recall, and how many find nothing.

Papers on hashing report this precision by code length (HashNet, DCH). It is lookup in a hash table:
all codes that differ in two bits or fewer, in no order.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.captions import counted, short_note, target_line
from hashquant.report.forms.display import Display, Mark, Sheet
from hashquant.report.frame import Metric, cells
from hashquant.report.numerals import NOTHING, scored

#: Columns of the frame → how records call them; what a reader calls them stands in `HEADS`.
SCORES = {
    "precision": Metric("precision-radius2"),
    "recall": Metric("recall-radius2"),
    "empty": Metric("empty-ball-rate"),
}
HEADS = {"precision": "precision", "recall": "recall", "empty": "empty balls"}
COLUMNS = ["dataset", "target", "protocol", "family", "label", "bits",
           *(f"{name}_{kind}" for name in SCORES for kind in ("mean", "sd")), "n", "trained",
           "note"]  # fmt: skip
MEANING = (
    "The ball of a query holds the gallery items whose code differs from its own in 2 of its bits "
    "or fewer. Precision: share of the ball that is relevant, 0 where the ball is empty, as the "
    "code of DCH (Cao et al., CVPR 2018) counts it; recall: share of the relevant items that lie "
    "in the ball; empty balls: share of the queries whose ball is empty. All are means over the "
    "queries that have a relevant item in the gallery, then over seeds. The longer the code, the "
    "smaller the share of all codes that lie in a ball. Beside a mean stands its standard "
    "deviation over seeds alone: no query's own value is stored, so nothing is said of other "
    "queries, and no difference is tested. Only rows with a Hamming code are shown."
)


def radius_frame(blocks: Sequence[Block]) -> pd.DataFrame:
    """Return a line per (block, row, code length) of the rows whose ball was counted.

    Mean and sd (missing for one seed) over seeds of each of `SCORES`, n (seeds), trained (bool),
    and note (why a seed is missing, or "").
    """
    lines = [line for block in blocks for line in _lines(block)]
    return pd.DataFrame(lines, columns=COLUMNS)


def _lines(block: Block) -> list[dict[Hashable, Any]]:  # Any: one line of the frame, by column
    found = {name: cells(block, metric) for name, metric in SCORES.items()}
    first = found["precision"]
    binary = set(first.loc[first["n"] > 0, "label"])
    place = {"dataset": block.dataset, "target": block.target, "protocol": block.protocol}
    numbers = {
        f"{name}_{kind}": frame[kind] for name, frame in found.items() for kind in ("mean", "sd")
    }
    frame = first.assign(**place, **numbers)
    return frame[frame["label"].isin(binary)][COLUMNS].to_dict("records")


def radius_sheet(frame: pd.DataFrame, blocks: Sequence[Block], suite: str) -> Sheet:
    """Return the balls as a reader sees them: a table per block, code lengths beside each other."""
    shown = [
        _table(block, mine) for block in blocks if len(mine := radius_lines(frame, block))
    ]  # fmt: skip
    return Sheet("radius", suite, f"Within Hamming radius 2, suite {suite}", MEANING, shown)


def radius_lines(frame: pd.DataFrame, block: Block) -> pd.DataFrame:
    """Return the lines of a block."""
    return frame[(frame["dataset"] == block.dataset) & (frame["target"] == block.target)]


def radius_text(line: Mapping[Any, Any], name: str, most: int) -> str:  # Any: a frame's line
    """Write one of `SCORES` with its sd over seeds, and n where it is not that of `most` cells.

    >>> radius_text({"recall_mean": 0.5, "recall_sd": 0.25, "n": 2}, "recall", 3)
    '0.5000 ± 0.2500 (n=2)'
    """
    return scored({"mean": line[f"{name}_mean"], "sd": line[f"{name}_sd"], "n": line["n"]}, most)


def _table(block: Block, mine: pd.DataFrame) -> Display:
    lines, most = mine.to_dict("records"), int(mine["n"].max())
    notes = dict.fromkeys(filter(None, (_note(block, line) for line in lines)))
    marks = {note: place for place, note in enumerate(notes, start=1)}
    lengths = sorted(set(mine["bits"]))
    texts: dict[str, dict[tuple[str, str], Mark]] = {}
    for line in lines:
        row = texts.setdefault(line["label"], {})
        for name, said in HEADS.items():
            row[said, f"{line['bits']} bits"] = Mark(
                radius_text(line, name, most), note=marks.get(_note(block, line), 0),
                faint=not line["trained"],
            )  # fmt: skip
    heads = [("", "method")]
    heads += [(said, f"{bits} bits") for said in HEADS.values() for bits in lengths]
    rows = [
        [block.names.row(label), *(row.get(column, NOTHING) for column in heads[1:])]
        for label, row in texts.items()
    ]
    columns = pd.MultiIndex.from_tuples(heads)
    return Display(
        block.name, pd.DataFrame(rows, columns=columns, dtype=object),
        "l" + "r" * (len(heads) - 1), families=[block.section(label) for label in texts],
        notes=list(notes), lines=[f"{target_line(block)} {_seeds(most)}"],
    )  # fmt: skip


def _note(block: Block, line: Mapping[Any, Any]) -> str:  # Any: a frame's line
    return short_note(line["note"], len(block.families))


def _seeds(most: int) -> str:
    """Say over how many seeds the means of a table run.

    >>> _seeds(1), _seeds(2)
    ('1 seed: no spread is known.', 'Means ± standard deviation over 2 seeds.')
    """
    if most == 1:
        return "1 seed: no spread is known."
    return f"Means ± standard deviation over {counted(most, 'seed')}."
