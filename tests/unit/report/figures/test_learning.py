"""Learning curves: the held-out scores of each row, averaged over seeds, where there are any."""

import dataclasses

import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.figures._learning import (
    learning_drawings,
    learning_figure,
    learning_frame,
)
from hashquant.report.figures.drawings import draw_all
from hashquant.report.rows import row_families

CURVES = {("opqn", 0): (0.1, 0.3, 0.5), ("opqn", 1): (0.2, 0.3, 0.7), ("dcdh", 0): (0.1, 0.2, 0.2)}


@pytest.fixture
def judged(make):
    """Two rows at 16 bits, one with two seeds; at 24 bits nobody was judged."""
    records = make.full(["opqn", "dcdh"])
    trains = [
        dataclasses.replace(r, validation=CURVES.get((r.spec.method, r.spec.seed), ()))
        if r.spec.bits == 16 else r
        for r in records.trains
    ]  # fmt: skip
    return dataclasses.replace(records, trains=tuple(trains))


def frame_of(records):
    (block,) = select_blocks(records)
    return learning_frame(block, 16, {r.run_id: r for r in records.trains if r.validation})


def test_a_curve_is_the_mean_of_the_seeds_that_were_judged(judged):
    frame = frame_of(judged).set_index(["label", "epoch"])
    assert list(frame.loc["opqn", "mean"]) == pytest.approx([0.15, 0.3, 0.6])
    assert list(frame.loc["opqn", "n"]) == [2, 2, 2]
    assert list(frame.loc["opqn", "sd"]) == pytest.approx([0.0707, 0, 0.1414], abs=1e-4)
    assert list(frame.loc["dcdh", "mean"]) == pytest.approx([0.1, 0.2, 0.2])
    assert list(frame.loc["dcdh", "n"]) == [1, 1, 1]


def test_only_lengths_that_were_judged_are_drawn(judged, make, tmp_path):
    look, blocks = looks(row_families(judged)), select_blocks(judged)
    tasks = list(learning_drawings(judged, blocks, look, tmp_path))
    assert [task.stem.name for task in tasks] == ["learning_lfw_16bit"]
    assert {path.suffix for path in draw_all(tasks)} == {".csv", ".pdf", ".png", ".svg"}
    plain = make.full(["opqn"])
    assert list(learning_drawings(plain, select_blocks(plain), look, tmp_path)) == []


def test_the_figure_shows_the_frame(judged):
    look = looks(row_families(judged))
    with drawing(PRESETS["column"]):
        figure = learning_figure(frame_of(judged), look, "lfw, 16 bits", PRESETS["column"])
    (axes,) = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert lines["opqn"] == pytest.approx([0.15, 0.3, 0.6])
    assert axes.get_ylim()[0] == 0
