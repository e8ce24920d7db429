"""The look of every figure: one colour, marker and dash per method for the whole project.

Colours are those of Okabe and Ito (Color Universal Design, 2008), which readers with colour-vision
deficiency can tell apart. Their yellow is left out: as a line on white paper it cannot be read.
The family gives the hue group (hashing cool, quantization warm, references neutral); marker and
dash differ within it, so that a print in shades of grey still tells the methods apart.
"""

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from hashquant.report.drawing._fonts import WHOLE, families
from hashquant.settings.names import KINDS
from hashquant.settings.suite import digest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLACK, GREY = "#000000", "#7A7A7A"
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
VERMILLION, ORANGE, PURPLE = "#D55E00", "#E69F00", "#CC79A7"

#: Families in the order tables and legends list them, with the hues their methods may take.
HUES = {
    "hashing": (BLUE, GREEN, SKY),
    "quantization": (VERMILLION, ORANGE, PURPLE),
    "reference": (BLACK, GREY),
    "other": (BLACK, GREY, BLUE, VERMILLION, GREEN, PURPLE),
}
#: Markers that look smaller than the others at the same size.
MARKER_SCALES = {"*": 1.7, "P": 1.2, "X": 1.2, "^": 1.15, "v": 1.15, "<": 1.15, ">": 1.15, "d": 1.2}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "*", "8", "H")
SOLID, DASHED, DOTTED, DASHDOT, DASHDOTDOT, LONG = (
    (),
    (4.0, 1.5),
    (1.0, 1.2),
    (5.0, 1.3, 1.0, 1.3),
    (5.0, 1.2, 1.0, 1.2, 1.0, 1.2),
    (8.0, 2.0),
)
DASHES: tuple[tuple[float, ...], ...] = (SOLID, DASHED, DASHDOT, DOTTED, LONG, DASHDOTDOT)
#: What many variants of one method take in turn: all hues, and shapes that differ when small.
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, BLACK, SKY, VERMILLION, GREY)
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "d")
#: Variants of a method that share its hue; more of them take all hues.
ONE_HUE = 3


@dataclass(frozen=True)
class Look:
    """How one row of a table is drawn; `filled` is False for a method's first variants."""

    family: str
    color: str
    marker: str
    dash: tuple[float, ...] = SOLID
    filled: bool = True
    name: str = ""  #: in a legend; without one, the row's label
    variant: str = ""  #: what the row changes of its method
    part: str = ""  #: the panel it is drawn in where rows are many (`drawing.kinds`)


#: Fixed for good: a method looks the same in every figure of the project.
KNOWN: Mapping[str, Look] = {
    "dcdh": Look("hashing", BLUE, "D", SOLID),
    "csq": Look("hashing", GREEN, "v", DASHED),
    "orthohash": Look("hashing", SKY, "P", SOLID),
    "dpn": Look("hashing", BLUE, "<", DASHED),
    "hashnet": Look("hashing", GREEN, "X", SOLID),
    "dpsh": Look("hashing", SKY, ">", DASHED),
    "greedyhash": Look("hashing", BLUE, "h", DASHDOT),
    "dch": Look("hashing", GREEN, "p", DASHDOT),
    "dsh": Look("hashing", SKY, "8", DASHDOT),
    "dtsh": Look("hashing", BLUE, "H", DOTTED),
    "dcwh": Look("hashing", GREEN, "d", LONG),
    "ddh": Look("hashing", SKY, "*", LONG),
    "itq": Look("hashing", GREEN, "^", DOTTED),
    "lsh": Look("hashing", SKY, "v", DOTTED),
    "opqn": Look("quantization", VERMILLION, "o", SOLID),
    "gpq": Look("quantization", ORANGE, "s", DASHED),
    "dpq": Look("quantization", PURPLE, "^", DASHDOT),
    "pqn": Look("quantization", VERMILLION, "X", DASHED),
    "dtq": Look("quantization", PURPLE, "P", LONG),
    "opq": Look("quantization", ORANGE, "d", DOTTED),
    "pq": Look("quantization", PURPLE, "s", DOTTED),
    "float": Look("reference", BLACK, "*", SOLID),
    "random": Look("reference", GREY, "X", DOTTED),
}


#: Letters a line of a legend entry has at least, before the legend takes fewer columns.
MIN_LETTERS = 16


