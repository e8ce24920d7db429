"""The domain matrix: retention and signed differences by hand, and figures that can be read."""

import dataclasses
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import PRESETS, drawing
from hashquant.report.evidence.queries import gather
from hashquant.report.figures._heatmaps import _ink, matrix_drawings, matrix_figure
from hashquant.report.figures._shortnames import short_names
from hashquant.report.figures.drawings import draw_all
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables.domains import DIFFERENCE, has_matrix, matrix_frame, matrix_sheet


def matrix(records) -> pd.DataFrame:
    return matrix_frame(gather(records, select_blocks(records)))


def line(frame, target, label, bits=16):
    chosen = frame[
        (frame["target"] == target) & (frame["label"] == label) & (frame["bits"] == bits)
    ]
    (found,) = chosen.to_dict("records")
    return found


def test_half_of_the_score_retained_is_one_half(exams, people):
    for seed in (0, 1, 2):
        exams.add(np.full(120, 0.8), people, seed=seed)
        exams.add(np.full(120, 0.4), people, "cross", target="olivetti-cross", seed=seed)
    frame = matrix(exams.records())
    found = line(frame, "olivetti-cross", "opqn")
    assert (found["mean"], found["n"], found["protocol"]) == (pytest.approx(0.4), 3, "cross")
    retained = [found[name] for name in ("retention", "retention_low", "retention_high")]
    assert retained == pytest.approx([0.5, 0.5, 0.5])
    home = line(frame, "lfw", "opqn")
    assert np.isnan(home["retention"])
    assert home["single_domain"]
    assert not found["single_domain"]


def test_the_interval_of_retention_has_the_width_of_independent_targets(exams, people):
    """Delta method: sd of the ratio = ratio · sqrt((sd/mean)² + (sd/mean)²), t with 39 degrees."""
    noise = np.random.default_rng(2).normal(size=40)
    noise = 0.08 * (noise - noise.mean()) / noise.std(ddof=1)
    exams.add(0.5 + noise[people], people)
    exams.add(0.4 + noise[::-1][people], people, "cross", target="olivetti-cross")
    found = line(matrix(exams.records()), "olivetti-cross", "opqn")
    assert found["retention"] == pytest.approx(0.8)
    error = 0.08 / np.sqrt(40)
    expected = 2 * 2.02 * 0.8 * np.sqrt((error / 0.5) ** 2 + (error / 0.4) ** 2)
    assert found["retention_high"] - found["retention_low"] == pytest.approx(expected, rel=0.1)


def test_without_a_seen_target_nothing_is_retained(exams, people, middling):
    exams.add(middling, people, "cross", target="olivetti-cross")
    exams.add(middling, people, "unseen", target="lfw-unseen")
    frame = matrix(exams.records())
    assert frame["retention"].isna().all()
    assert set(frame["note"]) == {"no seen target"}


def test_retention_is_of_the_runs_that_both_targets_have(exams, people, middling):
    exams.add(middling, people, seed=0)
    for seed, factor in ((0, 0.5), (1, 0.1)):
        exams.add(factor * middling, people, "cross", target="olivetti-cross", seed=seed)
    found = line(matrix(exams.records()), "olivetti-cross", "opqn")
    assert found["retention"] == pytest.approx(0.5)
    assert np.isnan(found["retention_low"])
    assert found["note"] == "retention over 1 common runs, without interval"


def test_a_target_with_an_option_is_compared_with_the_plain_one(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling / 4, people, target="lfw+norm_stats=target")
    frame = matrix(exams.records())
    assert line(frame, "lfw+norm_stats=target", "opqn")["retention"] == pytest.approx(0.25)


def planted(exams, people, middling, cross=0.1):
    """Quantization ahead by 0.2 at home and by `cross` elsewhere; controls far above and below."""
    for target, protocol, ahead in (("lfw", "seen", 0.2), ("olivetti-cross", "cross", cross)):
        where = {"target": target, "protocol": protocol}
        rows = {"opqn": ahead + 0.05, "gpq": ahead - 0.05, "dcdh": 0.0, "csq": 0.0}
        for method, shift in rows.items():
            exams.add(middling + shift, people, method=method, **where)
        for method in ("lsh", "itq", "opq", "random"):
            exams.add(0.1 * middling, people, method=method, **where)
        exams.add(middling + 0.39, people, method="pq", **where)
        exams.add(middling + 0.3, people, method="mine", base={"method": "float"}, **where)
    return exams.records()


