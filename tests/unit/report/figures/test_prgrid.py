"""The grid of all curves: every panel once, pages of a readable height, one legend."""

import itertools

import numpy as np
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.figures._prgrid import grid_figure, grid_frame, page_drawing, pages
from hashquant.report.figures.drawings import draw_all
from hashquant.report.rows import row_families

TARGETS = [f"set{i}" for i in range(7)]
METHODS = ["opqn", "gpq", "dpq", "dcdh", "csq", "orthohash", "itq", "lsh", "pq", "opq", "float",
           "random"]  # fmt: skip


@pytest.fixture
def records(make):
    """Seven targets at two lengths; `opqn` is missing on the first."""
    evals = [make.evaluation(0.2 + 0.1 * at, method=method, target=target, bits=bits)
             for at, target in enumerate(TARGETS) for bits in (16, 24)
             for method in METHODS if (method, target) != ("opqn", "set0")]  # fmt: skip
    return make.records(evals)


def test_every_block_is_on_one_page(records):
    blocks = select_blocks(records)
    found = pages(blocks)
    assert [len(page) for page in found] == [4, 3]
    assert [block for page in found for block in page] == list(blocks)
    assert len(pages(blocks, PRESETS["slide"])) > 2


def test_a_single_panel_is_no_grid(make):
    assert pages(select_blocks(make.records([make.evaluation()]))) == []
    assert pages(select_blocks(make.records(trains=[make.training("failed", "x")]))) == []
    assert len(pages(select_blocks(make.full(["opqn"])))) == 1


def test_panels_are_readable_and_the_legend_is_shared(records):
    (page, _), look = pages(select_blocks(records)), looks(row_families(records))
    preset = PRESETS["double"]
    with drawing(preset):
        curves = grid_frame(page)
        figure = grid_figure(curves, look, preset)
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
    assert len(figure.axes) == 8
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "dcdh", "csq", "orthohash", "itq", "lsh", "opqn", "gpq", "dpq", "opq", "pq", "float",
        "random",
    ]  # fmt: skip
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    frame = legend.get_window_extent(renderer)
    for box in (*boxes, frame):
        assert figure.bbox.x0 - 1 <= box.x0 < box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0 < box.y1 <= figure.bbox.y1 + 1
    assert not any(a.overlaps(b) for a, b in itertools.combinations([*boxes, frame], 2))
    assert figure.get_figheight() < 9.5
    assert all(axes.get_window_extent(renderer).height > 100 for axes in figure.axes)


def test_numbers_beside_a_page_are_those_drawn(records, tmp_path):
    page, look = pages(select_blocks(records))[0], looks(row_families(records))
    paths = draw_all([page_drawing(page, look, tmp_path / "pr_grid_1")])
    assert [path.suffix for path in paths] == [".pdf", ".png", ".svg", ".csv"]
    curves = grid_frame(page)
    assert len(curves.groupby(["dataset", "target", "bits"])) == 8
    with drawing(PRESETS["double"]):
        figure = grid_figure(curves, look, PRESETS["double"])
    second = curves[(curves["target"] == "set0") & (curves["bits"] == 24)]
    line = figure.axes[1].get_lines()[0]
    first = second[second["label"] == "dcdh"]
    np.testing.assert_allclose(line.get_ydata(), first["precision"])
