"""Variants beside the method's own row: differences by hand, significance, and the figure."""

import itertools

import numpy as np
import pandas as pd
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import PRESETS, drawing
from hashquant.report.evidence.queries import gather
from hashquant.report.figures._ablation import ablation_drawings, ablation_figure
from hashquant.report.figures.drawings import draw_all
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables._ablation import ablation_frame, ablation_sheet

LEARNED, NONE = {"codebooks": "learned"}, {"entropy_weight": 0.0}


def study(records):
    blocks = select_blocks(records)
    return ablation_frame(gather(records, blocks)), blocks


def line(frame, label, bits=16):
    (found,) = frame[(frame["label"] == label) & (frame["bits"] == bits)].to_dict("records")
    return found


@pytest.fixture
def variants(exams, people, middling):
    """Learned codewords are 0.1 worse on everybody; without entropy some gain what others lose."""
    noise = np.where(people % 2, 0.05, -0.05)
    for bits in (16, 24):
        exams.add(middling, people, bits=bits)
        exams.add(middling - 0.1, people, bits=bits, overrides=LEARNED)
        exams.add(middling + noise, people, bits=bits, overrides=NONE)
        exams.add(middling, people, bits=bits, method="dcdh")
    return exams.records()


def test_differences_are_to_the_methods_own_row(variants, middling):
    frame, _ = study(variants)
    assert set(frame["label"]) == {"opqn", "opqn codebooks=learned", "opqn entropy_weight=0.0"}
    assert set(frame["default"]) == {"opqn"}
    own, learned = line(frame, "opqn"), line(frame, "opqn codebooks=learned")
    assert own["mean"] == pytest.approx(middling.mean())
    assert np.isnan(own["difference"])
    assert learned["difference"] == pytest.approx(-0.1)
    assert (learned["low"], learned["high"]) == pytest.approx((-0.1, -0.1))


def test_a_planted_difference_is_significant_and_noise_is_not(variants):
    frame, _ = study(variants)
    learned, none = line(frame, "opqn codebooks=learned"), line(frame, "opqn entropy_weight=0.0")
    assert learned["p_holm"] < 0.05
    assert none["difference"] == pytest.approx(0.0, abs=1e-12)
    assert none["low"] < 0 < none["high"]
    assert none["p_holm"] > 0.5
    # Two significant ones of four tested: the smallest p-value counts four times.
    assert learned["p_holm"] == pytest.approx(4 * learned["p_value"])


def test_each_table_is_corrected_on_its_own(exams, people, middling):
    for target, protocol in (("lfw", "seen"), ("olivetti-cross", "cross")):
        exams.add(middling, people, protocol, target=target)
        exams.add(middling - 0.1, people, protocol, target=target, overrides=LEARNED)
    frame, _ = study(exams.records())
    tested = frame[frame["p_holm"].notna()]
    assert list(tested["target"]) == ["lfw", "olivetti-cross"]
    assert list(tested["p_holm"]) == list(tested["p_value"])


def test_a_suite_without_variants_has_no_ablation(make):
    frame, _ = study(make.full(["opqn", "dcdh"]))
    assert frame.empty


def test_queries_that_are_missing_leave_a_difference_without_interval(
    make, exams, people, middling
):
    exams.add(middling, people)
    alone = make.evaluation(0.3, overrides=LEARNED)
    frame, blocks = study(exams.records(evals=[alone]))
    found = line(frame, "opqn codebooks=learned")
    assert found["difference"] == pytest.approx(0.3 - middling.mean())
    assert np.isnan(found["low"])
    assert found["note"] == "seed 0 has no readable file of its queries"
    assert found["note"] in markdown(ablation_sheet(frame, blocks, "demo"), "d")


def test_a_default_without_queries_leaves_no_interval_either(make, exams, people, middling):
    exams.add(middling, people, overrides=LEARNED)
    frame, _ = study(exams.records(evals=[make.evaluation(0.6)]))
    found = line(frame, "opqn codebooks=learned")
    assert found["difference"] == pytest.approx(middling.mean() - 0.6)
    assert found["note"] == "opqn: seed 0 has no readable file of its queries"


def test_a_length_that_the_default_lacks_says_so(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling, people, overrides=LEARNED, bits=24)
    frame, _ = study(exams.records())
    assert line(frame, "opqn", 24)["note"] == "not run"
    found = line(frame, "opqn codebooks=learned", 24)
    assert found["note"] == "opqn: no score at 24 bits"
    assert np.isnan(found["difference"])


