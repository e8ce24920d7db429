"""A plot of the page as SVG: the default choice, also for readers whose browser runs no script."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from hashquant.report.drawing.style import MARKER_SCALES, MARKERS, Look
from hashquant.report.page._panel import Axis, Panel, Series

#: Room around the axes in CSS pixels: above, right, below, left. The script is told the same.
MARGINS = (14, 16, 48, 56)
RADIUS, LINE = 4.0, 1.75
#: Markers along a curve of many points.
CURVE_MARKERS = 6

Scale = Callable[[float], float]


def drawn(panel: Panel, look: Mapping[str, Look], width: int, height: int) -> str:
    """Return the inside of an `<svg>` of that size: grid, scales, front, lines and markers."""
    top, right, bottom, left = MARGINS
    across = _scale(panel.x, left, width - right)
    up = _scale(panel.y, height - bottom, top)
    parts = [*_axes(panel, across, up, width, height)]
    if panel.front:
        parts.append(f'<path class="front" d="{_steps(panel.front, across, up)}"/>')
    places = {label: at for at, label in enumerate(look)}
    for order, series in enumerate(panel.series):
        inside = "".join(_series(panel, series, look[series.label], order, (across, up)))
        parts.append(f'<g class="s m{places[series.label]}">{inside}</g>')
    return "".join(parts)


def _scale(axis: Axis, start: int, stop: int) -> Scale:
    read = (lambda value: math.log10(max(value, 1e-9))) if axis.log else float
    low, high = read(axis.low), read(axis.high)
    return lambda value: round(start + (read(value) - low) / (high - low) * (stop - start), 1)


def _axes(panel: Panel, across: Scale, up: Scale, width: int, height: int) -> Iterator[str]:
    top, right, bottom, left = MARGINS
    floor, side = height - bottom, width - right
    for value, text in panel.x.ticks:
        yield f'<path class="grid" d="M{across(value)} {top}V{floor}"/>'
        yield f'<text class="tick" x="{across(value)}" y="{floor + 18}">{escape(text)}</text>'
    for value, text in panel.y.ticks:
        yield f'<path class="grid" d="M{left} {up(value)}H{side}"/>'
        place = f'x="{left - 8}" y="{up(value) + 4:.1f}"'
        yield f'<text class="tick left" {place}>{escape(text)}</text>'
    yield f'<path class="axis" d="M{left} {top}V{floor}H{side}"/>'
    middle = (left + side) / 2
    yield f'<text class="name" x="{middle}" y="{height - 8}">{escape(panel.x.label)}</text>'
    middle = (top + floor) / 2
    turned = f'x="14" y="{middle}" transform="rotate(-90 14 {middle})"'
    yield f'<text class="name" {turned}>{escape(panel.y.label)}</text>'


def _steps(front: Sequence[tuple[float, float]], across: Scale, up: Scale) -> str:
    first, *others = front
    path = f"M{across(first[0])} {up(first[1])}"
    return path + "".join(f"H{across(x)}V{up(y)}" for x, y in others)


def _series(
    panel: Panel, series: Series, look: Look, order: int, scales: tuple[Scale, Scale]
) -> Iterator[str]:
    across, up = scales
    if series.level:
        ends = f"M{across(panel.x.low)} {up(series.y[0])}H{across(panel.x.high)}"
        yield f'<path class="ln" d="{ends}"/>'
        return
    points = [(across(x), up(y)) for x, y in zip(series.x, series.y, strict=True)]
    known = [
        (x, up(max(y - sd, 0.0)), up(min(y + sd, 1.0)))
        for (x, _), y, sd in zip(points, series.y, series.sd, strict=False)
        if sd is not None
    ]
    if panel.every:
        yield from (f'<path class="sd" d="M{x} {low}V{high}"/>' for x, low, high in known)
    elif known:
        yield f'<path class="band" d="{_band(known)}"/>'
    yield f'<path class="ln" d="M{"L".join(f"{x} {y}" for x, y in points)}"/>'
    marked = range(len(points)) if panel.every else _spread([x for x, _ in points], order)
    hollow = "" if look.filled else " hollow"
    for at in marked:
        x, y = points[at]
        name = f"#mk{MARKERS.index(look.marker)}"
        yield f'<use class="mk{hollow}" href="{name}" x="{x}" y="{y}"/>'


def _band(known: Sequence[tuple[float, float, float]]) -> str:
    """Return the outline of the area between lows and highs."""
    rim = [f"{x} {high}" for x, _, high in known] + [f"{x} {low}" for x, low, _ in known[::-1]]
    return f"M{'L'.join(rim)}z"


def _spread(places: Sequence[float], order: int) -> list[int]:
    """Return where a curve's markers stand: evenly across, shifted from curve to curve."""
    if not places:
        return []
    shift = (order * (math.sqrt(5) - 1) / 2) % 1
    low, high = min(places), max(places)
    goals = [low + (k + shift) / CURVE_MARKERS * (high - low) for k in range(CURVE_MARKERS)]
    nearest = (min(range(len(places)), key=lambda at: abs(places[at] - goal)) for goal in goals)
    return sorted(set(nearest))


def markers() -> list[tuple[str, str]]:
    """Return the name and the path of every marker, centred on 0, 0."""
    return [(f"mk{at}", _shape(marker)) for at, marker in enumerate(MARKERS)]


#: Corners of each shape and the turn of the first one in degrees; stars have an inner radius.
POLYGONS = {
    "s": (4, 45, 1.0), "D": (4, 0, 1.0), "^": (3, -90, 1.0), "v": (3, 90, 1.0), "<": (3, 180, 1.0),
    ">": (3, 0, 1.0), "p": (5, -90, 1.0), "h": (6, -90, 1.0), "H": (6, 0, 1.0), "8": (8, 22.5, 1.0),
    "*": (10, -90, 0.42),
}  # fmt: skip
#: Half the width of an arm of the plus and the cross.
ARM = 0.36


def _shape(marker: str) -> str:
    radius = RADIUS * MARKER_SCALES.get(marker, 1.0)
    if marker == "o":
        half = f"a{radius} {radius} 0 1 0 "
        return f"M{-radius} 0{half}{2 * radius} 0{half}{-2 * radius} 0z"
    if marker in ("P", "X"):
        turn = 0 if marker == "P" else math.pi / 4
        corners = [(ARM, -1), (ARM, -ARM), (1, -ARM), (1, ARM), (ARM, ARM), (ARM, 1)]
        corners += [(-x, -y) for x, y in corners]
        spots = [(math.hypot(x, y), math.atan2(y, x) + turn) for x, y in corners]
    elif marker == "d":
        spots = [(1, -math.pi / 2), (0.62, 0), (1, math.pi / 2), (0.62, math.pi)]
    else:
        sides, start, inner = POLYGONS[marker]
        spots = [
            (inner if at % 2 and inner < 1 else 1.0, math.radians(start + 360 / sides * at))
            for at in range(sides)
        ]
    places = (f"{radius * r * math.cos(a):.2f} {radius * r * math.sin(a):.2f}" for r, a in spots)
    return f"M{'L'.join(places)}z"
