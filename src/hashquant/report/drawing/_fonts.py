"""The letters that figures are usually written in, as a small font of their own.

A PDF embeds the letters it uses, and cutting them out of the whole DejaVu Sans (6,000 glyphs with
their rules for Arabic and more) took four tenths of the time of a report's figures.
"""

import io
from functools import cache
from importlib.metadata import version
from pathlib import Path

from hashquant.machine.files import write_atomic
from hashquant.settings.suite import digest

#: The family that figures name first; letters it lacks come from the whole font behind it.
FAMILY, WHOLE = "DejaVu Sans Figures", "DejaVu Sans"
#: Printable ASCII and Latin-1, and the signs that names, labels and numbers are written with.
LETTERS = (*range(0x20, 0x7F), *range(0xA0, 0x100), *map(ord, "–—‘’“”†…′−×÷±≤≥≈→↔·αβγλμπσΔΣ"))


@cache
def families() -> tuple[str, ...]:
    """Return the families to draw with, the small font registered with matplotlib.

    It is made once for a version of fontTools and kept where matplotlib keeps what it caches.

    Raises:
        StoreError: if it cannot be kept.
    """
    import matplotlib as mpl
    from matplotlib.font_manager import findfont, fontManager

    whole = Path(findfont(WHOLE))
    named = digest([mpl.__version__, version("fonttools"), whole.stat().st_size, FAMILY, LETTERS])
    small = Path(mpl.get_cachedir()) / f"hashquant-{named}.ttf"
    if not small.is_file():
        write_atomic(small, small_font(whole))
    fontManager.addfont(small)
    return FAMILY, WHOLE


def small_font(whole: Path) -> bytes:
    """Return the font `whole` with `LETTERS` only: kerned, without ligatures, its dates kept."""
    from fontTools import subset

    options = subset.Options(
        layout_features=["kern"], layout_scripts=["latn"], glyph_names=True,
        drop_tables=["FFTM", "MATH", "GSUB", "GDEF"],
        notdef_outline=True, name_IDs=["*"], recalc_timestamp=False,
    )  # fmt: skip
    buffer = io.BytesIO()
    with subset.load_font(str(whole), options) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=LETTERS)
        cutter.subset(font)
        for record in font["name"].names:
            # The postscript name stays: a PDF says with it where its letters come from.
            if record.nameID in (1, 16):
                record.string = FAMILY
        font.save(buffer)
    return buffer.getvalue()