def test_the_table_says_default_difference_interval_and_p(variants):
    frame, blocks = study(variants)
    text = markdown(ablation_sheet(frame, blocks, "demo"), "d")
    assert text.count("opqn (default)") == 2
    row = next(x for x in text.splitlines() if "codebooks=learned" in x)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[3:5] == ["−0.1000", "−0.1000 … −0.1000"]
    assert cells[1] == "16"


def points(axes):
    """Each marker's place and whether it is filled, without the legend's own."""
    return [
        (float(x[0]), round(float(y[0])), drawn.get_markerfacecolor() != "white")
        for drawn in axes.get_lines()
        if drawn.get_marker() not in ("None", "") and len(x := drawn.get_xdata()) == 1
        and (y := drawn.get_ydata()) is not None
    ]  # fmt: skip


def test_the_figure_shows_dots_intervals_zero_line_and_default(variants):
    frame, _ = study(variants)
    with drawing(PRESETS["column"]):
        figure = ablation_figure(frame, "lfw", PRESETS["column"])
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["codebooks=learned", "entropy_weight=0.0"]
    drawn = points(axes)
    assert [(x, y) for x, y, _ in drawn if y == 0] == [(pytest.approx(-0.1), 0)] * 2
    assert {y: filled for _, y, filled in drawn} == {0: True, 1: False}
    bars = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 2]
    expected = line(frame, "opqn entropy_weight=0.0")
    assert any(np.allclose(bar, [expected["low"], expected["high"]]) for bar in bars)
    assert any(list(bar) == [0, 0] for bar in bars)
    own = line(frame, "opqn")["mean"]
    assert f"default opqn: {own:.3f} at 16 bits" in figure._suptitle.get_text()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["16 bits", "24 bits"]


@pytest.mark.parametrize("preset", ["column", "double", "slide"])
def test_nothing_is_cut_or_covered_with_many_long_names(exams, people, middling, preset):
    changes = [{f"parameter_{i}": "a-long-value", "other": i} for i in range(12)]
    for bits in (16, 24, 36, 48):
        exams.add(middling, people, method="neu_é", bits=bits)
        for place, change in enumerate(changes):
            exams.add(middling - 0.01 * place, people, method="neu_é", bits=bits, overrides=change)
    frame, _ = study(exams.records())
    with drawing(PRESETS[preset]):
        figure = ablation_figure(frame, "Zoë 人 → olivetti" * 8, PRESETS[preset])
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
    axes = figure.axes[0]
    box, legend = axes.get_tightbbox(renderer), figure.legends[0].get_window_extent(renderer)
    title = figure._suptitle.get_window_extent(renderer)
    for part in (box, legend, title):
        assert figure.bbox.x0 - 1 <= part.x0
        assert part.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= part.y0
        assert part.y1 <= figure.bbox.y1 + 1
    assert legend.y1 <= box.y0 + 1
    assert box.y1 <= title.y0 + 1
    names = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
    assert all(a.y0 >= b.y1 - 1 for a, b in itertools.pairwise(names))
    assert axes.get_window_extent(renderer).width > 0.4 * figure.bbox.width


def test_two_methods_keep_their_names_in_the_figure(exams, people, middling):
    for method, change in (("opqn", LEARNED), ("gpq", {"words": 8})):
        exams.add(middling, people, method=method)
        exams.add(middling - 0.1, people, method=method, overrides=change)
    frame, _ = study(exams.records())
    with drawing(PRESETS["column"]):
        figure = ablation_figure(frame, "lfw", PRESETS["column"])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["gpq words=8", "opqn codebooks=learned"]


def test_figures_repeat_to_the_byte_and_keep_their_numbers(variants, tmp_path):
    frame, blocks = study(variants)
    preset = PRESETS["column"]
    written = [draw_all(ablation_drawings(frame, blocks, tmp_path / x, preset)) for x in ("a", "b")]
    assert [p.read_bytes() for p in written[0]] == [p.read_bytes() for p in written[1]]
    assert [p.name for p in written[0]] == [
        f"ablation_lfw.{kind}" for kind in ("pdf", "png", "svg", "csv")
    ]
    table = pd.read_csv(written[0][3], skiprows=1)
    np.testing.assert_array_equal(table["difference"], frame["difference"])
