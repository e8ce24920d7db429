"""PGF files compile in a plain paper, repeat to the byte, and are left out without a LaTeX."""

import shutil
import subprocess
from functools import partial

import pandas as pd
import pytest

from hashquant.report.drawing import _pgf as pgf
from hashquant.report.drawing.canvas import canvas
from hashquant.report.drawing.files import Drawing, usable_formats, write_files
from hashquant.report.drawing.style import PRESETS, drawable

NEEDS_TEX = pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex is installed")
HARD = r"Zoë 人 → щ 50% a_b {c} #1 & $x$ ~^ < \ µ ±−…"

DOLLARS = ["a$b", "$", "a$b$c", "$a$b$", "a\\\\$b", "a\\\\$b\\\\$", "#$%", "{$", "${x}$_^", "$\n$a"]


def hard_figure(preset):
    figure, axes = canvas(preset)
    axes.plot([-1, 2], [1, 2], label=drawable(HARD))
    axes.pcolormesh([[0.1, 0.2]], rasterized=True)
    axes.set_xticks([0, 1], [drawable("a_b"), drawable("50%")])
    axes.set_title(drawable(HARD))
    # However many there are: matplotlib takes the backslash from a single one.
    for row, text in enumerate(DOLLARS):
        axes.text(0, row, drawable(text)).set_in_layout(False)
    return figure


def draw(stem, formats):
    preset = PRESETS["column"]
    task = Drawing(partial(hard_figure, preset), pd.DataFrame({"x": [1]}), stem, preset)
    return write_files(task, formats)


@NEEDS_TEX
def test_any_text_compiles_with_no_package_but_pgf(tmp_path):
    paths = draw(tmp_path / "figure", ("pgf",))
    assert [path.name for path in paths] == ["figure.pgf", "figure.csv"]
    assert paths[0].read_bytes().isascii()
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{pgf}\begin{document}\input{figure.pgf}\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Output written on paper.pdf (1 page" in done.stdout


@NEEDS_TEX
def test_all_formats_repeat_to_the_byte(tmp_path):
    formats = ("pgf", "pdf", "png", "svg")
    written = [draw(tmp_path / folder / "figure", formats) for folder in ("a", "b")]
    assert [path.suffix for path in written[0]] == [".pdf", ".png", ".svg", ".pgf", ".csv"]
    assert [p.read_bytes() for p in written[0]] == [p.read_bytes() for p in written[1]]


def test_without_latex_one_note_says_why(monkeypatch):
    monkeypatch.setitem(pgf.SETTINGS, "pgf.texsystem", "lualatex")
    monkeypatch.setenv("PATH", "")
    kept, notes = usable_formats(("pdf", "pgf"))
    assert kept == ("pdf",)
    assert len(notes) == 1
    assert "PGF figures are left out" in notes[0]
    assert usable_formats(("pdf", "svg")) == (("pdf", "svg"), ())


def test_texts_as_tex():
    assert pgf.tex("é ç Ø") == r"\'{e} \c{c} \O{}"
    assert pgf.tex(r"a\$b") == r"a\textdollar{}b"
    assert pgf.tex(r"$\mathdefault{10^{2}}$") == r"$\mathdefault{10^{2}}$"
    assert pgf.tex("100% {x}") == r"100\% \{x\}"