def test_a_planted_difference_of_the_learned_methods_is_found(exams, people, middling):
    frame = matrix(planted(exams, people, middling, cross=0.0))
    home, cross = (line(frame, target, DIFFERENCE) for target in ("lfw", "olivetti-cross"))
    assert home["compared"] == "(gpq, opqn) − (csq, dcdh)"
    assert home["difference"] == pytest.approx(0.2)
    assert home["difference_low"] == pytest.approx(0.2)
    assert home["p_holm"] == pytest.approx(2 * home["p_value"])
    assert home["p_holm"] < 0.05
    assert cross["difference"] == pytest.approx(0.0, abs=1e-12)
    assert cross["p_holm"] == 1.0


def test_a_family_without_a_learned_method_has_no_difference(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling, people, "cross", target="olivetti-cross")
    exams.add(middling, people, method="lsh")
    assert DIFFERENCE not in set(matrix(exams.records())["label"])


def test_without_queries_a_difference_has_no_p_value_and_says_why(make, exams, people, middling):
    exams.add(middling + 0.1, people)
    frame = matrix(exams.records(evals=[make.evaluation(0.3, method="dcdh")]))
    found = line(frame, "lfw", DIFFERENCE)
    assert found["difference"] == pytest.approx(middling.mean() + 0.1 - 0.3)
    assert np.isnan(found["p_holm"])
    assert found["note"] == "dcdh: seed 0 has no readable file of its queries"
    assert f"| {found['note']} |" in markdown(matrix_sheet(frame, "demo"), "d")


def test_a_missing_cell_says_why_and_draws_nothing(make, exams, people, middling, tmp_path):
    exams.add(middling, people)
    exams.add(middling, people, "cross", target="olivetti-cross")
    records = exams.records([make.training("failed", "boom", method="dcdh")])
    frame = matrix(records)
    assert line(frame, "lfw", "dcdh")["note"] == "failed: boom"
    assert len(pd.read_csv(draw_all(matrix_drawings(frame, tmp_path))[-1], skiprows=1)) == 2


def test_a_matrix_needs_a_training_set_with_two_targets(make):
    one = [make.evaluation(), make.evaluation(dataset="b")]
    assert not has_matrix(select_blocks(make.records(one)))
    two = [*one, make.evaluation(target="c")]
    assert has_matrix(select_blocks(make.records(two)))
    assert matrix_frame([]).empty


def test_the_table_shows_retention_beside_each_score(exams, people, middling):
    exams.add(middling, people, dataset="a|b")
    exams.add(middling / 2, people, "cross", dataset="a|b", target="olivetti-cross")
    text = markdown(matrix_sheet(matrix(exams.records()), "demo"), "d")
    assert r"## Trained on a\|b, 16 bits" in text
    assert re.search(r"\| opqn  \| +0\.\d{4} \| 0\.\d{4}; 0\.50 \(0\.4\d … 0\.5\d\) \|", text)


@pytest.fixture
def crowd(exams, people, middling):
    """Ten methods, four training sets, six targets, one of them with an option."""
    methods = ["float", "opqn", "gpq", "dpq", "dcdh", "random", "lsh", "itq", "pq", "opq"]
    trains = ["lfw", "synthfaces-studio", "synthfaces-street", "folder:gesichter/Zoë 人 $x_1$"]
    extra = ["lfw-unseen", "olivetti-cross+norm_stats=target"]
    for train, (target, method) in itertools.product(
        trains, itertools.product([*trains, *extra], enumerate(methods))
    ):
        protocol = "seen" if train == target else "cross"
        shift = (0.3 if train == target else 0.1) - 0.04 * method[0]
        exams.add(
            middling + shift, people, protocol, dataset=train, target=target, method=method[1]
        )
    return matrix(exams.records())


def named(frame):
    short = short_names([*frame["train"], *frame["target"]])
    return frame.assign(
        train_short=frame["train"].map(short), target_short=frame["target"].map(short)
    )


@pytest.mark.parametrize("preset", ["double", "slide"])
def test_nothing_is_cut_and_no_texts_overlap(crowd, preset):
    with drawing(PRESETS[preset]):
        figure = matrix_figure(named(crowd), 16, (1.0, 0.3), PRESETS[preset])
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
        assert figure.get_figwidth() == PRESETS[preset].width
        texts = [t for axes in figure.axes for t in
                 (*axes.texts, axes.title, axes.xaxis.label, *axes.get_xticklabels(),
                  *axes.get_yticklabels()) if t.get_text()]  # fmt: skip
        boxes = [text.get_window_extent(renderer) for text in texts]
    page = figure.bbox
    for text, box in zip(texts, boxes, strict=True):
        assert text.get_fontsize() >= 6
        assert page.x0 <= box.x0, text
        assert box.x1 <= page.x1, text
        assert page.y0 <= box.y0, text
        assert box.y1 <= page.y1, text
    for (a, first), (b, second) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        apart = (first.x1 <= second.x0 or second.x1 <= first.x0
                 or first.y1 <= second.y0 or second.y1 <= first.y0)  # fmt: skip
        assert apart, (a, b)
    panels = [axes for axes in figure.axes if axes.texts]
    assert len(panels) == 11
    cell = panels[0].get_window_extent(renderer).width / 6
    assert max(t.get_window_extent(renderer).width for a in panels for t in a.texts) < cell


