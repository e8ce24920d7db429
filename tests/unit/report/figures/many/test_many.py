"""Figures of many rows: every row once, in the panel or on the line of its part, nothing cut."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.kinds import parts_of
from hashquant.report.drawing.style import PRESETS, drawing
from hashquant.report.evidence.queries import gather
from hashquant.report.figures._budgets import budgets_figure
from hashquant.report.figures._criticaldifference import ranks_figure
from hashquant.report.figures._curves import KINDS, PR, bits_figure, curve_figure, pr_frame
from hashquant.report.figures._heatmaps import matrix_drawings
from hashquant.report.figures._learning import learning_figure
from hashquant.report.figures._panels import panel_grid
from hashquant.report.figures._prgrid import page_drawing
from hashquant.report.figures._relative import relative_figure
from hashquant.report.figures.drawings import draw_all
from hashquant.report.figures.many.lines import lines_of
from hashquant.report.frame import Metric, cells
from hashquant.report.tables.budgets import budgets_frame
from hashquant.report.tables.domains import matrix_frame
from hashquant.report.tables.ranks import RankStudy
from hashquant.statistics.ranks import rank_test

ROWS = 13  # of the field, without its two references


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


@pytest.mark.parametrize("preset", ["column", "double"])
@pytest.mark.parametrize("kind", KINDS)
def test_curves_stand_in_parts_beside_what_they_are_measured_by(field, inside, preset, kind):
    curves = pr_frame(field.blocks[0], 16)
    with drawing(PRESETS[preset]):
        figure = curve_figure(curves, kind, field.look, "lfw", PRESETS[preset])
        assert inside(figure)
    assert titles(figure) == ["pairs", "centres", "fitted", "quantization"]
    panel = figure.axes[0]
    drawn = [line for line in panel.get_lines() if line.get_label() in field.look]
    assert [line.get_label() for line in drawn] == [f"pair{i}" for i in range(5)]
    # Two references and the best of three other parts stand behind, without a marker.
    assert len(panel.get_lines()) == 5 + 2 + 3
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    named = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert len(named) == len(set(named)) == ROWS
    assert {axes.get_ylim() for axes in figure.axes if axes.get_title()} == {panel.get_ylim()}
    assert figure.get_figwidth() == PRESETS[preset].width
    assert figure.get_figheight() <= PRESETS[preset].page


def test_the_grey_line_is_the_best_of_its_part(field):
    curves = pr_frame(field.blocks[0], 16)
    with drawing(PRESETS["double"]):
        figure = curve_figure(curves, PR, field.look, "lfw", PRESETS["double"])
    best = curves[curves["label"] == "centre0"]["precision"].to_numpy()
    behind = [line.get_ydata() for line in figure.axes[0].get_lines() if not line.get_marker()]
    assert any(np.array_equal(best, line) for line in behind)


def test_scores_have_a_line_each_below_the_heading_of_their_part(field, inside):
    block = field.blocks[0]
    found = cells(block, Metric("mAP"))
    with drawing(PRESETS["column"]):
        figure = bits_figure(found, field.look, Metric("mAP"), "lfw", PRESETS["column"])
        assert inside(figure)
    (axes,) = figure.axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert sorted(filter(None, names)) == sorted(field.look)
    heads = [text.get_text() for text in axes.texts]
    assert heads == ["pairs", "centres", "fitted", "quantization", "reference"]
    assert [names[int(text.get_position()[1])] for text in axes.texts] == [""] * 5
    dots = next(line for line in axes.get_lines() if line.get_label() == "16 bits")
    at = dict(zip(np.round(dots.get_ydata()).astype(int), dots.get_xdata(), strict=True))
    (score,) = found[(found["label"] == "centre2") & (found["bits"] == 16)]["mean"]
    assert at[names.index("centre2")] == pytest.approx(score)
    assert len(figure.legends[0].get_texts()) == 2


def test_a_figure_of_few_rows_of_many_has_one_panel(field):
    few = field.look.keys() - {f"centre{i}" for i in range(6)}
    curves = pr_frame(field.blocks[0], 16)
    with drawing(PRESETS["column"]):
        figure = curve_figure(
            curves[curves["label"].isin(few)], PR, field.look, "lfw", PRESETS["column"]
        )
    assert len(figure.axes) == 1


def test_ranks_of_many_rows_are_a_list_whose_bars_meet_where_nothing_is_told(field, inside):
    rng = np.random.default_rng(1)
    rows = [label for label in field.look if label not in ("float", "random")]
    scores = np.arange(ROWS)[::-1] + rng.normal(size=(12, ROWS)) * 0.5
    test = rank_test(scores, 0.05)
    lines = pd.DataFrame({"row": rows, "mean_rank": test.mean_ranks})
    study = RankStudy("all blocks", lines.sort_values("mean_rank"), test, "", "")
    with drawing(PRESETS["column"]):
        figure = ranks_figure(study, field.look, PRESETS["column"])
        assert inside(figure)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == [*study.lines["row"]]
    assert "do not meet" in figure.get_suptitle()
    bars = {}
    for part in axes.collections[1:]:
        for (low, y), (high, _) in part.get_segments():
            bars[round(y)] = (low, high)
    ranks = sorted(test.mean_ranks)
    for a in range(ROWS):
        for b in range(a):
            meet = bars[a][0] <= bars[b][1]
            assert meet == (ranks[a] - ranks[b] <= test.critical_difference)
    assert min(low for low, _ in bars.values()) >= 1
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "pairs", "centres", "fitted", "quantization",
    ]  # fmt: skip


def test_one_heat_map_holds_all_rows_and_pairs(field, inside, tmp_path):
    frame = matrix_frame(gather(field.records, field.blocks))
    families = pd.DataFrame(columns=["kind", "train", "target", "bits", "difference"])
    found = list(
        matrix_drawings(frame, families, tmp_path, PRESETS["double"], field.names, field.look)
    )
    assert [task.stem.name for task in found] == ["domain_matrix_16bit", "domain_matrix_24bit"]
    with drawing(PRESETS["double"]):
        figure = found[0].draw()
        assert inside(figure)
    axes = figure.axes[0]
    assert len(axes.get_xticklabels()) == 2
    numbers = [text for text in axes.texts if text.get_text().startswith(".")]
    assert len(numbers) == 2 * len(field.look)
    rows = [tick.get_text() for tick in axes.get_yticklabels()]
    (mine,) = frame[(frame["label"] == "pair3") & (frame["target"] == "lfw")
                    & (frame["bits"] == 16)]["mean"]  # fmt: skip
    at = {text.get_position(): text.get_text() for text in numbers}
    assert at[0, rows.index("pair3")] == f"{mine:.2f}"[1:]


def test_the_grid_of_curves_shows_the_best_of_each_part(field, inside, tmp_path):
    task = page_drawing(field.blocks, field.look, tmp_path / "pr_grid")
    assert set(task.frame["label"]) == {"pair0", "centre0", "itq", "opqn", "float", "random"}
    with drawing(PRESETS["double"]):
        figure = task.draw()
        assert inside(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "pair0 (pairs)", "centre0 (centres)", "itq (fitted)", "opqn (quantization)", "float",
        "random",
    ]  # fmt: skip


def test_budgets_name_the_front_and_the_parts(field, inside):
    frame = budgets_frame(field.blocks[:1])
    with drawing(PRESETS["double"]):
        figure = budgets_figure(frame, field.look, "lfw", PRESETS["double"])
        assert inside(figure)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[:4] == ["pairs", "centres", "fitted", "quantization"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["pair0", "pair0"]


def test_what_codes_keep_has_a_panel_a_length_and_a_mark_a_target(field, inside):
    rows = [label for label in field.look if label not in ("float", "random")]
    part = pd.DataFrame(
        [{"label": label, "bits": bits, "target": target, "r": 0.5, "r_low": 0.4, "r_high": 0.6}
         for label in rows for bits in (16, 24) for target in ("lfw", "olivetti")]
    )  # fmt: skip
    with drawing(PRESETS["double"]):
        figure = relative_figure(
            part, field.look, {"lfw": "LFW", "olivetti": "Olivetti"}, "t", PRESETS["double"]
        )
        assert inside(figure)
    assert titles(figure) == ["16 bits", "24 bits"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["LFW", "Olivetti"]


def test_learning_curves_stand_in_parts(field, inside):
    frame = pd.DataFrame(
        [{"label": label, "epoch": epoch, "mean": 0.1 * epoch, "sd": float("nan"), "n": 1}
         for label in field.look if label != "random" for epoch in (1, 2, 3)]
    )  # fmt: skip
    look = {label: row for label, row in field.look.items() if label != "random"}
    with drawing(PRESETS["column"]):
        figure = learning_figure(frame, look, "lfw", PRESETS["column"])
        assert inside(figure)
    assert titles(figure) == ["pairs", "centres", "fitted", "quantization"]


def test_a_part_that_no_panel_can_hold_is_cut(field, make):
    crowd = {f"new{i}": dataclasses.replace(field.look["pair0"], part="hashing", name=f"new{i}")
             for i in range(23)} | {"opqn": field.look["opqn"]}  # fmt: skip
    assert {len(labels) for labels in parts_of(crowd, crowd).values()} == {23, 1}
    records = make.full([*crowd], (16,), (0,), lambda m, b, s: 0.5)
    curves = pr_frame(select_blocks(records)[0], 16)
    with drawing(PRESETS["column"]):
        figure = curve_figure(curves, PR, crowd, "lfw", PRESETS["column"])
    assert titles(figure) == [
        "hashing, 1 of 3", "hashing, 2 of 3", "hashing, 3 of 3", "quantization",
    ]  # fmt: skip


def test_what_did_not_train_has_a_mark_that_is_explained(field, inside):
    look = dict(field.look)
    look["pair1"] = dataclasses.replace(look["pair1"], name="pair1 (did not train)")
    look["float"] = dataclasses.replace(look["float"], name="uncompressed embedding")
    with drawing(PRESETS["column"]):
        figure = curve_figure(pr_frame(field.blocks[0], 16), PR, look, "lfw", PRESETS["column"])
        assert inside(figure)
    named = [t.get_text() for t in figure.axes[1].get_legend().get_texts()]
    assert "pair1 ‡" in named
    assert "‡ did not train" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_many_small_panels_fit_a_page():
    with drawing(PRESETS["double"]):
        figure, panels = panel_grid(
            [f"m{i}\noverlap" for i in range(32)], PRESETS["double"], 11.0, ""
        )
    assert len(panels) == 32
    assert figure.get_figheight() <= PRESETS["double"].page


def test_lines_without_a_heading():
    assert [line.head for line in lines_of({"": ["a", "b"]}, {}, ())] == [False, False]


def test_the_same_field_gives_the_same_bytes(field, tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        draw_all([page_drawing(field.blocks, field.look, tmp_path / place / "g")], ("svg",))
    first, second = (tmp_path / place / "g.svg" for place in "ab")
    assert first.read_bytes() == second.read_bytes()
