"""The mAP tables as LaTeX source that compiles with booktabs alone."""

import pandas as pd

from hashquant.report.captions import marks
from hashquant.report.tables import MARKDOWN_RANKS, Cell, MapTable

#: Characters of the widest LaTeX table that one column of a page holds.
LATEX_COLUMN = 58
_TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
        "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
        "–": "--", "→": r"$\rightarrow$", "±": r"$\pm$", "…": r"\dots{}", "×": r"$\times$",
        "·": r"$\cdot$", "†": r"\dag{}", "\n": " ",
    }
)  # fmt: skip


def latex(tables: list[MapTable], digest: str) -> str:
    r"""Return the tables as LaTeX for `\input`; needs the package booktabs."""
    parts = [f"% records: {digest}", r"% needs \usepackage{booktabs}"]
    parts += [_latex_table(table, number) for number, table in enumerate(tables, start=1)]
    return "\n\n".join(parts) + "\n"


def tex_escape(text: str) -> str:
    r"""Return plain text as LaTeX source.

    >>> print(tex_escape("a_b & 50%"))
    a\_b \& 50\%
    """
    # Plain LaTeX stops at letters beyond Latin; a "?" is better than no table.
    return "".join(c if c < "\u0180" else "?" for c in text.translate(_TEX))


def _latex_table(table: MapTable, number: int) -> str:
    grid = table.grid(_latex_cell)
    ranks = table.cells.set_index(["family", "label", "bits"])["rank"].unstack("bits")
    ranks = ranks.reindex(index=grid.index, columns=grid.columns)
    styled = ranks.map(lambda rank: {1: "textbf:--rwrap;", 2: "underline:--rwrap;"}.get(rank, ""))
    flat = grid.reset_index(drop=True)
    flat.insert(0, "Method", [tex_escape(label) for _, label in grid.index])
    flat.columns = pd.Index(["Method", *(f"{bits} bits" for bits in grid.columns)])
    styles = styled.reset_index(drop=True)
    styles.insert(0, "Method", "")
    styles.columns = flat.columns
    styler = flat.style.apply(lambda _: styles, axis=None).hide(axis="index")
    source = styler.to_latex(hrules=True, column_format="l" + "r" * len(grid.columns))
    body = _group_rows(source.rstrip().splitlines(), [family for family, _ in grid.index])
    longest = [max(len(text) for text in (column, *flat[column])) for column in flat.columns]
    star = "*" if sum(longest) > LATEX_COLUMN else ""
    label = "map" if number == 1 else f"map-{number}"
    caption = tex_escape(f"{table.caption} {marks(table.cells, MARKDOWN_RANKS)}".strip())
    notes = [
        rf"\par\smallskip{{\footnotesize\textsuperscript{{{n}}}~{tex_escape(text)}}}"
        for text, n in table.footnotes.items()
    ]
    return "\n".join(
        [rf"\begin{{table{star}}}[t]", r"\centering", rf"\caption{{{caption}}}",
         rf"\label{{tab:{label}}}", *body, *notes, rf"\end{{table{star}}}"]
    )  # fmt: skip


def _group_rows(lines: list[str], families: list[str]) -> list[str]:
    """Put a line with the family's name before the first row of each family."""
    start = lines.index(r"\midrule") + 1
    columns = lines[start].count(" & ") + 1
    found = lines[:start]
    for place, line in enumerate(lines[start:]):
        if place < len(families) and (not place or families[place] != families[place - 1]):
            found += [r"\addlinespace"] if place else []
            found.append(rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{families[place]}}}}} \\")
        found.append(line)
    return found


def _latex_cell(table: MapTable, cell: Cell) -> str:
    text = table.number(cell, r" $\pm$ ").replace("–", "--")
    text += r"\textsuperscript{\dag}" if cell["tied_with_best"] else ""
    mark = table.footnotes.get(cell["note"])
    return text + (rf"\textsuperscript{{{mark}}}" if mark else "")
