"""Names that a report makes of identifiers: what differs stays apart."""

import dataclasses
import itertools
import json

import pytest

from hashquant.plugins import registry
from hashquant.report.blocks import select_blocks
from hashquant.report.bundle import Material, write_bundle
from hashquant.report.cards._bibliography import keys
from hashquant.report.drawing.canvas import file_stem
from hashquant.report.figures.drawings import drawings
from hashquant.report.findings import find
from hashquant.report.forms.latex import latex
from hashquant.report.frame import Metric
from hashquant.report.options import Options
from hashquant.report.tables.maps import map_sheet, map_tables
from hashquant.settings.reference import Sources

SETS = ("folder:t 1", "folder:t-1", "folder:t--1", "folder:T-1")


@pytest.fixture
def alike(make):
    """Records of data sets whose names read alike, each examined on itself and on another."""
    pairs = [(name, name) for name in SETS] + list(itertools.pairwise(SETS))
    return make.records([make.evaluation(dataset=a, target=b) for a, b in pairs])


def test_every_block_has_a_file_stem_of_its_own(alike):
    stems = [file_stem(block).casefold() for block in select_blocks(alike)]
    assert len(set(stems)) == len(stems) == 7


def test_every_figure_has_a_file_of_its_own(alike, tmp_path):
    options = Options(figures=True)
    stems = [drawing.stem.name for drawing in drawings(find(alike, options), tmp_path, options)]
    assert len(set(map(str.casefold, stems))) == len(stems) > len(SETS)


def test_a_block_of_two_sets_is_not_that_of_one_with_hyphens(make):
    evals = [make.evaluation(dataset="a--b"), make.evaluation(dataset="a", target="b")]
    assert len({file_stem(block) for block in select_blocks(make.records(evals))}) == 2


def test_a_set_named_like_an_option_is_examined_on_itself(make):
    name = "folder:a+norm_stats=target"
    evals = [
        make.evaluation(dataset=name, target=f"{name}+norm_stats=source"),
        make.evaluation(dataset="folder:a", target=name),
    ]
    other, own = select_blocks(make.records(evals))
    assert (own.of_itself, own.option, own.single_domain) == (True, "", True)
    assert (other.of_itself, other.option) == (False, "norm_stats=target")


def test_labels_of_two_suites_differ(make):
    records = make.records([make.evaluation()])
    tables, labels = map_tables(records, Metric("mAP")), set()
    for suite in ("a-b", "a_b", "a b", "naïve", "nave", "A-b"):
        named = dataclasses.replace(records, suite=suite)
        text = latex(map_sheet(tables, named, "map"), "d")
        label = text.partition(r"\label{")[2].partition("}")[0]
        assert label.isascii()
        labels.add(label)
    assert len(labels) == 6
    assert "tab:a-b-map" in labels


def test_manifests_of_one_name_are_both_in_a_bundle(make, tmp_path, monkeypatch):
    files = []
    for folder, digest in (("a", make.split), ("b", "f" * 64)):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "splits.json")
        files[-1].write_text(json.dumps({"sha256": digest}))
    evals = [make.evaluation(), make.evaluation(target="olivetti", split="f" * 64)]
    written = {}
    monkeypatch.setattr(
        "hashquant.report.bundle._zipped", lambda found, _: written.update(found) or b""
    )
    write_bundle(make.records(evals), [], tmp_path, Material(tmp_path, manifests=tuple(files)))
    rows = json.loads(written["splits/splits.json"])
    assert len(rows) == 2
    for row in rows:
        assert json.loads(written[f"splits/{row['listed_in']}"])["sha256"] == row["sha256"]


def test_methods_of_one_paper_whose_names_read_alike_have_their_keys():
    paper = registry.reference("opqn")
    found = keys(Sources({"deep_hash": paper, "deephash": paper, "other": paper}, {}, {}))
    assert found.keys() == {"deep_hash", "deephash", "other"}
    assert found["other"] != found["deephash"]
