"""Cells of heat maps: their colours, the ink on them, their numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hashquant.report.drawing.style import BLUE, VERMILLION

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

    Scale = tuple[Colormap, Normalize]

#: The ground of cells without a number.
EMPTY = "#E6E6E6"


def scales(limits: tuple[float, float]) -> "list[Scale]":
    """Return the colours of mAP, even to the eye and in grey, those of the difference, and grey.

    `limits` are the ends of the scales of mAP and of the signed difference.
    """
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    # The hues of the two families: the warm one where quantization is ahead.
    signed = LinearSegmentedColormap.from_list("signed", [BLUE, "#FFFFFF", VERMILLION])
    return [
        (mpl.colormaps["cividis"], Normalize(0, limits[0])),
        (signed, Normalize(-limits[1], limits[1])),
        (mpl.colormaps["Greys"], Normalize(-limits[0], 2 * limits[0])),
    ]


def ink(color: Sequence[float]) -> str:
    """Return black or white, whichever stands out more (WCAG 2: at least 4.5 to 1).

    >>> ink((1.0, 1.0, 1.0)), ink((0.0, 0.0, 0.3))
    ('black', 'white')
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    light = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "black" if light > 0.179 else "white"


def short_number(value: float, *, signed: bool) -> str:
    """Write a number without the zero before the point.

    >>> short_number(0.834, signed=False), short_number(-0.02, signed=True)
    ('.83', '−.02')
    """
    text = f"{abs(value):.2f}"
    text = "1.0" if text == "1.00" else text.removeprefix("0")
    if not signed:
        return text
    return text if text == ".00" else ("+" if value > 0 else "−") + text
