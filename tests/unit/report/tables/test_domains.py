"""The domain matrix: what is kept of the embedding, by hand, and figures that can be read."""

import dataclasses
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.heat import ink
from hashquant.report.drawing.shortnames import short_names
from hashquant.report.drawing.style import PRESETS, drawing
from hashquant.report.evidence.queries import gather
from hashquant.report.figures._heatmaps import matrix_drawings, matrix_figure
from hashquant.report.figures.drawings import draw_all
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables.domains import has_matrix, matrix_frame, matrix_sheet
from hashquant.report.tables.families import BEST, families_frame, with_best
from hashquant.statistics.chance import expected_random_ap

#: mAP of a random order where 70 of 7000 items are relevant.
FLOOR = float(expected_random_ap(np.array([70]), 7000)[0])


def matrix(records) -> pd.DataFrame:
    return matrix_frame(gather(records, select_blocks(records)))


def families(records) -> pd.DataFrame:
    return families_frame(gather(records, select_blocks(records)))


def line(frame, target, label, bits=16):
    chosen = frame[
        (frame["target"] == target) & (frame["label"] == label) & (frame["bits"] == bits)
    ]
    (found,) = chosen.to_dict("records")
    return found


def with_float(exams, people, codes, whole, protocol="seen", seed=0, **where):
    """Add a code and the uncompressed embedding beside it on one target."""
    exams.add(codes, people, protocol, seed=seed, **where)
    exams.add(whole, people, protocol, seed=seed, **(where | {"method": "float"}))


def test_half_of_the_lead_over_chance_is_one_half(exams, people):
    for seed in (0, 1, 2):
        with_float(exams, people, np.full(120, FLOOR + 0.4), np.full(120, FLOOR + 0.8), seed=seed)
        away = {"target": "olivetti-cross", "protocol": "cross", "seed": seed}
        with_float(exams, people, np.full(120, FLOOR + 0.1), np.full(120, FLOOR + 0.4), **away)
    frame = matrix(exams.records())
    home, cross = (line(frame, target, "opqn") for target in ("lfw", "olivetti-cross"))
    assert (cross["n"], cross["protocol"], cross["floor"]) == (3, "cross", pytest.approx(FLOOR))
    assert [home[name] for name in ("r", "r_low", "r_high")] == pytest.approx([0.5, 0.5, 0.5])
    assert [cross[name] for name in ("r", "r_low", "r_high")] == pytest.approx([0.25] * 3)
    assert home["single_domain"]
    assert not cross["single_domain"]


def test_chance_is_zero_and_the_uncompressed_embedding_one(exams, people, middling):
    with_float(exams, people, np.full(120, FLOOR), middling, method="random")
    frame = matrix(exams.records())
    chance, whole = line(frame, "lfw", "random"), line(frame, "lfw", "float")
    assert chance["r"] == pytest.approx(0, abs=1e-12)
    assert (np.isnan(chance["r_low"]), chance["note"]) == (True, "not clear of chance here")
    assert [whole[name] for name in ("r", "r_low", "r_high")] == [1, 1, 1]


def test_the_interval_of_r_is_that_of_its_logarithm(exams, people):
    """Delta method: sd of log r = sd(code - r · whole) / (code's lead), t with 39 degrees."""
    noise = np.random.default_rng(2).normal(size=40)
    noise = 0.08 * (noise - noise.mean()) / noise.std(ddof=1)
    with_float(exams, people, FLOOR + 0.2 + noise[people], np.full(120, FLOOR + 0.4))
    found = line(matrix(exams.records()), "lfw", "opqn")
    assert found["r"] == pytest.approx(0.5)
    expected = 2.02 * 0.08 / np.sqrt(40) / 0.2
    assert np.log(found["r_high"] / 0.5) == pytest.approx(expected, rel=0.1)
    assert np.log(0.5 / found["r_low"]) == pytest.approx(expected, rel=0.1)


def test_r_needs_an_uncompressed_embedding_of_the_same_seeds(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling, people, seed=1)
    exams.add(middling, people, method="float")
    found = line(matrix(exams.records()), "lfw", "opqn")
    assert np.isnan(found["r"])
    assert found["note"] == "no uncompressed embedding of the same seeds"


def test_r_is_not_formed_where_the_uncompressed_embedding_says_nothing(exams, people):
    with_float(exams, people, np.full(120, FLOOR + 0.005), np.full(120, FLOOR + 0.01))
    found = line(matrix(exams.records()), "lfw", "opqn")
    assert np.isnan(found["r"])
    assert found["note"] == "the uncompressed embedding is not clear of chance here"


def test_a_missing_cell_says_why_and_draws_nothing(make, exams, people, middling, tmp_path):
    exams.add(middling, people)
    exams.add(middling, people, "cross", target="olivetti-cross")
    records = exams.records([make.training("failed", "boom", method="dcdh")])
    frame = matrix(records)
    assert line(frame, "lfw", "dcdh")["note"] == "failed: boom"
    drawn = draw_all(matrix_drawings(frame, families(records), tmp_path))
    assert len(pd.read_csv(drawn[-1], skiprows=1)) == 2


