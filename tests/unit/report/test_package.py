"""A whole report: its files, its refusals, and that it needs no torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hashquant
from hashquant.errors import StoreError, UsageError
from hashquant.plugins import registry
from hashquant.records.record import to_json
from hashquant.report import EmptyReportError, Options, cited, write_report


def test_every_file_is_written_and_names_its_records(make, tmp_path):
    records = make.full(["opqn", "dcdh"], bits=(16,))
    paths = write_report(records, tmp_path)
    names = {path.name for path in paths.tables}
    assert names == {
        "all.tex", "scores.csv", "ranks.csv", "ranks.md",
        *(f"{name}.{kind}" for kind in ("csv", "md", "tex")
          for name in ("map", "intervals", "wins", "claims", "budgets", "health")),
    }  # fmt: skip
    assert {path.parent.name for path in paths.tables if path.name != "claims.md"} == {"tables"}
    assert [table.block.dataset for table in paths.headline] == ["lfw"]
    assert len(paths.figures) == 20
    for path in (*paths.tables, *paths.figures):
        assert path.is_file()
    for path in paths.tables:
        assert "records: " in path.read_text(encoding="utf-8").splitlines()[0]
    again = {path: path.read_bytes() for path in (*paths.tables, *paths.figures)}
    write_report(records, tmp_path)
    assert all(path.read_bytes() == data for path, data in again.items())


def test_with_sources_come_cards_and_a_bibliography(make, tmp_path):
    records = make.full(["opqn", "dcdh"], bits=(16,))
    sources = registry.sources(*cited(records))
    paths = write_report(records, tmp_path, Options(figures=False, sources=sources))
    found = {path.relative_to(tmp_path).as_posix() for path in paths.tables}
    assert found >= {"tables/cards.csv", "cards.md", "CITATION.bib"}
    for name in ("tables/cards.csv", "cards.md", "CITATION.bib"):
        assert "records: " in (tmp_path / name).read_text(encoding="utf-8").splitlines()[0]
    assert "huang2007lfw" in (tmp_path / "CITATION.bib").read_text(encoding="utf-8")


def test_another_metric_has_files_of_its_own(make, tmp_path):
    paths = write_report(
        make.full(["opqn", "dcdh"]), tmp_path, Options(metric="mAP@1000", figures=False)
    )
    assert {path.name for path in paths.tables} >= {"map-at-1000.md", "map-at-1000.tex"}
    assert paths.figures == ()


@pytest.mark.parametrize("name", ["folder:gesichter/Zoë 人 $x_1$", "folder:" + "p/" * 60])
def test_awkward_names_single_cells(make, tmp_path, name, shown):
    records = make.records([make.evaluation(dataset=name, method="neu_é")])
    paths = write_report(records, tmp_path)
    assert len(paths.figures) == 20
    assert "neu_é" in shown(records)


def test_nothing_stored_is_refused_in_one_sentence(make, tmp_path):
    with pytest.raises(EmptyReportError, match="suite 'demo' has no stored record") as caught:
        write_report(make.records(), tmp_path / "r")
    assert str(tmp_path / "r") in str(caught.value)
    assert isinstance(caught.value, UsageError)
    assert not (tmp_path / "r").exists()


def test_unknown_names_are_refused(make, tmp_path):
    records = make.records([make.evaluation()])
    with pytest.raises(UsageError, match="did you mean 'column'"):
        write_report(records, tmp_path, Options(preset="colum"))
    with pytest.raises(UsageError, match="did you mean 'interval'"):
        write_report(records, tmp_path, Options(spread="intervall"))
    with pytest.raises(UsageError, match="unknown metric"):
        write_report(records, tmp_path, Options(metric="accuracy"))


def test_a_folder_that_cannot_be_written_is_one_sentence(make, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        write_report(make.records([make.evaluation()]), tmp_path / "file", Options(figures=False))


def in_a_fresh_python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(hashquant.__file__).parents[1])},
    )  # fmt: skip
    return done.stdout.strip()


def test_importing_it_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys, hashquant.report, hashquant.report.figures._curves\n"
        "print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    assert in_a_fresh_python(code) == "[]"


def test_reporting_from_a_store_imports_no_torch(make, tmp_path):
    cell = tmp_path / "demo" / "lfw" / "opqn"
    (cell / "lfw").mkdir(parents=True)
    (cell / "train.json").write_text(to_json(make.training()))
    (cell / "lfw" / "eval.json").write_text(to_json(make.evaluation()))
    code = (
        "import sys\nfrom pathlib import Path\nfrom hashquant.report import Options, write_report\n"
        "from hashquant.records.store import Store\nroot = Path(sys.argv[1])\n"
        "paths = write_report(Store(root).read('demo'), root / 'out')\n"
        "print(len(paths.figures), 'torch' in sys.modules)"
    )
    assert in_a_fresh_python(code, tmp_path) == "20 False"
