"""Plain text as LaTeX source: special characters, letters beyond Latin, what is needed for it."""

import unicodedata

#: Packages the tables need; all stand in every TeX distribution's base.
PACKAGES = ("array", "booktabs", "graphicx", "xcolor")
#: Writes a letter that pdfLaTeX has no font for: the letter in LuaLaTeX and XeLaTeX, else its code.
LETTER = (
    r"\providecommand{\hqletter}[2]{\ifdefined\directlua\symbol{#1}\else"
    r"\ifdefined\XeTeXrevision\symbol{#1}\else U+#2\fi\fi}"
)
_TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
        "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
        "`": r"\textasciigrave{}", "–": "--", "—": "---", "…": r"$\ldots$", "†": r"$\dagger$",
        "→": r"$\rightarrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "×": r"$\times$",
        "·": r"$\cdot$", "−": r"$-$", "≤": r"$\leq$", "≥": r"$\geq$", "½": r"$\frac12$",
        "ρ": r"$\rho$", "Ł": r"\L{}", "ł": r"\l{}", "Ø": r"\O{}", "ø": r"\o{}", "ß": r"\ss{}",
        "Æ": r"\AE{}", "æ": r"\ae{}", "Œ": r"\OE{}", "œ": r"\oe{}", "ı": r"\i{}",
    }
)  # fmt: skip
#: Combining marks as the accents of LaTeX.
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d",
    "\u0327": "c", "\u0331": "b",
}  # fmt: skip


def tex_escape(text: str) -> str:
    r"""Return plain text as LaTeX source in ASCII, for any engine and font encoding.

    >>> print(tex_escape("a_b & 50%"), tex_escape("Łódź"))
    a\_b \& 50\% \L{}\'{o}d\'{z}
    """
    plain = unicodedata.normalize("NFC", text)
    return "".join(map(_letter, plain)).replace(r" \%", r"\,\%")  # a number keeps its sign


def tex_prose(text: str) -> str:
    r"""Return prose as LaTeX source; what it puts in back-quotes is set as code.

    >>> print(tex_prose("row `a_b`"))
    row \texttt{a\_b}
    """
    parts = [tex_escape(part) for part in text.split("`")]
    return "".join(rf"\texttt{{{p}}}" if place % 2 else p for place, p in enumerate(parts))


def _letter(letter: str) -> str:
    known = letter.translate(_TEX)
    if known != letter or (letter.isascii() and letter.isprintable()):
        return known
    if letter.isspace() or not letter.isprintable():
        return " "
    base, *accents = list(unicodedata.normalize("NFD", letter))
    if base.isascii() and accents and all(accent in _ACCENTS for accent in accents):
        for accent in accents:
            base = rf"\{_ACCENTS[accent]}{{{base}}}"
        return base
    return rf"\hqletter{{{ord(letter)}}}{{{ord(letter):04X}}}"
