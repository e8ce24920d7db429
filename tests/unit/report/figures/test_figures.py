"""Figures show the stored numbers, cover nothing with the legend, and repeat to the byte."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from hashquant.records.record import Curve
from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.canvas import file_stem
from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.figures._curves import (
    KINDS,
    PR,
    bits_figure,
    block_drawings,
    curve_figure,
    pr_frame,
)
from hashquant.report.figures.drawings import draw_all
from hashquant.report.frame import Metric, cells
from hashquant.report.rows import row_families

TWELVE = ["opqn", "gpq", "dpq", "dcdh", "csq", "orthohash", "itq", "lsh", "pq", "opq", "float",
          "random"]  # fmt: skip


def one_block(records):
    (block,) = select_blocks(records)
    return block, cells(block, Metric("mAP")), looks(row_families(records))


def test_curves_are_averaged_over_seeds(make):
    records = make.full(["opqn"], (16,), (0, 1), lambda m, b, s: 0.4 + 0.2 * s)
    frame = pr_frame(one_block(records)[0], 16)
    by_hand = np.mean([e.curves[0].precision for e in records.evals], axis=0)
    assert list(frame["rank"]) == list(make.ranks)
    np.testing.assert_allclose(frame["precision"], by_hand)
    np.testing.assert_allclose(frame["recall"], records.evals[0].curves[0].recall)
    spread = np.std([e.curves[0].precision for e in records.evals], axis=0, ddof=1)
    np.testing.assert_allclose(frame["precision_sd"], spread)
    assert set(frame["n"]) == {2}
    # Recall does not depend on the seed in these records.
    np.testing.assert_allclose(frame["recall_sd"], 0, atol=1e-12)


def test_secondary_curves_are_not_drawn(make):
    record = make.evaluation()
    other = Curve("sdc", (1, 2), (0.0, 0.0), (0.1, 0.2))
    record = dataclasses.replace(record, curves=(other, *record.curves))
    frame = pr_frame(one_block(make.records([record]))[0], 16)
    assert set(frame["comparison"]) == {"adc"}


@pytest.mark.parametrize("preset", ["column", "double"])
def test_legend_never_covers_data_and_nothing_is_cut(make, preset):
    records = make.full(TWELVE)
    variant = {"codebooks": "random", "entropy_weight": 0.1, "query_norm": "raw"}
    long = make.evaluation(0.3, overrides=variant)
    block, found, look = one_block(make.records([*records.evals, long]))
    with drawing(PRESETS[preset]):
        for figure in (
            *(
                curve_figure(pr_frame(block, 16), kind, look, "lfw, 16 bits", PRESETS[preset])
                for kind in KINDS
            ),
            bits_figure(found, look, Metric("mAP"), "lfw", PRESETS[preset]),
        ):
            figure.draw_without_rendering()
            renderer = figure._get_renderer()
            page = figure.bbox
            legend = figure.legends[0].get_window_extent(renderer)
            axes = figure.axes[0].get_tightbbox(renderer)
            assert figure.get_figwidth() == PRESETS[preset].width
            assert len(figure.legends[0].get_texts()) == 13
            assert legend.y1 <= axes.y0 + 1
            for box in (legend, axes):
                assert page.x0 - 1 <= box.x0
                assert box.x1 <= page.x1 + 1
                assert page.y0 - 1 <= box.y0
                assert box.y1 <= page.y1 + 1
            assert figure.axes[0].get_window_extent(renderer).height > page.width * 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_curves_show_their_columns_on_the_right_scales(make, kind):
    records = make.full(["opqn", "dcdh"], (16,), (0, 1), lambda m, b, s: 0.4 + 0.2 * s)
    block, _, look = one_block(records)
    curves = pr_frame(block, 16)
    with drawing(PRESETS["column"]):
        figure = curve_figure(curves, kind, look, "lfw", PRESETS["column"])
    (axes,) = figure.axes
    mine = curves[curves["label"] == "opqn"]
    line = next(found for found in axes.get_lines() if found.get_label() == "opqn")
    np.testing.assert_allclose(line.get_xdata(), mine[kind.x])
    np.testing.assert_allclose(line.get_ydata(), mine[kind.y])
    assert axes.get_xscale() == ("linear" if kind == PR else "log")
    band = axes.collections[1].get_paths()[0].get_extents()
    # The sd of a seed at 0.4 and one at 0.6 is 0.1414; at the first rank both recalls are small.
    if kind.y == "precision":
        assert band.y1 == pytest.approx((mine["precision"] + mine["precision_sd"]).max())
    assert axes.get_ylim()[0] == 0


def test_low_curves_have_a_scale_of_their_own(make):
    records = make.full(["opqn"], (16,), (0,), lambda m, b, s: 0.12)
    block, _, look = one_block(records)
    with drawing(PRESETS["column"]):
        figure = curve_figure(pr_frame(block, 16), PR, look, "lfw", PRESETS["column"])
    assert figure.axes[0].get_ylim() == (0, 0.2)


def test_variants_alone_are_named_by_what_they_change(make):
    variants = [make.evaluation(0.3, overrides={"margin": m}) for m in (0.1, 0.2)]
    _, found, look = one_block(make.records([make.evaluation(), *variants]))
    with drawing(PRESETS["column"]):
        figure = bits_figure(found, look, Metric("mAP"), "lfw", PRESETS["column"])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["opqn", "margin=0.1", "margin=0.2"]
    # At the one code length they stand side by side around it.
    lines = [line for line in figure.axes[0].get_lines() if line.get_label() in names]
    assert [float(line.get_xdata()[0]) for line in lines] == pytest.approx(
        [16 - 1.6 / 3, 16, 16 + 1.6 / 3]
    )


def test_a_missing_code_length_breaks_the_line(make):
    evals = [e for e in make.full(["gpq", "opqn"], (16, 24, 48)).evals
             if (e.spec.method, e.spec.bits) != ("gpq", 24)]  # fmt: skip
    _, found, look = one_block(make.records(evals))
    with drawing(PRESETS["column"]):
        figure = bits_figure(found, look, Metric("mAP"), "lfw", PRESETS["column"])
    line = next(l for l in figure.axes[0].get_lines() if l.get_label() == "gpq")  # noqa: E741
    assert list(np.isnan(line.get_ydata())) == [False, True, False]


def test_the_same_records_give_the_same_bytes_without_dates(make, tmp_path):
    records = make.full(["opqn", "dcdh"], bits=(16,))
    block, found, look = one_block(records)
    written = []
    for folder in ("a", "b"):
        paths = draw_all(
            block_drawings(block, found, Metric("mAP"), look, tmp_path / folder, PRESETS["column"])
        )
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1]
    assert set(written[0]) == {
        f"{stem}.{kind}"
        for stem in (
            "pr_lfw_16bit",
            "precision_at_k_lfw_16bit",
            "recall_at_k_lfw_16bit",
            "map_vs_bits_lfw",
        )
        for kind in ("pdf", "png", "svg", "csv")
    }
    pdf, svg = written[0]["pr_lfw_16bit.pdf"], written[0]["pr_lfw_16bit.svg"]
    assert b"/Type3" not in pdf
    assert b"FontFile2" in pdf
    assert b"CreationDate" not in pdf
    assert not re.search(rb"<dc:date>", svg)
    numbers = re.match(r"# numbers=(\w{16}) ", written[0]["pr_lfw_16bit.csv"].decode())[1]
    assert all(f"numbers={numbers}".encode() in text for text in (pdf, svg))


def test_numbers_beside_a_figure_are_those_drawn(make, tmp_path):
    block, found, look = one_block(make.full(["opqn", "dcdh"]))
    draw_all(block_drawings(block, found, Metric("mAP"), look, tmp_path, PRESETS["column"]))
    curve = tmp_path / "pr_lfw_16bit.csv"
    pd.testing.assert_frame_equal(pd.read_csv(curve, skiprows=1), pr_frame(block, 16))
    bits = pd.read_csv(tmp_path / "map_vs_bits_lfw.csv", skiprows=1)
    np.testing.assert_array_equal(bits["mean"], found["mean"])


def test_several_processes_write_the_same_bytes(make, tmp_path, monkeypatch):
    monkeypatch.setattr("hashquant.report.drawing.painters.FEWEST", 2)
    record = dataclasses.replace(make.evaluation(), curves=())
    block, found, look = one_block(make.records([record]))
    written = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        (one,) = block_drawings(block, found, Metric("mAP"), look, folder, PRESETS["column"])
        tasks = [dataclasses.replace(one, stem=folder / str(place)) for place in range(4)]
        paths = draw_all(tasks, ("svg", "pdf"), workers)
        written.append([(path.relative_to(folder), path.read_bytes()) for path in paths])
    assert written[0] == written[1]
    assert len(written[0]) == 4 * 3


def test_file_names_are_safe(make):
    block = one_block(make.records([make.evaluation(dataset="folder:a b/c")]))[0]
    assert file_stem(block) == "folder-a-b-c-c6b22e85"
    cross = one_block(make.records([make.evaluation(target="olivetti")]))[0]
    assert file_stem(cross) == "lfw--olivetti"


def test_only_failures_draw_nothing(make, tmp_path):
    block, found, look = one_block(make.records(trains=[make.training("failed", "x")]))
    assert not list(block_drawings(block, found, Metric("mAP"), look, tmp_path, PRESETS["column"]))