@dataclass(frozen=True)
class Preset:
    """A place a figure is printed in: sizes in inches, text in points."""

    width: float
    height: float  #: of the axes' part, without the legend below it
    font: float
    line: float
    marker: float
    page: float = 8.6  #: height of the tallest figure


PRESETS = {
    "column": Preset(width=3.5, height=2.45, font=7.5, line=1.1, marker=3.8),
    "double": Preset(width=7.16, height=3.2, font=8.5, line=1.4, marker=5.0),
    "slide": Preset(width=10.0, height=4.6, font=15.0, line=2.4, marker=8.5, page=5.6),
}


def family_of(method: str, *, codewords: int | None = None) -> str:
    """Return the family of a method: the known one, or what its code says.

    >>> family_of("dcdh"), family_of("mine", codewords=256), family_of("mine", codewords=0)
    ('hashing', 'quantization', 'hashing')
    """
    if method in KNOWN:
        return KNOWN[method].family
    if codewords is None:
        return "other"
    return "quantization" if codewords else "hashing"


def row_order(label: str, family: str, kind: str = "") -> tuple[int, int, int, str]:
    """Return the sorting key of a row: family, kind, known methods in their order, then by name.

    >>> sorted(["gpq", "gpq words=8", "opqn"], key=lambda r: row_order(r, "quantization"))
    ['opqn', 'gpq', 'gpq words=8']
    """
    known = list(KNOWN)
    method = label.partition(" ")[0]
    place = known.index(method) if method in KNOWN else len(known)
    of_kind = KINDS.index(kind) if kind in KINDS else -1
    return list(HUES).index(family), of_kind, place, label


def looks(families: Mapping[str, str]) -> dict[str, Look]:
    """Give every row (label → family) its look, no two alike, in reading order.

    A known method has its fixed look. Its variants (`opqn codebooks=learned`) keep the colour and
    take another marker, hollow; where they are many, or nothing else is shown, they take all hues
    in turn. Any other method starts from a place that its name decides.
    """
    ordered = sorted(families, key=lambda label: row_order(label, families[label]))
    found = {label: KNOWN[label] for label in ordered if label in KNOWN}
    for label in ordered:
        if label not in found and " " not in label:
            found[label] = _free_look(label, families[label], found.values())
    methods = {label.partition(" ")[0] for label in ordered}
    for method in sorted(methods):
        variants = [label for label in ordered if label.startswith(f"{method} ")]
        if len(variants) > (ONE_HUE if len(methods) > 1 else 1):
            found |= _cycled(variants, families[variants[0]], found)
        for label in variants:
            if label not in found:
                found[label] = _free_look(label, families[label], found.values())
    return {label: found[label] for label in ordered}


def looks_of(look: Mapping[str, Look], labels: Iterable[str]) -> dict[str, Look]:
    """Return the looks of some rows: a figure depends on those of no other.

    >>> looks_of(KNOWN, ["opqn", "opqn"]) == {"opqn": KNOWN["opqn"]}
    True
    """
    return {label: look[label] for label in dict.fromkeys(labels)}


def _free_look(label: str, family: str, taken: Iterable[Look]) -> Look:
    base = KNOWN.get(label.partition(" ")[0])
    hues = (base.color,) if base else HUES[family]
    choices = list(itertools.product(MARKERS, DASHES, hues))
    start = int(digest(label), 16) % len(choices)
    used = {(look.marker, look.dash) for look in taken}
    for marker, dash, color in choices[start:] + choices[:start]:
        if (marker, dash) not in used:
            return Look(family, color, marker, dash, filled=base is None)
    marker, dash, color = choices[start]
    return replace(Look(family, color, marker, dash), filled=False)


def _cycled(variants: list[str], family: str, taken: Mapping[str, Look]) -> dict[str, Look]:
    """Give neighbouring variants another hue, marker and dash each, none the method's own."""
    own = taken.get(variants[0].partition(" ")[0])
    hues = [color for color in CYCLE if own is None or color != own.color]
    shapes = [marker for marker in SHAPES if own is None or marker != own.marker]
    used = {(look.marker, look.dash) for look in taken.values()}
    found: dict[str, Look] = {}
    dash = own.dash if own else SOLID
    for place, label in enumerate(variants):
        marker = shapes[place % len(shapes)]
        after = DASHES.index(dash) + 1
        turned = [*DASHES[after:], *DASHES[: after - 1]]
        dash = next((dash for dash in turned if (marker, dash) not in used), turned[0])
        used.add((marker, dash))
        filled = place // len(shapes) % 2 == 1
        found[label] = Look(family, hues[place % len(hues)], marker, dash, filled)
    return found


