"""The claims of several suites in one table: each field says what that suite's own file says."""

import dataclasses

import pandas as pd
import pytest

from hashquant.report import Options
from hashquant.report.across.claims import matrix_frame, matrix_sheet, write_claims
from hashquant.report.findings import find, noun_of
from hashquant.settings.names import Names


@pytest.fixture
def found(exams, people, middling):
    """One suite in which OPQN leads, one in which it trails."""
    suites = {}
    for suite, lead in (("ahead", 0.1), ("behind", -0.1)):
        here = type(exams)(exams.root / suite)
        for seed in (0, 1) if suite == "ahead" else (0,):
            here.add(middling + lead, people, method="opqn", seed=seed)
            here.add(middling, people, method="dcdh", seed=seed)
        suites[suite] = find(here.records(), Options())
    return suites


def test_every_field_is_the_line_that_judges(found):
    frame = matrix_frame(found).set_index(["suite", "claim"])
    assert frame.loc[("ahead", "a1"), "verdict"] == "supported"
    assert frame.loc[("behind", "a1"), "verdict"] == "contradicted"
    assert frame.loc[("ahead", "b1"), "verdict"] == "no records"
    for suite, claim in (("ahead", "a1"), ("behind", "a1")):
        own = found[suite].claims
        line = own[own["claim"] == claim].iloc[-1]
        shown = frame.loc[(suite, claim)]
        assert tuple(shown[["estimate", "low", "high"]]) == tuple(line[["estimate", "low", "high"]])


def test_a_reader_sees_verdict_estimate_and_interval(found):
    (grid,) = matrix_sheet(matrix_frame(found)).displays
    row = grid.frame.iloc[0]
    assert list(grid.frame.columns) == ["claim", "ahead", "behind"]
    assert row["ahead"].startswith("supported: +0.100 (+0.")
    assert row["behind"].startswith("contradicted (1 seed): −0.100 (−0.")
    assert row["claim"] == "(a1)"
    assert grid.points[0].startswith("(a1) OPQN retrieves better")


def test_the_word_for_the_classes_stands_once(found, tmp_path):
    """Suites of faces, of things and of both: "identities or classes", and not each of them."""
    (block,) = found["ahead"].blocks
    things = Names(classes={"things": "classes"})
    other = dataclasses.replace(block, dataset="things", names=things)
    assert noun_of([block, other, block, other]) == "identities or classes"
    text = write_claims(found, tmp_path)[0].read_text(encoding="utf-8")
    assert "(identities that were trained on)" in text


def test_all_four_files_hold_the_same_verdicts(found, tmp_path):
    paths = {path.suffix: path for path in write_claims(found, tmp_path)}
    assert set(paths) == {".md", ".csv", ".tex", ".html"}
    digest = paths[".csv"].read_text(encoding="utf-8").splitlines()[0].split()[-1]
    table = pd.read_csv(paths[".csv"], skiprows=1)
    assert len(table) == 2 * table["claim"].nunique()
    for suffix in (".md", ".tex", ".html"):
        text = paths[suffix].read_text(encoding="utf-8")
        assert text.count("contradicted") >= 1
        assert f"records: {digest}" in text
    page = paths[".html"].read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    assert {p.name: p.read_bytes() for p in write_claims(found, tmp_path / "again")} == {
        p.name: p.read_bytes() for p in paths.values()
    }
