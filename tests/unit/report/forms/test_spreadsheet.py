"""What a report writes can be opened: no cell of a CSV is a formula, no text steers a terminal."""

import csv
import dataclasses
import unicodedata

import numpy as np
import pandas as pd
import pytest

from hashquant.report import Options, terminal_table, write_report
from hashquant.report.forms.spreadsheet import csv_text

HOSTILE = ["=1+1", "+1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", " =1", "＝1", "=-1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_becomes_a_text(text):
    (head, cell) = csv.reader(csv_text(pd.DataFrame({text: [text]})).splitlines())
    assert head[0].startswith("'")
    assert cell == [f"'{text}"]


@pytest.mark.parametrize(
    "value", ["-0.5", "+3", "-1e-9", "-inf", "", "−0.5", "opqn", "a=b", "–", -0.5, np.nan, 3, True]
)
def test_numbers_and_names_stay_as_they_are(value):
    frame = pd.DataFrame({"x": [value, value]})
    assert csv_text(frame) == frame.to_csv(index=False)
    mixed = pd.DataFrame({"x": [value, None, 1.5]}, dtype=object)
    assert csv_text(mixed, "abc") == "# records: abc\n" + mixed.to_csv(index=False)


def test_no_field_of_a_record_gets_through(make, tmp_path):
    bad = "=cmd()\x1b[31m\x9b\u202e"
    records = make.records(
        [dataclasses.replace(make.evaluation(method=m, dataset=bad, target=t), adapter=bad,
                             notes=(bad,), protocol=bad, health={bad: 1.0}, timing={bad: 1.0})
         for m in (bad, "opqn") for t in (bad, f"@{bad}")],
        [make.training("failed", bad, method=bad, dataset=bad, bits=24)],
        [bad],
    )  # fmt: skip
    records = dataclasses.replace(records, suite=bad)
    report = write_report(records, tmp_path, Options(figures=False))
    texts = {path: path.read_text() for path in report.files}
    assert {".csv", ".md", ".html", ".tex"} <= {path.suffix for path in texts}
    for path, text in texts.items():
        steering = {c for c in text if unicodedata.category(c) in ("Cc", "Cf")} - {"\n", "\t"}
        assert not steering, path
        if path.suffix == ".csv":
            cells = {cell for row in csv.reader(text.splitlines()[1:]) for cell in row}
            assert not {cell for cell in cells if cell.startswith(("=", "@"))}, path
    assert "\\x1b[31m" in (tmp_path / "tables/map.md").read_text().replace("\\\\", "\\")
    assert "\\x1b[31m" in (tmp_path / "tables/map.csv").read_text()
    assert terminal_table(records, report.headline)
