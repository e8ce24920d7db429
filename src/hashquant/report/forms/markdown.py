"""Tables as Markdown, by tabulate: best bold, second underlined, untrained italic, footnotes."""

from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

from hashquant.machine.plaintext import visible
from hashquant.report.forms.display import Display, Sheet, Text

_ESCAPES = str.maketrans({c: f"\\{c}" for c in "\\|*`<>"} | {"\n": " "})


def markdown(sheet: Sheet, digest: str) -> str:
    """Return a file of tables as Markdown."""
    parts = [f"<!-- records: {digest} -->", f"# {escape(sheet.title)}"]
    parts += [prose(sheet.intro)] if sheet.intro else []
    for display in sheet.displays:
        parts += _section(display)
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    r"""Return plain text as Markdown on one line; nothing in it steers a terminal.

    >>> print(escape("a|b*"))
    a\|b\*
    """
    return visible(text).translate(_ESCAPES)


def prose(text: str) -> str:
    r"""Return prose as Markdown; what it puts in back-quotes stays code.

    >>> print(prose("a*b, `a*b`"))
    a\*b, `a*b`
    """
    parts = text.split("`")
    return "`".join(part if place % 2 else escape(part) for place, part in enumerate(parts))


def _section(display: Display) -> list[str]:
    parts = [f"## {escape(display.title)}"] if display.title else []
    parts += [prose(text) for text in display.before]
    parts += [_grid(display)] if len(display.frame) else []
    notes = [f"<sup>{n}</sup> {escape(note)}" for n, note in enumerate(display.notes, start=1)]
    parts += ["  \n".join(notes)] if notes else []
    parts += [f"*{escape(line)}*" for line in (display.caption, *display.lines) if line]
    points = [f"- {escape(point)}" for point in display.points]
    return parts + (["\n".join(points)] if points else [])


def _grid(display: Display) -> str:
    """Return the table alone; each family is named at its first row."""
    heads = [", ".join(filter(None, _parts(column))) for column in display.frame.columns]
    body = pd.DataFrame([[_cell(text) for text in row] for row in display.frame.to_numpy()])
    align = [{"l": "left", "r": "right"}[letter] for letter in display.align]
    if display.families:
        names = pd.Series(list(display.families))
        body.insert(0, "family", names.mask(names.duplicated(), ""))
        heads, align = ["family", *heads], ["left", *align]
    return tabulate(
        body.to_numpy().tolist(), [escape(head) for head in heads], "pipe", disable_numparse=True,
        colalign=align,
    )  # fmt: skip


def _parts(column: object) -> Sequence[str]:
    return column if isinstance(column, tuple) else (str(column),)


def _cell(text: Text) -> str:
    if isinstance(text, str):
        return escape(text)
    plain = escape(text.text)
    plain = f"*{plain}*" if text.faint else plain
    marked = {1: f"**{plain}**", 2: f"<u>{plain}</u>"}.get(text.rank, plain)
    marks = ",".join(filter(None, [text.sign, str(text.note or "")]))
    return marked + (f"<sup>{marks}</sup>" if marks else "")
