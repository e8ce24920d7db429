r"""Tables as LaTeX source, by pandas' Styler and booktabs: for `\input` into a paper."""

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from hashquant.machine.filenames import LABEL, safe_name
from hashquant.machine.plaintext import visible
from hashquant.report.forms._tex import LETTER, PACKAGES, tex_escape, tex_prose
from hashquant.report.forms.display import Display, Mark, Sheet, Text

#: Width in points of a letter of the tables, of the gap between two columns, of one column of a
#: page, and of a whole page as far as a table is shrunk to fit it rather than cut in two.
LETTER_WIDTH, GAP, COLUMN, PAGE = 4.4, 8.0, 250.0, 590.0
#: Letters of the longest text that is not broken into lines, and of those lines.
LONG, LINE = 56, 46
#: Lines of the longest table that stands on one page.
LINES = 52
#: All that stands on one page, in lines of a table; letters of such a line in captions and notes.
PAGE_LINES, CAPTION_LINE, NOTE_LINE = 68, 88, 160
#: Lines of the heads of one panel.
HEAD = 6
#: What stands beside a mean: its standard deviation, or its interval.
_SPREAD = re.compile(r" (± [\d.]+|\[[\d., ]+\])")
#: Shrinks a table that is too wide for where it stands, and leaves any other as it is.
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def latex(sheet: Sheet, digest: str) -> str:
    r"""Return a file of tables as LaTeX for `\input`; its second line says what it needs."""
    parts = [f"% records: {digest}\n% needs {_needs()}\n{LETTER}"]
    label = f"tab:{safe_name(sheet.suite, LABEL)}-{sheet.name.replace('_', '-')}"
    shown = [display for display in sheet.displays if len(display.frame)]
    # The first table says what holds for all of them.
    intros = [sheet.intro, *[""] * len(shown)]
    floats = [part for pair in zip(shown, intros, strict=False) for part in _paged(*pair)]
    for number, display in enumerate(floats, start=1):
        own = label if number == 1 else f"{label}-{number}"
        parts.append(_float(display, _caption(sheet, display, "" if number == 1 else label), own))
    return "\n\n".join(parts) + "\n"


def proof(names: Iterable[str], suite: str, digest: str, entries: str = "") -> str:
    """Return a document that shows files of tables, as the pages of a two-column paper.

    `entries` is the BibTeX file that its citations are in.
    """
    whose = " ".join(visible(suite).split())  # a comment ends with its line
    lines = [
        f"% records: {digest}", f"% Compile in this folder to see all tables of {whose}.",
        r"\documentclass[10pt,twocolumn]{article}", r"\usepackage[letterpaper,margin=0.75in]"
        r"{geometry}", *_needs().split(" "), r"\extrafloats{200}", r"\begin{document}",
    ]  # fmt: skip
    shown = [line for name in names for line in (rf"\input{{{name}}}", r"\clearpage")]
    shown += [r"\bibliographystyle{plain}", rf"\bibliography{{{entries}}}"] if entries else []
    return "\n".join([*lines, *shown, r"\end{document}"]) + "\n"


def _needs() -> str:
    return " ".join(rf"\usepackage{{{name}}}" for name in PACKAGES)


def _paged(display: Display, intro: str = "") -> list[Display]:
    """Return a table in parts that fit a page each."""
    parts = max(1, math.ceil(len(display.frame) / LINES), _pages(display, intro))
    if parts == 1:
        return [display]
    found = []
    for place, rows in enumerate(np.array_split(np.arange(len(display.frame)), parts), start=1):
        families = [display.families[row] for row in rows] if display.families else ()
        title, caption = f"{display.title}, part {place} of {parts}", display.caption
        caption += f" Part {place} of {parts}." if caption else ""
        frame = display.frame.iloc[rows]
        found.append(replace(display, title=title, caption=caption, frame=frame, families=families))
    return found


