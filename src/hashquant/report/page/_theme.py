"""The look of the pages: templates and style, ink and paper in both themes, figures' colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from hashquant.machine.plaintext import visible
from hashquant.report.drawing.style import BLACK, Look

TEMPLATES = Path(__file__).with_name("templates")
#: Least contrast of a line or a marker with the paper (WCAG 2.2, 1.4.11), and of text (1.4.3).
GRAPHIC, TEXT = 3.0, 4.5
#: Steps in which a colour is moved towards the ink until it can be seen.
STEPS = 50
#: Largest share of the heat colour behind a number.
HEAT_SHARE = 0.6


@dataclass(frozen=True)
class Theme:
    """Colours of one theme, as `#rrggbb`; `edge` outlines controls, `rule` only decorates."""

    paper: str
    ink: str
    muted: str
    rule: str
    edge: str
    accent: str
    heat: str
    raised: str


LIGHT = Theme(
    "#FFFEFC", "#1B1A18", "#5A574F", "#DCD8CE", "#857F74", "#0B4F8A", "#F2B766", "#F5F2EB"
)
DARK = Theme("#17181B", "#E9E6DF", "#ABA89F", "#3B3C41", "#83848A", "#93BFEA", "#8F5A17", "#212327")


def channels(color: str) -> tuple[float, float, float]:
    """Return red, green and blue of `#rrggbb`, 0 … 1.

    >>> channels("#FF0033")
    (1.0, 0.0, 0.2)
    """
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def luminance(color: str) -> float:
    """Return the relative luminance of a colour, 0 … 1 (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 … 21 (WCAG 2.2).

    >>> contrast("#000000", "#FFFFFF"), contrast("#123456", "#123456")
    (21.0, 1.0)
    """
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mixed(color: str, other: str, share: float) -> str:
    """Return `color` with a share of `other` in it, channel by channel.

    >>> mixed("#000000", "#FFFFFF", 0.2)
    '#333333'
    """
    pairs = zip(channels(color), channels(other), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * share)):02X}" for a, b in pairs)


def on_paper(color: str, theme: Theme) -> str:
    """Return a figure's colour as it can be seen on a theme's paper: its hue, nearer the ink.

    Black is the ink itself: what is darkest in print is lightest on dark ground.
    """
    if color == BLACK:
        return theme.ink
    shades = (mixed(color, theme.ink, step / STEPS) for step in range(STEPS + 1))
    return next(shade for shade in shades if contrast(shade, theme.paper) >= GRAPHIC)


def variables(theme: Theme, look: Mapping[str, Look]) -> dict[str, str]:
    """Return the CSS variables of a theme: its own colours, and `m0`, `m1` … of the rows."""
    found = {name: getattr(theme, name) for name in Theme.__dataclass_fields__}
    rows = {f"m{at}": on_paper(row.color, theme) for at, row in enumerate(look.values())}
    return found | rows


def template(name: str) -> Template:
    """Return a template that escapes what it is given and refuses what it is not."""
    return _environment().get_template(name)


def style() -> str:
    """Return the style sheet of all pages."""
    return _text("style.css")


def script() -> str:
    """Return the script of a suite's page."""
    return _text("page.js")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip


def _shown(value: object) -> object:
    # What is marked safe is our own; a name may hold anything.
    return visible(value) if type(value) is str else value


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").rstrip()
