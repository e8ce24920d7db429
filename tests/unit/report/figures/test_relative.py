"""The figure of r: what it draws are the numbers of the matrix, own split first, references not."""

import pandas as pd
import pytest

from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.figures._relative import relative_drawings, relative_figure
from hashquant.report.figures.drawings import draw_all

FAMILIES = {"opqn": "quantization", "dcdh": "hashing", "float": "reference"}


@pytest.fixture
def frame():
    lines = [
        {"train": "lfw", "target": target, "protocol": protocol, "label": label, "bits": bits,
         "family": FAMILIES[label], "r": r + bits / 100, "r_low": r - 0.1, "r_high": r + 0.2}
        for target, protocol in (("olivetti", "cross"), ("lfw", "seen"), ("lfw-unseen", "unseen"))
        for label, r in (("opqn", 0.5), ("dcdh", 0.3), ("float", 1.0))
        for bits in (16, 24)
    ]  # fmt: skip
    return pd.DataFrame(lines)


def test_a_panel_a_length_and_a_line_a_row(frame):
    codes = frame[frame["label"] != "float"]
    targets = {"lfw": "LFW", "lfw-unseen": "new people", "olivetti": "Olivetti"}
    preset = PRESETS["double"]
    with drawing(preset):
        figure = relative_figure(codes, looks(FAMILIES), targets, "Trained on LFW", preset)
    assert [axes.get_title() for axes in figure.axes] == ["16 bits", "24 bits"]
    for axes, bits in zip(figure.axes, (16, 24), strict=True):
        lines = {line.get_label(): line for line in axes.get_lines()}
        assert list(lines["opqn"].get_ydata()) == pytest.approx([0.5 + bits / 100] * 3)
        assert list(lines["dcdh"].get_ydata()) == pytest.approx([0.3 + bits / 100] * 3)
        assert "float" not in lines
        assert [t.get_text() for t in axes.get_xticklabels()] == [*targets.values()]


def test_the_own_split_comes_first_and_a_single_target_draws_nothing(frame, tmp_path):
    paths = draw_all(relative_drawings(frame, looks(FAMILIES), tmp_path))
    assert {path.stem for path in paths} == {"relative_lfw"}
    table = pd.read_csv(tmp_path / "relative_lfw.csv", skiprows=1)
    assert set(table["label"]) == {"opqn", "dcdh"}
    (drawn,) = relative_drawings(frame, looks(FAMILIES), tmp_path)
    with drawing(drawn.preset):
        figure = drawn.draw()
    shown = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert shown == ["lfw", "lfw-unseen", "olivetti"]
    alone = frame[frame["target"] == "lfw"]
    assert not list(relative_drawings(alone, looks(FAMILIES), tmp_path))