@contextmanager
def drawing(preset: Preset) -> Iterator[None]:
    """Set matplotlib's parameters for one figure and put the old ones back.

    Fonts are matplotlib's own DejaVu, embedded as Type 42, and the SVG's salt is fixed: the same
    numbers give the same bytes on any machine with the same matplotlib and fontTools.
    """
    import matplotlib as mpl
    import seaborn as sns

    small = preset.font * 0.9
    settings: Any = {  # Any: matplotlib types its parameters as a union of every name
        **sns.axes_style("ticks"),
        "font.family": [*families()], "font.size": preset.font, "text.usetex": False,
        "axes.labelsize": preset.font, "axes.titlesize": preset.font, "legend.fontsize": small,
        "xtick.labelsize": small, "ytick.labelsize": small, "axes.linewidth": preset.line * 0.6,
        "xtick.major.width": preset.line * 0.6, "ytick.major.width": preset.line * 0.6,
        "xtick.major.size": preset.font * 0.4, "ytick.major.size": preset.font * 0.4,
        "axes.titlepad": preset.font * 0.5, "axes.labelpad": preset.font * 0.4,
        "lines.linewidth": preset.line, "lines.markersize": preset.marker,
        "lines.scale_dashes": True, "axes.grid": True, "grid.color": "#E4E4E4",
        "grid.linewidth": preset.line * 0.45, "axes.axisbelow": True,
        "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "path",
        "svg.hashsalt": "hashquant", "savefig.dpi": 300, "figure.dpi": 100,
    }  # fmt: skip
    with mpl.rc_context(settings):
        yield


def line_options(look: Look, preset: Preset) -> dict[str, Any]:  # Any: keywords of Axes.plot
    """Return the keywords that draw a line in this look."""
    return {
        "color": look.color,
        "marker": look.marker,
        "markersize": preset.marker * MARKER_SCALES.get(look.marker, 1.0),
        "linestyle": (0, look.dash) if look.dash else "-",
        "markerfacecolor": look.color if look.filled else "white",
        "markeredgecolor": "white" if look.filled else look.color,
        "markeredgewidth": 0.4 if look.filled else 0.8,
    }


def legend_below(axes: "Axes", preset: Preset) -> None:
    """Put the legend below the axes, in as many columns as fit, and make the figure taller for it.

    The axes keep their height whatever the number of rows; nothing covers data.
    """
    handles, labels = axes.get_legend_handles_labels()
    figure = axes.figure
    if not handles or figure is None:
        return
    em = preset.font * 0.9 / 72
    wrapped, columns, lines = _legend_grid(labels, preset.width / em)
    figure.figure.set_size_inches(preset.width, preset.height + (lines * 1.45 + 0.8) * em)
    figure.figure.legend(
        handles, wrapped, loc="outside lower center", ncols=columns, frameon=False,
        handlelength=3.2, handletextpad=0.5, columnspacing=1.2, labelspacing=0.35, borderpad=0.2,
    )  # fmt: skip


def _legend_grid(labels: list[str], width: float) -> tuple[list[str], int, int]:
    """Return wrapped labels, columns and lines of the lowest legend that is `width` em wide."""
    best: tuple[list[str], int, int] = (labels, 1, 10**6)
    for wanted in range(1, len(labels) + 1):
        # An entry takes its handle and gaps (5.2 em) and about 0.6 em a letter.
        letters = int((width / wanted - 5.2) / 0.6)
        if letters < min(MIN_LETTERS, max(map(len, labels))):
            break
        rows = -(-len(labels) // wanted)
        columns = -(-len(labels) // rows)
        wrapped = [textwrap.fill(label, letters) for label in labels]
        heights = [label.count("\n") + 1 for label in wrapped]
        lines = max(sum(heights[at : at + rows]) for at in range(0, len(heights), rows))
        if lines < best[2]:
            best = wrapped, columns, lines
    return best


@cache
def _drawable_letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(findfont(WHOLE)).get_charmap())


def drawable(text: str) -> str:
    """Return `text` as it can be drawn: no mathematics, and "?" for letters the font lacks."""
    letters = _drawable_letters()
    known = "".join(c if ord(c) in letters or c == "\n" else "?" for c in text)
    # A label that starts with an underscore would be left out of a legend.
    return known.replace("$", r"\$") if not known.startswith("_") else " " + known