def test_cells_hold_the_numbers_frames_and_stars(crowd):
    with drawing(PRESETS["double"]):
        figure = matrix_figure(named(crowd), 16, (1.0, 0.3), PRESETS["double"])
    panels = {axes.get_title(): axes for axes in figure.axes if axes.texts}
    opqn = panels["opqn"]
    assert len(opqn.texts) == 24
    written = {(t.get_position()): t.get_text() for t in opqn.texts}
    expected = line(crowd[crowd["train"] == "lfw"], "lfw", "opqn")["mean"]
    trains, targets = sorted(set(crowd["train"])), sorted(set(crowd["target"]))
    targets = [*trains, *(t for t in targets if t not in trains)]
    assert written[targets.index("lfw"), trains.index("lfw")] == f"{expected:.2f}"[1:]
    black = [p for p in opqn.patches if p.get_edgecolor()[:3] == (0, 0, 0)]
    centres = {(p.get_x() + p.get_width() / 2, p.get_y() + p.get_height() / 2) for p in black}
    assert {(round(x), round(y)) for x, y in centres} == {(i, i) for i in range(4)}
    signed = panels[DIFFERENCE]
    assert all(re.fullmatch(r"[+−]\.\d\d\*", t.get_text()) for t in signed.texts)
    mesh = signed.collections[0]
    assert (mesh.norm.vmin, mesh.norm(0.0)) == (-0.3, 0.5)


def test_an_insignificant_difference_has_no_star(crowd):
    frame = named(crowd)
    frame.loc[frame["label"] == DIFFERENCE, "p_holm"] = [0.05, np.nan, *[0.051] * 22]
    with drawing(PRESETS["double"]):
        figure = matrix_figure(frame, 16, (1.0, 0.3), PRESETS["double"])
    assert sum(t.get_text().endswith("*") for axes in figure.axes for t in axes.texts) == 1


def test_numbers_stand_out_from_every_colour():
    def light(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    for share in np.linspace(0, 1, 50):
        color = colormaps["cividis"](share)[:3]
        pair = sorted([light(color), light(to_rgb(_ink(color)))])
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5


def test_the_same_records_give_the_same_figures_and_their_numbers(crowd, tmp_path):
    few = crowd[crowd["label"].isin(["opqn", "dcdh", DIFFERENCE])]
    both = pd.concat([few, few.assign(bits=24, mean=few["mean"] * 0.9)])
    written = [draw_all(matrix_drawings(both, tmp_path / name)) for name in ("a", "b")]
    assert [p.read_bytes() for p in written[0]] == [p.read_bytes() for p in written[1]]
    assert [p.name for p in written[0]] == [
        f"domain_matrix_{bits}bit.{kind}" for bits in (16, 24)
        for kind in ("pdf", "png", "svg", "csv")
    ]  # fmt: skip
    table = pd.read_csv(written[0][3], skiprows=1)
    assert dict(zip(table["target"], table["target_short"], strict=True))["synthfaces-studio"] == (
        "studio"
    )
    np.testing.assert_allclose(table["mean"], few["mean"])


def test_one_method_alone_has_a_matrix_without_difference(exams, people, middling, tmp_path):
    exams.add(middling, people, method="neu_é")
    exams.add(middling, people, "unseen", method="neu_é", target="lfw-unseen")
    frame = matrix(exams.records())
    assert len(draw_all(matrix_drawings(frame, tmp_path))) == 4


def test_short_names_differ():
    names = [f"folder:some/very/long/{name}" for name in ("faces", "a/faces", "street", "b-street")]
    short = short_names([*names, "lfw", "lfw-unseen", "olivetti-cross+norm_stats=target"])
    assert len(set(short.values())) == 7
    assert short["olivetti-cross+norm_stats=target"] == "olivetti-cross+norm"
    assert max(map(len, short.values())) < 20


def test_a_record_of_other_settings_never_enters_the_matrix(exams, people, middling):
    exams.add(middling, people, started="2024-05-02")
    stale = exams.add(middling / 2, people, epochs=5, started="2024-05-01")
    exams.add(middling / 2, people, "cross", target="olivetti-cross")
    assert dataclasses.asdict(stale)["spec"]["epochs"] == 5
    found = line(matrix(exams.records()), "lfw", "opqn")
    assert found["mean"] == pytest.approx(middling.mean())