def test_a_matrix_needs_a_training_set_with_two_targets(make):
    one = [make.evaluation(), make.evaluation(dataset="b")]
    assert not has_matrix(select_blocks(make.records(one)))
    two = [*one, make.evaluation(target="c")]
    assert has_matrix(select_blocks(make.records(two)))
    assert matrix_frame([]).empty


def test_the_table_shows_r_beside_each_score(exams, people, middling):
    whole = FLOOR + 2 * (middling - FLOOR)
    for target, protocol in (("a|b", "seen"), ("olivetti-cross", "cross")):
        where = {"dataset": "a|b", "target": target, "protocol": protocol}
        with_float(exams, people, middling, whole, **where)
    text = markdown(matrix_sheet(matrix(exams.records()), "demo"), "d")
    assert r"## Trained on a\|b, 16 bits" in text
    cell = r"0\.\d{4}; r 0\.50 \(0\.50 … 0\.50\)"
    assert re.search(rf"\| opqn  \| {cell} \| {cell} \|", text)


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
    return matrix(exams.records()), families(exams.records())


def named(found):
    frame = with_best(*found)
    frame = frame[frame["mean"].notna() | frame["difference"].notna()]
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
    frame = crowd[0]
    with drawing(PRESETS["double"]):
        figure = matrix_figure(named(crowd), 16, (1.0, 0.3), PRESETS["double"])
    panels = {axes.get_title(): axes for axes in figure.axes if axes.texts}
    opqn = panels["opqn"]
    assert len(opqn.texts) == 24
    written = {(t.get_position()): t.get_text() for t in opqn.texts}
    expected = line(frame[frame["train"] == "lfw"], "lfw", "opqn")["mean"]
    trains, targets = sorted(set(frame["train"])), sorted(set(frame["target"]))
    targets = [*trains, *(t for t in targets if t not in trains)]
    assert written[targets.index("lfw"), trains.index("lfw")] == f"{expected:.2f}"[1:]
    black = [p for p in opqn.patches if p.get_edgecolor()[:3] == (0, 0, 0)]
    centres = {(p.get_x() + p.get_width() / 2, p.get_y() + p.get_height() / 2) for p in black}
    assert {(round(x), round(y)) for x, y in centres} == {(i, i) for i in range(4)}
    signed = panels[BEST]
    assert all(re.fullmatch(r"[+−]\.\d\d\*", t.get_text()) for t in signed.texts)
    mesh = signed.collections[0]
    assert (mesh.norm.vmin, mesh.norm(0.0)) == (-0.3, 0.5)


def test_an_insignificant_difference_has_no_star(crowd):
    frame = named(crowd)
    frame.loc[frame["label"] == BEST, "p_adjusted"] = [0.05, np.nan, *[0.051] * 22]
    with drawing(PRESETS["double"]):
        figure = matrix_figure(frame, 16, (1.0, 0.3), PRESETS["double"])
    assert sum(t.get_text().endswith("*") for axes in figure.axes for t in axes.texts) == 1


def test_numbers_stand_out_from_every_colour():
    def light(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    for share in np.linspace(0, 1, 50):
        color = colormaps["cividis"](share)[:3]
        pair = sorted([light(color), light(to_rgb(ink(color)))])
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5


def test_the_same_records_give_the_same_figures_and_their_numbers(crowd, tmp_path):
    few, best = crowd[0][crowd[0]["label"].isin(["opqn", "dcdh"])], crowd[1]
    both = pd.concat([few, few.assign(bits=24, mean=few["mean"] * 0.9)])
    signed = pd.concat([best, best.assign(bits=24)])
    written = [draw_all(matrix_drawings(both, signed, tmp_path / name)) for name in ("a", "b")]
    assert [p.read_bytes() for p in written[0]] == [p.read_bytes() for p in written[1]]
    assert [p.name for p in written[0]] == [
        f"domain_matrix_{bits}bit.{kind}" for bits in (16, 24)
        for kind in ("pdf", "png", "svg", "csv")
    ]  # fmt: skip
    table = pd.read_csv(written[0][3], skiprows=1)
    assert dict(zip(table["target"], table["target_short"], strict=True))["synthfaces-studio"] == (
        "studio"
    )
    np.testing.assert_allclose(table["mean"].dropna(), few["mean"])


def test_one_method_alone_has_a_matrix_without_difference(exams, people, middling, tmp_path):
    exams.add(middling, people, method="neu_é")
    exams.add(middling, people, "unseen", method="neu_é", target="lfw-unseen")
    frame, best = matrix(exams.records()), families(exams.records())
    assert len(draw_all(matrix_drawings(frame, best, tmp_path))) == 4


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
