"""The small font has the letters it names, drawn as in the whole one; others still come through."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from matplotlib import get_cachedir
from matplotlib.font_manager import findfont, get_font
from matplotlib.ft2font import FT2Font, LoadFlags

from hashquant.report.drawing._fonts import FAMILY, LETTERS, WHOLE, families, small_font
from hashquant.report.drawing.canvas import canvas
from hashquant.report.drawing.files import Drawing, write_files
from hashquant.report.drawing.style import PRESETS


def test_the_letters_are_those_of_the_whole_font():
    assert families() == (FAMILY, WHOLE)
    small, whole = (get_font(findfont(family)) for family in families())
    assert Path(small.fname).parent == Path(get_cachedir())
    assert set(small.get_charmap()) >= set(LETTERS)
    for letter in LETTERS:
        shapes = []
        for font in (small, whole):
            glyph = font.load_char(letter, flags=LoadFlags.NO_SCALE)
            shapes.append((glyph.horiAdvance, [part.tolist() for part in font.get_path()]))
        assert shapes[0] == shapes[1], chr(letter)


def test_pairs_keep_their_kerning():
    widths = []
    for family in families():
        font = FT2Font(findfont(family))
        font.set_size(20, 72)
        font.set_text("AVATAR Tow 11", flags=LoadFlags.NO_HINTING)
        widths.append(font.get_width_height())
    assert widths[0] == widths[1]


def test_the_font_is_made_the_same_each_time():
    whole = Path(findfont(WHOLE))
    assert small_font(whole) == small_font(whole)


def titled(text, preset):
    figure, axes = canvas(preset)
    axes.set_title(text)
    return figure


@pytest.mark.parametrize(("text", "fonts"), [("float fi – lfw → Zoë", 1), ("щ", 2)])
def test_a_pdf_holds_one_font_and_the_whole_one_only_for_rare_letters(tmp_path, text, fonts):
    preset = PRESETS["column"]
    task = Drawing(partial(titled, text, preset), pd.DataFrame(), tmp_path / "x", preset)
    pdf = write_files(task, ("pdf",))[0].read_bytes()
    assert pdf.count(b"/FontFile2") == fonts
    assert b"/Type3" not in pdf
