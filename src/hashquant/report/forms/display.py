"""A table as a reader sees it, before any mark-up: texts and their marks, heads, what is said."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from hashquant.report.blocks import Block
from hashquant.report.naming import named


@dataclass(frozen=True)
class Mark:
    """A text that stands out: its rank (1 best, 2 second), the sign behind it, its footnote.

    What did not train stands back instead: it is `faint`. `cite` is the key of what LaTeX cites
    behind it.
    """

    text: str
    rank: int = 0
    sign: str = ""
    note: int = 0
    faint: bool = False
    cite: str = ""


Text = str | Mark


@dataclass(frozen=True, eq=False)
class Display:
    """One table of plain text, which `markdown` and `latex` write.

    The columns of `frame` are heads, or pairs (what stands above several, head). The first `keys`
    columns name a row, `align` has a letter a column (l or r). `families` names the group of each
    row. `before` is prose in which back-quotes mean code; `caption` and `lines` are said below the
    table, `points` in a list; `notes` are its footnotes in order. Without a row, only prose stands.
    """

    title: str
    frame: pd.DataFrame
    align: str
    keys: int = 1
    families: Sequence[str] = ()
    before: Sequence[str] = ()
    notes: Sequence[str] = ()
    caption: str = ""
    lines: Sequence[str] = ()
    points: Sequence[str] = ()

    @classmethod
    def of(
        cls, title: str, rows: Iterable[Sequence[Text]], heads: Sequence[str], align: str,
        *, keys: int = 1,
    ) -> "Display":  # fmt: skip
        """Return rows of texts under plain heads as a table, without a column that says nothing."""
        frame = pd.DataFrame(list(rows), columns=list(heads), dtype=object)
        empty = [n for n in range(keys, len(heads)) if (frame.iloc[:, n] == "").all()]
        kept = [n for n in range(len(heads)) if n not in empty or frame.empty]
        return cls(title, frame.iloc[:, kept], "".join(align[n] for n in kept), keys)


@dataclass(frozen=True, eq=False)
class Sheet:
    """The tables of one file: its stem, whose records, its title, and prose for all of them."""

    name: str
    suite: str
    title: str
    intro: str
    displays: Sequence[Display]

    def citing(self, keys: Mapping[str, str]) -> "Sheet":
        """Return the sheet with citations behind the row names that have a key."""
        return replace(self, displays=[_citing(display, keys) for display in self.displays])


def _citing(display: Display, keys: Mapping[str, str]) -> Display:
    frame = display.frame.copy()
    if len(frame.columns):
        first = [Mark(x, cite=keys[x]) if x in keys else x for x in frame.iloc[:, 0]]
        frame[frame.columns[0]] = pd.Series(first, frame.index, dtype=object)
    return replace(display, frame=frame)


def per_block(
    frame: pd.DataFrame,
    blocks: Sequence[Block],
    show: Callable[[str, pd.DataFrame], Display],
    train: str = "dataset",
) -> list[Display]:
    """Return a table for each block that has lines in `frame`, made by `show(title, lines)`.

    The lines hold names in place of identifiers.
    `train` is the column that holds the training set.
    """
    shown = []
    for block in blocks:
        mine = frame[(frame[train] == block.dataset) & (frame["target"] == block.target)]
        if len(mine):
            shown.append(show(block.name, named(mine, block.names, [block])))
    return shown