def _pages(display: Display, intro: str) -> int:
    """Return how many parts fit a page each, with their panels, headings, caption and footnotes."""
    families, panels = display.families, _panels(display)
    heads = sum(a != b for a, b in pairwise(families)) + 1 if families else 0
    rows = len(panels) * (len(display.frame) + 1.5 * heads + HEAD)
    caption, note = (
        (CAPTION_LINE, NOTE_LINE) if _wide(panels) else (CAPTION_LINE / 2, NOTE_LINE / 2)
    )
    said = sum(map(len, (intro, display.caption, *display.before))) / caption
    small = [*display.notes, *display.lines, *display.points]
    said += sum(0.84 * math.ceil(len(text) / note) for text in small)
    return math.ceil(rows / max(PAGE_LINES / 3, PAGE_LINES - said))


def _wide(panels: Sequence[Display]) -> bool:
    """Tell whether a table takes both columns of a page."""
    return max(sum(_widths(panel)) for panel in panels) > COLUMN


def _caption(sheet: Sheet, display: Display, first: str) -> str:
    """Say what a table shows: all of it once, then with a reference to the first table."""
    if display.caption:
        return " ".join([tex_escape(display.caption), *map(tex_prose, display.before)])
    name = ": ".join(filter(None, (sheet.title, display.title)))
    parts = [tex_escape(f"{name.rstrip('.')}.")]
    if sheet.intro:
        parts.append(rf"Read as Table~\ref{{{first}}}." if first else tex_prose(sheet.intro))
    return " ".join([*parts, *map(tex_prose, display.before)])


def _float(display: Display, caption: str, label: str) -> str:
    panels = _panels(display)
    wide = "*" if _wide(panels) else ""
    body = [line for panel in panels for line in (r"\par\medskip", *_tabular(panel))]
    notes = [rf"\textsuperscript{{{n}}}~{tex_escape(text)}"
             for n, text in enumerate(display.notes, start=1)]  # fmt: skip
    notes += [tex_escape(line) for line in (*display.lines, *display.points)]
    below = [r"\par\smallskip", r"\parbox{\linewidth}{\scriptsize\raggedright",
             "\\par\n".join(notes) + "}"]  # fmt: skip
    return "\n".join(
        [rf"\begin{{table{wide}}}[tp]", r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
         rf"\caption{{{caption}}}", rf"\label{{{label}}}", r"\par\smallskip", *body[1:],
         *(below if notes else []), rf"\end{{table{wide}}}"]
    )  # fmt: skip


def _panels(display: Display) -> list[Display]:
    """Cut a table that is too wide between its groups of columns; each part names the rows."""
    columns = list(display.frame.columns)
    keys, rest = list(range(display.keys)), list(range(display.keys, len(columns)))
    starts = [n for n in rest if n == rest[0] or _group(columns[n]) != _group(columns[n - 1])]
    pieces = [list(range(a, b)) for a, b in pairwise([*starts, len(columns)])]
    panels = [display]
    for count in range(1, len(pieces) + 1):
        parts = [sum((pieces[n] for n in part), list(keys))
                 for part in np.array_split(np.arange(len(pieces)), count)]  # fmt: skip
        panels = [_columns(display, part) for part in parts]
        if max(sum(_widths(panel)) for panel in panels) <= PAGE:
            break
    return panels


def _columns(display: Display, places: Sequence[int]) -> Display:
    align = "".join(display.align[place] for place in places)
    return replace(display, frame=display.frame.iloc[:, list(places)], align=align)


def _widths(display: Display) -> list[float]:
    """Return the width of each column in points."""
    longest = [
        max(map(len, (*_wrapped(column, texts), *map(_plain, texts))))
        for column, texts in _texts(display)
    ]
    return [min(n, LINE if n > LONG else n) * LETTER_WIDTH + GAP for n in longest]


