"""A sheet shows every image once in its place, frames the right ones and cuts nothing."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from hashquant.report.drawing.style import GREEN, PRESETS, drawing
from hashquant.report.figures.drawings import draw_all
from hashquant.report.figures.retrieval import (
    Results,
    Sheet,
    sheet_drawing,
    sheet_figure,
    sheet_frame,
)

QUERIES, RANKS = 3, 10
TERMS = "drawn, anybody may show them"


def picture(*value, size=(6, 4)):
    return np.broadcast_to(np.array(value, dtype=np.uint8), (*size, 3))


def results(label, number):
    right = (np.arange(QUERIES * RANKS) % 3 == number).reshape(QUERIES, RANKS)
    images = [[picture(number, query, rank) for rank in range(RANKS)] for query in range(QUERIES)]
    items = np.arange(QUERIES * RANKS).reshape(QUERIES, RANKS) + 100 * number
    return Results(label, np.array([0.1, 0.25, 1.0]), items, items / 7, right, ~right,
                   np.array(images))  # fmt: skip


@pytest.fixture
def sheet():
    long = "gpq labels=100% codebooks=learned"
    found = [results("opqn", 0), results(long, 1)]
    images = np.array([picture(255, query, 0) for query in range(QUERIES)])
    return Sheet("lfw, 24 bits", np.array([8, 2, 5]), images, found, TERMS)


@pytest.mark.parametrize("preset", ["double", "slide"])
def test_images_stand_in_order_and_right_ones_are_framed(sheet, preset):
    with drawing(PRESETS[preset]):
        figure = sheet_figure(sheet, PRESETS[preset])
        figure.draw_without_rendering()
    (axes,) = figure.axes
    shown = {
        tuple(int(v) for v in i.get_array()[0, 0]): tuple(i.get_extent()) for i in axes.get_images()
    }
    assert len(shown) == QUERIES * (1 + 2 * RANKS)
    for query in range(QUERIES):
        for number in (0, 1):
            row = [shown[number, query, rank] for rank in range(RANKS)]
            assert all(a[1] < b[0] for a, b in itertools.pairwise(row))
            assert len({extent[2:] for extent in row}) == 1
            assert shown[255, query, 0][1] < row[0][0]
        assert shown[0, query, 0][2] < shown[1, query, 0][3]
    left, right, bottom, top = shown[0, 0, 0]
    assert (bottom - top) / (right - left) == pytest.approx(6 / 4)
    frames = [p for p in axes.patches if isinstance(p, Rectangle)]
    assert {to_hex(p.get_edgecolor()).upper() for p in frames} == {GREEN}
    wanted = {shown[number, query, rank][::3] for number, found in enumerate(sheet.results)
              for query, rank in np.argwhere(found.right)}  # fmt: skip
    assert {p.get_xy() for p in frames} == wanted


def test_nothing_is_cut_and_rule_ties_and_terms_are_said(sheet):
    with drawing(PRESETS["double"]):
        figure = sheet_figure(sheet, PRESETS["double"])
        figure.draw_without_rendering()
        page, renderer = figure.bbox, figure._get_renderer()
    texts = figure.axes[0].texts
    for text in texts:
        box = text.get_window_extent(renderer)
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, text.get_text()
        assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1, text.get_text()
    said = " ".join(texts[-1].get_text().split())
    assert "average precision (AP) of opqn" in said
    assert "equal score in one seeded random order" in said
    assert TERMS in said


def test_the_numbers_and_the_bytes_repeat(sheet, tmp_path):
    frame = sheet_frame(sheet)
    line = frame[(frame["query"] == 2) & (frame["label"] == "opqn") & (frame["rank"] == 4)].iloc[0]
    assert (line["ap"], line["item"], line["right"], line["tied"]) == (0.25, 13, False, True)
    assert len(frame) == QUERIES * 2 * RANKS
    written = [draw_all([sheet_drawing(sheet, tmp_path / x / "retrieval_x")]) for x in "ab"]
    assert [path.suffix for path in written[0]] == [".pdf", ".png", ".svg", ".csv"]
    for one, other in zip(*written, strict=True):
        assert one.read_bytes() == other.read_bytes()
