"""Readers see names, records and CSV keep identifiers."""

import dataclasses
import re

import pandas as pd
import pytest

from hashquant.plugins import naming as plugin_naming
from hashquant.plugins import registry
from hashquant.report import Options, cited, terminal_table, write_report
from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.shortnames import row_names, short_names
from hashquant.report.drawing.style import looks
from hashquant.report.naming import identifiers, named, named_looks, spoken
from hashquant.report.rows import row_families
from hashquant.settings.names import Name, Names

NAMES = Names(
    methods={
        "opqn": Name("OPQN", words={"loss_on=x": "loss on x"}),
        "dcdh": Name("DCDH (2021)", short="DCDH"),
    },
    datasets={"lfw": "Faces, wild", "lfw-unseen": "Faces, wild, new people"},
    options={"norm_stats=target": "own statistics"},
    trunks={"sphere20-narrow": "Sphere"},
)
#: What only records, CSV and commands may say.
IDENTIFIERS = re.compile(r"(?<![\w./`-])(opqn|dcdh|lfw|lfw-unseen|sphere20-narrow)(?![\w./`-])")


@pytest.fixture
def records(make):
    found = make.full(["opqn", "dcdh"], bits=(16, 24), seeds=(0, 1))
    variant = make.evaluation(0.4, overrides={"loss_on": "x"}, settings={"loss_on": "x"})
    away = [
        dataclasses.replace(make.evaluation(0.3, target="lfw-unseen", method=m), protocol="unseen")
        for m in ("opqn", "dcdh")
    ]
    return dataclasses.replace(found, evals=(*found.evals, variant, *away))


def test_blocks_say_what_readers_call_them(records):
    home, away = select_blocks(records, names=NAMES)
    assert (home.name, home.trained, home.identifier) == ("Faces, wild", "Faces, wild", "lfw")
    assert (away.name, away.identifier) == ("Faces, wild → new people", "lfw → lfw-unseen")
    assert select_blocks(records)[1].name == away.identifier


def test_frames_are_named_column_by_column():
    frame = pd.DataFrame(
        {"label": ["opqn loss_on=x", 1.5], "target": ["lfw+norm_stats=target", "other"],
         "compared": [3, 4], "mean": [0.1, 0.2]}
    )  # fmt: skip
    shown = named(frame, NAMES)
    assert shown["label"].tolist() == ["OPQN, loss on x", 1.5]
    assert shown["target"].tolist() == ["Faces, wild (own statistics)", "other"]
    assert shown[["compared", "mean"]].equals(frame[["compared", "mean"]])
    assert frame["label"][0] == "opqn loss_on=x"


def test_texts_name_what_the_blocks_hold(records):
    known = identifiers(select_blocks(records, names=NAMES))
    said = spoken("opqn − opqn loss_on=x; (opqn) − (dcdh); lfw → lfw-unseen beside lfw", known)
    assert said == (
        "OPQN − OPQN, loss on x; (OPQN) − (DCDH (2021)); "
        "Faces, wild → new people beside Faces, wild"
    )
    assert spoken("my-opqn opqn2", known) == "my-opqn opqn2"


def test_legends_take_the_short_name_and_variants_what_they_change(records):
    look = named_looks(looks(row_families(records)), NAMES)
    assert row_names(look, look) == {
        "opqn": "OPQN", "opqn loss_on=x": "OPQN, loss on x", "dcdh": "DCDH"}  # fmt: skip
    alone = {label: row for label, row in look.items() if label != "dcdh"}
    assert row_names(alone, alone) == {"opqn": "OPQN", "opqn loss_on=x": "loss on x"}
    assert looks(row_families(records))["opqn"].color == look["opqn"].color
    long = Names(datasets={"a": "A name that is much too long", "b": "A name that is also long"})
    short = short_names(["a", "b", "a+norm_stats=target"], long)
    assert len(set(short.values())) == 3
    assert short["a+norm_stats=target"].endswith("+norm")


def test_a_report_shows_names_and_its_csv_identifiers(records, tmp_path):
    sources = registry.sources(*cited(records))
    plain, shown = tmp_path / "plain", tmp_path / "shown"
    write_report(records, plain, Options(figures=False, sources=sources))
    report = write_report(records, shown, Options(figures=False, sources=sources, names=NAMES))
    compared = 0
    for path in (path for path in report.tables if path.suffix in (".csv", ".bib")):
        compared += 1
        # Reasons are prose: the same in a CSV as beside the table.
        text = path.read_text("utf-8").replace("examined on Faces, wild, new", "examined on")
        assert text.replace("examined on people", "examined on lfw-unseen") == (
            plain / path.relative_to(shown)
        ).read_text("utf-8")
    assert compared > 8
    said = [terminal_table(records, report.headline)]
    said += [path.read_text("utf-8") for path in report.tables if path.suffix == ".md"]
    said += [
        re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", report.page.read_text("utf-8"), flags=re.S)
    ]
    for text in said:
        # What a claim needs is said as commands know it, in back-quotes or code.
        left = [line for line in text.splitlines() if IDENTIFIERS.search(line)]
        assert [line for line in left if "needs" not in line and "codebooks" not in line] == []
    assert "OPQN, loss on x" in said[0]
    assert "Trunk Sphere, 32-pixel" in said[0]
    assert "not examined on Faces, wild, new people" in said[0]


def test_latex_rows_cite_their_papers(records, tmp_path):
    sources = registry.sources(*cited(records))
    write_report(records, tmp_path, Options(figures=False, sources=sources, names=NAMES))
    text = (tmp_path / "tables" / "map.tex").read_text("utf-8")
    (key,) = set(re.findall(r"OPQN~\\cite\{(\w+)\}", text))
    assert f"{{{key}," in (tmp_path / "CITATION.bib").read_text("utf-8")
    assert r"OPQN, loss on x~\cite" not in text
    assert r"\bibliography{../CITATION}" in (tmp_path / "tables" / "all.tex").read_text("utf-8")
    assert r"\cite" not in (tmp_path / "tables" / "map.md").read_text("utf-8")


def test_the_stored_rows_are_all_named(make):
    rows = ["opqn codebooks=learned", "gpq labels=100%", "gpq labels=50%", "dpq init=port"]
    names = plugin_naming.names([row.partition(" ")[0] for row in rows], [])
    assert [names.row(row) for row in rows] == [
        "OPQN, learned codewords", "GPQ", "GPQ, 50 % of the labels", "DPQ, start port"
    ]  # fmt: skip
