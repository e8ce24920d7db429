"""Frames and texts as readers see them: names for the identifiers that records and CSV hold."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.drawing.style import GREY, Look
from hashquant.report.rows import UNTRAINED
from hashquant.settings.names import Names

#: Columns of texts in which several names may stand.
SPOKEN = ("where", "compared")
#: Columns that hold one row, or several that were chosen.
CHOSEN = ("quantization", "hashing")


def named(frame: pd.DataFrame, names: Names, blocks: Sequence[Block] = ()) -> pd.DataFrame:
    """Return a frame with names in place of identifiers; those in texts are of `blocks`.

    Rows that trained in none of the blocks say so.

    >>> named(pd.DataFrame({"label": ["a"]}), Names()).equals(pd.DataFrame({"label": ["a"]}))
    True
    """
    known, failed = identifiers(blocks), never_trained(blocks)

    def row(label: str) -> str:
        return names.row(label) + (f" ({UNTRAINED})" if label in failed else "")

    write: dict[str, Callable[[str], str]] = {
        "label": row, "row": row, "rival": row, "default": row,
        "dataset": names.dataset, "train": names.dataset, "target": names.target,
        "note": lambda text: _noted(text, known),
    }  # fmt: skip
    write |= dict.fromkeys(CHOSEN, lambda text: " or ".join(map(names.row, text.split(" or "))))
    write |= dict.fromkeys(SPOKEN, lambda text: spoken(text, known))
    found = {
        column: [write[column](value) if isinstance(value, str) else value for value in values]
        for column, values in frame.items()
        if column in write
    }
    return frame.assign(**found)


def named_looks(look: Mapping[str, Look], names: Names) -> dict[str, Look]:
    """Return every row's look with what a legend calls the row."""
    return {
        label: replace(row, name=names.short(label), variant=names.variant(label))
        for label, row in look.items()
    }


def faded(look: Mapping[str, Look], blocks: Sequence[Block]) -> dict[str, Look]:
    """Return every row's look, grey and said to be so where it trained in none of the blocks."""
    found = dict(look)
    for label in never_trained(blocks) & look.keys():
        row = look[label]
        name, variant = row.name or label, row.variant or label.partition(" ")[2]
        variant = f"{variant} ({UNTRAINED})" if variant else ""
        found[label] = replace(row, color=GREY, name=f"{name} ({UNTRAINED})", variant=variant)
    return found


def never_trained(blocks: Sequence[Block]) -> set[str]:
    """Return the rows that did not train in any of the blocks that have scores of them."""
    scored = {label for block in blocks for label in block.scored}
    return {x for x in scored if all(x not in b.scored or b.fails(x) for b in blocks)}


def identifiers(blocks: Sequence[Block]) -> dict[str, str]:
    """Return the name of every row, method and block by its identifier."""
    known: dict[str, str] = {}
    for block in blocks:
        methods = {label.partition(" ")[0] for label in block.families}
        known |= {method: block.names.method(method) for method in methods}
        known |= {label: block.names.row(label) for label in block.families}
        known[block.identifier] = block.name
    return known


def spoken(text: str, known: Mapping[str, str]) -> str:
    """Return a text with the names of all `known` identifiers in it, the longest first.

    >>> spoken("opqn − opqn a=1 (x-opqn)", {"opqn": "OPQN", "opqn a=1": "OPQN, little a"})
    'OPQN − OPQN, little a (x-opqn)'
    """
    if not known:
        return text
    longest = sorted(known, key=len, reverse=True)
    pattern = rf"(?<![\w=.+-])(?:{'|'.join(map(re.escape, longest))})(?![\w=.+-])"
    return re.sub(pattern, lambda found: known[found[0]], text)


def _noted(text: str, known: Mapping[str, str]) -> str:
    """Return a note, which may begin with the row that it is about ("opqn: no score")."""
    row, colon, reason = text.partition(": ")
    return f"{known.get(row, row)}{colon}{reason}"
