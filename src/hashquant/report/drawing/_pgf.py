"""Figures as PGF: drawn by the paper's own LaTeX, in the paper's own fonts."""

import io
import re
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

SETTINGS: Any = {  # Any: matplotlib types its parameters as a union of every name
    "pgf.texsystem": "pdflatex", "pgf.rcfonts": False, "pgf.preamble": ""
}  # fmt: skip
#: Letters that TeX reads as commands, and signs that its default fonts have under a name only.
#: No "$" is left: matplotlib takes the backslash from a single one, and two for mathematics.
SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "#": r"\#",
    "$": r"\textdollar{}",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\ensuremath{|}", '"': "''",
    "−": r"\ensuremath{-}", "±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}",
    "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}", "→": r"\ensuremath{\rightarrow}",
    "↔": r"\ensuremath{\leftrightarrow}", "≈": r"\ensuremath{\approx}", "·": r"\ensuremath{\cdot}",
    "†": r"\ensuremath{\dagger}", "…": r"\ldots{}", "–": "--", "—": "---", "’": "'", "“": "``",
    "”": "''", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}",
    "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
}  # fmt: skip
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip


def missing_tex() -> str:
    """Say why PGF cannot be written here, or "": LaTeX has to measure the texts."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pgf import LatexError
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, "x")
    try:
        with mpl.rc_context(SETTINGS):
            figure.savefig(io.BytesIO(), format="pgf")
    except (LatexError, RuntimeError, OSError, ValueError):
        program = SETTINGS["pgf.texsystem"]
        return f"PGF figures are left out: {program} with the package underscore does not run here"
    return ""


def pgf_files(figure: "Figure", name: str) -> dict[str, bytes]:
    r"""Return `name.pgf` and the pictures it includes, by file name.

    All lines stay lines, and text is pure ASCII: a paper needs no more than `\usepackage{pgf}`.
    The figure's texts are TeX afterwards: save other formats first.
    """
    import matplotlib as mpl

    for artist in figure.findobj():
        if artist.get_rasterized():
            artist.set_rasterized(False)
    _write_tex(figure)
    with TemporaryDirectory() as folder, mpl.rc_context(SETTINGS):
        figure.savefig(Path(folder) / f"{name}.pgf")
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _write_tex(figure: "Figure") -> None:
    """Replace all texts, and those that axes will write at their ticks."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(tex(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_tex_formatter(axis.get_major_formatter()))


def _tex_formatter(inner: "Formatter") -> "Formatter":
    from matplotlib.ticker import Formatter

    class TexFormatter(Formatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return tex(inner(x, pos))

        def format_ticks(self, values: Any) -> list[str]:  # Any: numbers, or an array
            return [tex(text) for text in inner.format_ticks(values)]

    return TexFormatter()


def tex(text: str) -> str:
    r"""Return a drawable text as TeX; what is mathematics already stays, "?" is what TeX lacks.

    >>> tex("Zoë 50% → a_b \\$1"), tex("$10^{2}$"), tex("щ")
    ('Zo\\"{e} 50\\% \\ensuremath{\\rightarrow} a\\_b \\textdollar{}1', '$10^{2}$', '?')
    """
    if re.search(r"(?<!\\)\$", text):
        return text
    return "".join(map(_letter, text.replace(r"\$", "$")))


def _letter(letter: str) -> str:
    if letter in SIGNS:
        return SIGNS[letter]
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    base, mark = parts[0], parts[1:]
    if base.isascii() and mark in ACCENTS:
        return rf"\{ACCENTS[mark]}{{{base}}}"
    return "?"
