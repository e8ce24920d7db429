"""`report` on awkward stores: the right tables, or one clear sentence; never a traceback."""

import dataclasses
import json

import numpy as np
import pytest

from hashquant.cli import main
from hashquant.records.record import to_json
from hashquant.report import write_report


class Shelf:
    """Records written to disk as a run leaves them."""

    def __init__(self, root, make) -> None:
        self.root, self.make = root, make

    def put(self, value=0.5, *, status="done", reason="", suite="demo", target="lfw", **asked):
        """Write one cell: a training record, and an examination if it is done."""
        train = self.make.training(status, reason, suite=suite, **asked)
        spec = train.spec
        cell = self.root / suite / spec.dataset.replace("/", "-") / spec.method
        cell = cell / f"{spec.bits}bit" / f"seed{spec.seed}-{train.run_id[:6]}"
        (cell / target).mkdir(parents=True)
        (cell / "train.json").write_text(to_json(train), encoding="utf-8")
        if status == "done":
            people = np.repeat(np.arange(20), 3)
            ap = np.clip(value + 0.1 * np.sin(np.arange(60.0)), 0, 1)
            record = self.make.evaluation(float(ap.mean()), target=target, suite=suite, **asked)
            record = dataclasses.replace(record, queries=len(ap), queries_excluded=0)
            (cell / target / "eval.json").write_text(to_json(record), encoding="utf-8")
            np.savez(cell / target / "per_query.npz", ap=ap, label=people)
        return cell


@pytest.fixture
def shelf(tmp_path, make):
    return Shelf(tmp_path / "results", make)


@pytest.fixture
def report(tmp_path, capsys, monkeypatch):
    """Run `report`; return the exit code, what was printed, and the folder of the reports.

    Figures take most of the time: they are drawn only where they are asked for.
    """

    def plain(records, out, options, parts):
        return write_report(records, out, dataclasses.replace(options, figures=False), parts)

    def run(*flags, suite="demo", figures=False):
        monkeypatch.setattr("hashquant.report.write_report", write_report if figures else plain)
        folders = ["--results-dir", str(tmp_path / "results"), "--reports-dir", str(tmp_path / "r")]
        code = main(["report", "--suite", suite, *folders, *flags])
        said = capsys.readouterr()
        return code, said.out, said.err, tmp_path / "r" / suite

    return run


def text_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".md", ".tex", ".csv", ".bib")
    }


def test_failed_skipped_missing_and_single_seed_cells(shelf, report):
    for seed in (0, 1):
        shelf.put(0.6, method="opqn", bits=16, seed=seed)
        shelf.put(0.7, method="opqn", bits=24, seed=seed)
    shelf.put(0.5, method="dcdh", bits=16)
    shelf.put(method="dcdh", bits=24, status="failed", reason="ValueError: it broke\nin a line")
    shelf.put(method="gpq", bits=16, status="skipped", reason="16 bits cannot be met | odd *words*")
    code, out, err, folder = report("--bundle", figures=True)
    assert (code, err) == (0, "")
    texts = text_of(folder)
    table = texts["tables/map.md"]
    assert "n=1" in table
    assert "failed: ValueError: it broke" in table
    assert "not run" in table
    assert r"16 bits cannot be met \| odd \*words\*" in table
    for name, text in texts.items():
        if not name.endswith(".csv"):
            assert " nan" not in text.lower(), name
    assert "not run" in out
    assert (folder / "bundle.zip").is_file()


def test_one_method_at_one_length_by_one_seed(shelf, report):
    shelf.put()
    code, out, err, folder = report(figures=True)
    assert (code, err) == (0, "")
    assert "OPQN" in out
    assert (folder / "figures" / "map_vs_bits_lfw.pdf").is_file()


def test_one_method_at_several_lengths(shelf, report):
    for bits in (16, 24, 36):
        shelf.put(bits=bits)
    code, _, err, folder = report(figures=True)
    assert (code, err) == (0, "")
    assert len(list((folder / "figures").glob("pr_lfw_*bit.svg"))) == 3


def test_several_methods_at_one_length(shelf, report):
    for method in ("opqn", "dcdh", "gpq", "neu_é"):
        shelf.put(method=method)
    code, _, _, folder = report()
    assert code == 0
    cards = text_of(folder)["cards.md"]
    assert "unknown method 'neu_é'" in cards
    assert "No entry for neu_é: unknown method" in text_of(folder)["CITATION.bib"]