def _tabular(display: Display) -> list[str]:
    """Return one tabular: heads, a rule under each group of columns, the rows by family."""
    frame = display.frame.map(_cell).reset_index(drop=True)
    heads = [
        _head(column, texts, letter)
        for letter, (column, texts) in zip(display.align, _texts(display), strict=True)
    ]
    grouped = isinstance(display.frame.columns, pd.MultiIndex)
    index = pd.MultiIndex.from_tuples(heads)
    frame.columns = index if grouped else index.get_level_values(1)
    spec = "".join(
        rf">{{\raggedright\arraybackslash}}p{{{LINE * LETTER_WIDTH:.0f}pt}}"
        if letter == "l" and max(map(len, map(_plain, texts))) > LONG else letter
        for letter, (_, texts) in zip(display.align, _texts(display), strict=True)
    )  # fmt: skip
    styler = frame.style.hide(axis="index")
    source = styler.to_latex(hrules=True, column_format=spec, multicol_align="c")
    lines = source.rstrip().splitlines()
    start = lines.index(r"\midrule")
    above = lines[:start]
    if grouped:
        above.insert(start - 1, _rules([_group(c) for c in display.frame.columns]))
    return [FIT, *above, *_grouped(lines[start:], display.families, len(heads)), "}"]


def _texts(display: Display) -> list[tuple[object, list[Text]]]:
    return [(c, list(display.frame.iloc[:, n])) for n, c in enumerate(display.frame.columns)]


def _group(column: object) -> object:
    """Return what stands above a head; a plain head stands alone."""
    return column[0] if isinstance(column, tuple) else column


def _rules(groups: Sequence[object]) -> str:
    """Return a rule under each group of columns that has a name."""
    starts = [n for n, name in enumerate(groups) if n == 0 or groups[n - 1] != name]
    spans = pairwise([*starts, len(groups)])
    return " ".join(rf"\cmidrule(lr){{{a + 1}-{b}}}" for a, b in spans if groups[a])


def _grouped(lines: list[str], families: Sequence[str], columns: int) -> list[str]:
    """Put a line with the family's name before the first row of each family."""
    found = lines[:1]
    for place, line in enumerate(lines[1:]):
        if place < len(families) and (not place or families[place] != families[place - 1]):
            found += [r"\addlinespace"] if place else []
            name = tex_escape(families[place])
            found.append(rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{name}}}}} \\")
        found.append(line)
    return found


def _head(column: object, texts: Sequence[Text], align: str) -> tuple[str, str]:
    """Return what stands above a head, and the head in as many lines as its column asks for."""
    lines = [tex_escape(line) for line in _wrapped(column, texts)]
    stacked = r"\\".join(lines)
    head = rf"\shortstack[{align}]{{{stacked}}}" if len(lines) > 1 else stacked
    return (tex_escape(column[0]) if isinstance(column, tuple) else ""), head


def _wrapped(column: object, texts: Sequence[Text]) -> list[str]:
    head = str(column[1] if isinstance(column, tuple) else column)
    room = max([12, *(min(len(_plain(text)), LONG) for text in texts)])
    return textwrap.wrap(head, room, break_long_words=False, break_on_hyphens=False) or [""]


def _plain(text: Text) -> str:
    return text if isinstance(text, str) else text.text


def _cell(text: Text) -> str:
    """Return a cell as source; its marks take no room, so that the digits stand in line."""
    mean, *more = _SPREAD.split(_plain(text), maxsplit=1)
    spread, rest = more or ("", "")
    # The spread is set smaller: the eye compares the means.
    small = tex_escape(spread).replace("$ ", r"$\,")
    beside = (rf"\,{{\scriptsize{{}}{small}}}" if small else "") + tex_escape(rest)
    if not isinstance(text, Mark):
        return tex_escape(mean) + beside
    mean = {1: r"\textbf{%s}", 2: r"\underline{%s}"}.get(text.rank, "%s") % tex_escape(mean)
    beside += rf"~\cite{{{text.cite}}}" if text.cite else ""
    marks = ",".join(filter(None, [text.sign, str(text.note or "")]))
    shown = rf"\textcolor{{gray}}{{{mean + beside}}}" if text.faint else mean + beside
    return shown + (rf"\rlap{{\textsuperscript{{{marks}}}}}" if marks else "")
