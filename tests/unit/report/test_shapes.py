"""Stores of odd shapes: only references, lengths that one set lacks, curves and scores missing."""

import dataclasses

import pytest

from hashquant.records.record import Curve
from hashquant.report import Options, terminal_table, write_report
from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.figures._curves import KINDS, pr_frame, top
from hashquant.report.figures._prgrid import grid_figure, grid_frame
from hashquant.report.rows import row_families


def floats(make, **asked):
    return make.without_code(make.evaluation(method="float", bits=16384, **asked))


def shapes(make):
    e, failed = make.evaluation, make.training
    bare = dataclasses.replace(e(dataset="a"), scores=())
    none = dataclasses.replace(e(), curves=(Curve("adc", (), (), ()),))
    return {
        "float": [[floats(make)], []],
        "random": [[e(method="random")], []],
        "references on targets": [
            [*(floats(make, target=t) for t in ("lfw", "b")),
             *(e(method="random", target=t) for t in ("lfw", "b"))],
            [],
        ],
        "references and a skipped code": [
            [floats(make)], [failed("skipped", "too few images", method="pq")]
        ],
        "a set without a score": [[bare, e(dataset="b")], []],
        "a curve without a point": [[none, e(method="dcdh")], []],
        "a set that failed": [[e(dataset="a")], [failed("failed", "x", dataset="b", bits=24)]],
        "lengths apart": [[e(dataset="a", bits=8), e(dataset="b", bits=32)], []],
    }  # fmt: skip


def test_any_shape_has_a_table_and_a_page(make, tmp_path):
    for name, shape in shapes(make).items():
        records = make.records(*shape)
        report = write_report(records, tmp_path / name, Options(figures=False))
        shown = terminal_table(records, report.headline)
        assert all(record.spec.method in shown for record in records.evals), name
        assert report.page.is_file(), name
        assert (tmp_path / name / "tables/map.md").is_file(), name


@pytest.mark.parametrize(
    "cells",
    [[("a", 8), ("b", 8), ("b", 32)], [("a", 8), ("b", 16), ("c", 32)]],
    ids=["one lacks it", "none share one"],
)
def test_a_length_that_a_set_lacks_is_an_empty_panel(make, cells):
    records = make.records([make.evaluation(dataset=name, bits=bits) for name, bits in cells])
    blocks = select_blocks(records)
    with drawing(PRESETS["double"]):
        figure = grid_figure(grid_frame(blocks), looks(row_families(records)), PRESETS["double"])
        figure.draw_without_rendering()
    sets, lengths = ({cell[place] for cell in cells} for place in (0, 1))
    assert len(figure.axes) == len(sets) * len(lengths)
    drawn = sum(any(len(line.get_xdata()) for line in axes.get_lines()) for axes in figure.axes)
    assert drawn == len(cells)
    assert top(pr_frame(blocks[0], 999), KINDS[0]) == 1.02