def test_names_in_other_scripts(shelf, report):
    labels = {"overrides": {"wört": "人"}, "settings": {"wört": "人"}}
    shelf.put(suite="süß 人", dataset="folder:bilder/Zoë_人", target="Zoë_人", **labels)
    code, out, err, folder = report("--bundle", suite="süß 人", figures=True)
    assert (code, err) == (0, "")
    assert "OPQN, wört 人" in out
    assert folder.name == "süß 人"
    assert "wört 人" in text_of(folder)["tables/map.md"]
    assert (folder / "bundle.zip").is_file()


def test_cells_that_all_failed(shelf, report):
    shelf.put(status="failed", reason="it broke")
    shelf.put(status="oom", reason="out of memory", method="dcdh")
    code, out, err, folder = report("--bundle")
    assert (code, err) == (0, "")
    assert "failed: it broke" in text_of(folder)["tables/map.md"]
    assert "oom: out of memory" in out


def test_no_results_folder_and_an_unknown_suite(shelf, report):
    code, out, err, folder = report()
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("error: unknown suite 'demo': Known: none (what has records in ")
    shelf.put()
    code, out, err, folder = report(suite="demi")
    assert (code, out) == (2, "")
    assert "did you mean 'demo'" in err
    assert not folder.exists()


def test_an_empty_suite_folder(shelf, report):
    (shelf.root / "demo").mkdir(parents=True)
    code, out, err, folder = report("--bundle")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert not folder.exists()


def test_damaged_files_are_named_and_left_out(shelf, report):
    shelf.put(method="opqn")
    cell = shelf.put(method="dcdh")
    (cell / "lfw" / "eval.json").write_bytes(b"\xff{")
    (cell / "lfw" / "per_query.npz").write_bytes(b"PK no archive")
    code, _, err, folder = report()
    assert code == 0
    assert err.startswith("warning: ")
    assert err.count("\n") == 1
    assert "dcdh" in err
    assert "trained, but not examined on LFW" in text_of(folder)["tables/map.md"]


def test_damaged_values_of_queries_cost_the_interval_only(shelf, report, caplog):
    cell = shelf.put(method="opqn")
    (cell / "lfw" / "per_query.npz").write_bytes(b"PK no archive")
    code, _, err, folder = report()
    assert (code, err) == (0, "")
    assert "per_query.npz is not used: it is no readable file of arrays" in caplog.text
    assert "has no readable file of its queries" in text_of(folder)["tables/intervals.md"]
    assert "0.5" in text_of(folder)["tables/map.md"]


def test_a_cell_whose_queries_are_damaged_is_said_to_be_untested(shelf, report):
    for method, value in (("opqn", 0.6), ("dcdh", 0.55), ("gpq", 0.3)):
        cell = shelf.put(value, method=method)
        if method == "dcdh":
            (cell / "lfw" / "per_query.npz").write_bytes(b"PK no archive")
    code, out, _, folder = report()
    said = "not tested: seed 0 has no readable file of its queries"
    assert code == 0
    assert f"[1] {said}" in out
    assert said in text_of(folder)["tables/map.md"]
    assert said in text_of(folder)["tables/map.csv"]


def test_nothing_but_damaged_files(shelf, report):
    cell = shelf.put(method="opqn")
    for name in ("train.json", "lfw/eval.json"):
        (cell / name).write_text("{")
    code, out, err, folder = report()
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: suite 'demo' has no stored record (2 damaged")
    assert not folder.exists()


def test_records_of_another_schema_are_damaged(shelf, report):
    shelf.put(method="dcdh")
    path = shelf.put(method="opqn") / "lfw" / "eval.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    code, _, err, _ = report()
    assert code == 0
    assert str(path) in err


def test_a_reports_folder_that_cannot_be_written(shelf, report, tmp_path):
    shelf.put()
    (tmp_path / "r").write_text("in the way")
    code, _, err, _ = report("--bundle")
    assert code == 2
    assert err.startswith("error: --reports-dir must be a folder, got ")
    assert err.count("\n") == 1


def test_names_that_mean_something_to_latex_stay_text(shelf, report):
    place = {"dataset": "folder:Meine Bilder/Zoë Müller_ß 100%", "target": "Zoë Müller_ß 100%"}
    for method in ("my_net&50%#1", "opqn"):
        shelf.put(method=method, **place)
    code, out, err, folder = report()
    assert (code, err) == (0, "")
    assert "my_net&50%#1" in out
    texts = text_of(folder)
    assert r"my\_net\&50\%\#1" in texts["tables/map.tex"]
    assert r"Zo\"{e} M\"{u}ller\_\ss{} 100\%" in texts["tables/map.tex"]
    assert "my_net&amp;50%#1" in (folder / "index.html").read_text(encoding="utf-8")
