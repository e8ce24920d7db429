"""Where rows are many: the parts they stand in, by family and kind, and how they look there.

Up to `MANY` rows share one panel. More stand in parts, one panel each: within a part no two rows
share a hue or a marker, whatever rows of other parts look like.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hashquant.report.drawing.style import (
    BLUE,
    GREEN,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Look,
    row_order,
)
from hashquant.report.rows import REFERENCE
from hashquant.settings.names import KINDS, Names

#: Rows that share one panel, at most.
MANY = 10
#: Darker than the hues of Okabe and Ito, so that shades of grey part them too.
INDIGO, WINE, OLIVE, BROWN = "#332288", "#882255", "#7A7A00", "#6B4423"
TEN = (BLUE, ORANGE, GREEN, PURPLE, INDIGO, VERMILLION, SKY, WINE, OLIVE, BROWN)
#: Parts in the order of tables; each has its hue and marker where a part is drawn as one.
PARTS = (
    *(f"hashing: {kind}" for kind in KINDS), "quantization", "hashing", "quantization: fitted",
)  # fmt: skip


def part_style(part: str) -> tuple[str, str]:
    """Return hue and marker of a part, the same in every figure."""
    place = PARTS.index(part) if part in PARTS else len(PARTS)
    return TEN[place], MARKERS[place]


def part_name(family: str, kind: str) -> str:
    """Name the part of a table that rows of a family and kind stand in.

    >>> part_name("hashing", "pairs"), part_name("hashing", "")
    ('hashing: pairs', 'hashing')
    """
    return f"{family}: {kind}" if kind else family


def in_parts(look: Mapping[str, Look], names: Names) -> dict[str, Look]:
    """Return the looks of a suite's rows, each with its part where they are many.

    Few rows, and rows that would all stand in one part, keep their looks as they are.
    """
    parts = {
        label: part_name(row.family, names.kind(label) if row.family != REFERENCE else "")
        for label, row in look.items()
    }
    if len(look) <= MANY or len({part for part in parts.values() if part != REFERENCE}) == 1:
        return dict(look)
    ordered = sorted(
        look, key=lambda label: row_order(label, look[label].family, names.kind(label))
    )
    found: dict[str, Look] = {}
    for label in ordered:
        row = replace(look[label], part=parts[label])
        if row.family != REFERENCE:
            row = _apart(row, found.values())
        found[label] = row
    return found


def parts_of(look: Mapping[str, Look], labels: Iterable[str]) -> dict[str, list[str]]:
    """Return the rows of each part in order; nothing where one panel can hold them all.

    Rows without a part, and references, are in none.
    """
    shown = [label for label in dict.fromkeys(labels) if label in look]
    found: dict[str, list[str]] = {}
    for label in [label for label in look if label in shown]:
        if look[label].part and look[label].family != REFERENCE:
            found.setdefault(look[label].part, []).append(label)
    return found if len(shown) > MANY and len(found) > 1 else {}


def short_part(part: str, parts: Iterable[str]) -> str:
    """Return a part's kind alone where no other family has one of that kind.

    >>> short_part("hashing: pairs", ["hashing: pairs", "quantization"])
    'pairs'
    >>> short_part("hashing: fitted", ["hashing: fitted", "quantization: fitted"])
    'hashing: fitted'
    """
    kind = part.partition(": ")[2]
    alike = [other for other in parts if other.partition(": ")[2] == kind]
    return kind if kind and len(set(alike)) == 1 else part


def best_looks(
    parts: Mapping[str, Sequence[str]], look: Mapping[str, Look], scores: Mapping[str, float]
) -> dict[str, Look]:
    """Return the looks of each part's best row, named with its part, and of the references.

    What is drawn together then differs by hue and marker, whatever parts it is of.
    """
    found: dict[str, Look] = {}
    for part, labels in parts.items():
        label = max(labels, key=lambda label: scores[label])
        row = look[label]
        name = f"{row.name or label} ({short_part(part, parts)})"
        color, marker = part_style(part)
        found[label] = replace(row, color=color, marker=marker, name=name)
    return found | {label: row for label, row in look.items() if row.family == REFERENCE}


def _apart(row: Look, taken: Iterable[Look]) -> Look:
    """Return a look that differs from those taken: in its part by hue and marker, else by both."""
    others = list(taken)
    beside = [other for other in others if other.part == row.part]
    turn = len(beside) // len(TEN) * len(TEN)
    used = {other.color for other in beside[turn:]}
    color = next(hue for hue in (row.color, *TEN) if hue not in used)
    marks = {other.marker for other in beside[turn:]}
    marks |= {other.marker for other in others if other.color == color}
    marker = next((mark for mark in (row.marker, *MARKERS) if mark not in marks), row.marker)
    return replace(row, color=color, marker=marker)
