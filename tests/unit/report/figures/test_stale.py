"""Figures that are no longer drawn go from a report's folder, and nothing else does."""

import dataclasses
from functools import partial

import pandas as pd
import pytest

from hashquant.report import Options, write_report
from hashquant.report.drawing.canvas import canvas
from hashquant.report.drawing.files import Drawing, write_files
from hashquant.report.drawing.style import PRESETS
from hashquant.report.figures.stale import remove_stale
from hashquant.report.frame import Metric

COLUMN = PRESETS["column"]


def empty_figure(preset):
    return canvas(preset)[0]


@pytest.fixture
def drawn(tmp_path):
    """Draw an empty figure of a name; return its files."""

    def draw(name):
        frame = pd.DataFrame({"x": [1.0]})
        task = Drawing(partial(empty_figure, COLUMN), frame, tmp_path / name, COLUMN)
        return write_files(task, ("pdf", "svg"))

    return draw


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_only_what_was_drawn_and_is_not_written_any_more_goes(drawn, tmp_path):
    kept = drawn("pr_lfw_16bit")
    drawn("pr_lfw.v2_16bit")
    remove_stale(tmp_path, kept, Metric("mAP"))
    assert names(tmp_path) == {path.name for path in kept}


@pytest.mark.parametrize("kind", ["pdf", "svg", "csv"])
def test_a_file_that_somebody_changed_stays(drawn, tmp_path, kind):
    drawn("pr_lfw_16bit")
    with (tmp_path / f"pr_lfw_16bit.{kind}").open("a") as file:
        file.write("a word of mine\n")
    remove_stale(tmp_path, (), Metric("mAP"))
    assert names(tmp_path) == {f"pr_lfw_16bit.{kind}"}


@pytest.mark.parametrize(
    "text", ["x,y\n1,2\n", "", "# numbers=e3b0c44298fc1c14\n", "# figure of mine .pdf=1\n"]
)
def test_files_of_others_stay(tmp_path, text):
    for name in ("mine.csv", "mine.pdf", "notes.txt"):
        (tmp_path / name).write_text(text)
    (tmp_path / "folder.csv").mkdir()
    remove_stale(tmp_path, (), Metric("mAP"))
    assert names(tmp_path) == {"mine.csv", "mine.pdf", "notes.txt", "folder.csv"}


def test_retrieval_sheets_and_other_metrics_stay(drawn, tmp_path):
    kept = [*drawn("retrieval_lfw_16bit"), *drawn("map-at-1000_vs_bits_lfw")]
    drawn("map_vs_bits_lfw")
    remove_stale(tmp_path, (), Metric("mAP"))
    assert names(tmp_path) == {path.name for path in kept}


def test_a_report_of_fewer_code_lengths_has_no_figures_of_the_others(make, tmp_path):
    options = Options(formats=("svg",))
    evals = [
        dataclasses.replace(make.evaluation(bits=bits), curves=make.evaluation().curves)
        for bits in (16, 24)
    ]
    write_report(make.records(evals), tmp_path, options)
    assert (tmp_path / "figures" / "pr_lfw_24bit.svg").is_file()
    fewer = write_report(make.records(evals[:1]), tmp_path, options)
    assert names(tmp_path / "figures") == {path.name for path in fewer.figures}
    assert "pr_lfw_16bit.svg" in names(tmp_path / "figures")
