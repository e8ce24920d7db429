"""A figure is drawn again when what it shows changed or a file is damaged, and only then."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hashquant.report.drawing import files
from hashquant.report.drawing.canvas import canvas
from hashquant.report.drawing.files import Drawing, present_files
from hashquant.report.drawing.identity import content
from hashquant.report.drawing.style import KNOWN, PRESETS
from hashquant.report.figures.drawings import draw_all

COLUMN, SLIDE = PRESETS["column"], PRESETS["slide"]
#: Draws `task("a")` into a folder from a process of its own.
SCRIPT = """
import sys
from pathlib import Path
from test_files import task
from hashquant.report.figures.drawings import draw_all
draw_all([task(Path(sys.argv[1]))])
"""


def line_figure(frame, title, preset):
    figure, axes = canvas(preset)
    axes.plot(frame["x"], frame["y"], label="float fi")
    axes.set_title(title)
    return figure


# However this file is imported, by pytest or another process: it is the same function.
line_figure.__module__ = "test_files"


def task(folder, y=0.5, title="lfw", preset=COLUMN):
    frame = pd.DataFrame({"x": [0.1, 0.2], "y": [0.3, y]})
    return Drawing(partial(line_figure, frame, title, preset), frame, folder / "line", preset)


@pytest.fixture
def drawn(monkeypatch):
    """The stems of what is drawn from here on."""
    stems, write = [], files.write_files

    def spy(asked, formats=files.FORMATS):
        stems.append(asked.stem.name)
        return write(asked, formats)

    monkeypatch.setattr("hashquant.report.drawing.painters.write_files", spy)
    return stems


def test_what_did_not_change_is_not_drawn_again(tmp_path, drawn):
    first = draw_all([task(tmp_path)])
    before = {path: path.read_bytes() for path in first}
    assert draw_all([task(tmp_path)]) == first
    assert drawn == ["line"]
    assert {path: path.read_bytes() for path in first} == before
    assert [path.suffix for path in first] == [".pdf", ".png", ".svg", ".csv"]


@pytest.mark.parametrize(
    ("change", "formats"),
    [({"y": 0.5000001}, files.FORMATS), ({"title": "other"}, files.FORMATS),
     ({"preset": SLIDE}, files.FORMATS), ({}, ("png",)), ({}, ("svg", "png"))],
)  # fmt: skip
def test_a_change_is_drawn(tmp_path, drawn, change, formats):
    draw_all([task(tmp_path / "a")])
    draw_all([task(tmp_path / "a", **change)], formats)
    assert drawn == ["line", "line"]
    draw_all([task(tmp_path / "b", **change)], formats)
    for kind in (*formats, "csv"):
        one, other = (tmp_path / x / f"line.{kind}" for x in "ab")
        assert one.read_bytes() == other.read_bytes()


def test_other_code_or_libraries_draw_again(tmp_path, drawn, monkeypatch):
    draw_all([task(tmp_path)])
    monkeypatch.setattr("hashquant.report.drawing.identity.drawing_code", lambda: "newer")
    draw_all([task(tmp_path)])
    assert drawn == ["line", "line"]


def test_formats_no_longer_asked_for_go_with_the_next_drawing(tmp_path):
    draw_all([task(tmp_path)])
    (tmp_path / "line.svg").write_text("edited by hand")
    (tmp_path / "line-notes.txt").write_text("not ours")
    (tmp_path / "line.pdf").unlink()
    kept = (tmp_path / "line.pdf", tmp_path / "line.csv")
    assert draw_all([task(tmp_path)], ("pdf",)) == kept
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"line.pdf", "line.csv", "line.svg", "line-notes.txt"}


@pytest.mark.parametrize("kind", ["pdf", "png", "svg", "csv"])
def test_a_damaged_file_is_drawn_again(tmp_path, drawn, kind):
    paths = draw_all([task(tmp_path)])
    whole = {path: path.read_bytes() for path in paths}
    path = tmp_path / f"line.{kind}"
    flipped = bytearray(whole[path])
    flipped[len(flipped) // 2] ^= 1
    for damaged in (flipped, whole[path][:-5], b""):
        assert present_files(task(tmp_path)) == list(paths)
        path.write_bytes(damaged)
        assert present_files(task(tmp_path)) is None
        path.write_bytes(whole[path])
    path.unlink()
    assert present_files(task(tmp_path)) is None
    draw_all([task(tmp_path)])
    assert {path: path.read_bytes() for path in paths} == whole
    assert drawn == ["line", "line"]


def test_another_process_writes_the_same_bytes(tmp_path, request):
    here = draw_all([task(tmp_path / "here")])
    ours = os.pathsep.join([str(request.path.parent), *sys.path])
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path / "there"], check=True,
                   env=os.environ | {"PYTHONPATH": ours})  # fmt: skip
    for path in here:
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes()


def test_a_png_has_its_size_and_says_which_numbers_it_shows(tmp_path):
    paths = {path.suffix: path for path in draw_all([task(tmp_path)])}
    with Image.open(paths[".png"]) as image:
        image.load()
        assert image.width == COLUMN.width * 300
        said = image.text["Description"]
        assert "Software" not in image.text
    assert paths[".csv"].read_text().startswith(f"# {said} figure=")


def test_content_tells_values_apart():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]})
    values = [
        1, 1.0, "1", True, None, (1, 2), (2, 1), {"a": 1}, {"b": 1}, frame, frame.iloc[::-1],
        frame.rename(columns={"a": "c"}), np.zeros(2), np.zeros((2, 1)), np.zeros(2, np.float32),
        KNOWN["opqn"], KNOWN["dpq"], partial(len, "a"), partial(max, "a"), np.float64(2),
    ]  # fmt: skip
    assert len({content(value) for value in values}) == len(values)
    assert content(frame) == content(frame.copy())
    with pytest.raises(TypeError, match="content to name, got"):
        content(object())
