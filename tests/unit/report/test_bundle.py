"""The archive for a paper's artefact: complete, without images, the same bytes every time."""

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hashquant.errors import StoreError
from hashquant.plugins import registry
from hashquant.records.record import Provenance, to_json
from hashquant.records.store import Store
from hashquant.report import Options, cited, write_report
from hashquant.report.bundle import Material, write_bundle

MADE_BY = Provenance("abc123", True, {"torch": "2"}, "cpu", "a cpu", 1, True)


@pytest.fixture
def results(tmp_path, make):
    """A store with a finished cell, its codes and weights, and a failed one, of suite "demo"."""
    cell, failed = (tmp_path / "results" / "demo" / "lfw" / m for m in ("opqn", "dcdh"))
    (cell / "lfw").mkdir(parents=True)
    failed.mkdir()
    train = dataclasses.replace(make.training(), provenance=MADE_BY)
    (cell / "train.json").write_text(to_json(train))
    evaluation = dataclasses.replace(make.evaluation(), queries=3)
    (cell / "lfw" / "eval.json").write_text(to_json(evaluation))
    np.savez(cell / "lfw" / "per_query.npz", ap=np.full(3, 0.5), label=np.arange(3))
    np.savez(cell / "lfw" / "codes.npz", codes=np.ones(3))
    (cell / "model.safetensors").write_bytes(b"weights")
    (failed / "train.json").write_text(to_json(make.training("failed", "broke", method="dcdh")))
    return tmp_path / "results"


def bundled(results, out, extra=(), **material):
    records = Store(results).read("demo")
    sources = registry.sources(*cited(records))
    paths = write_report(records, out, Options(figures=False, sources=sources))
    given = Material(results / "demo", **material)
    return write_bundle(records, (*paths.tables, *extra), out, given)


def inside(path):
    """Every file of an archive by its name below the one folder."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (top,) = {name.partition("/")[0] for name in names}
        return {name.removeprefix(f"{top}/"): archive.read(name) for name in names}


def test_everything_of_a_suite_and_nothing_heavy(results, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==2\n")
    suite = tmp_path / "demo.yaml"
    suite.write_text("title: Demo\n")
    found = inside(bundled(results, tmp_path / "out", lock=lock, suite_file=suite))
    assert found.keys() >= {
        "README.md", "SHA256SUMS", "CITATION.bib", "report/cards.md", "report/claims.md",
        "report/tables/map.tex", "report/tables/scores.csv", "results/demo/lfw/opqn/train.json",
        "results/demo/lfw/opqn/lfw/eval.json", "results/demo/lfw/opqn/lfw/per_query.npz",
        "results/demo/lfw/dcdh/train.json", "configuration/demo.yaml",
        "environment/requirements.lock", "environment/machines.json", "splits/splits.json",
    }  # fmt: skip
    assert not [name for name in found if name.endswith(("codes.npz", ".safetensors"))]
    assert json.loads(found["environment/machines.json"]) == [
        dataclasses.asdict(MADE_BY) | {"records": 1}
    ]
    readme = found["README.md"].decode()
    assert "abc123+" in readme
    assert "--suite configuration/demo.yaml" in readme


def test_checksums_cover_every_other_file(results, tmp_path):
    found = inside(bundled(results, tmp_path / "out"))
    sums = dict(reversed(line.split("  ", 1)) for line in found["SHA256SUMS"].decode().splitlines())
    assert sums.keys() == found.keys() - {"SHA256SUMS"}
    assert all(hashlib.sha256(found[name]).hexdigest() == sums[name] for name in sums)


def test_the_same_records_give_the_same_bytes_also_from_its_own_records(results, tmp_path):
    first = bundled(results, tmp_path / "out")
    again = bundled(results, tmp_path / "again")
    assert first.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(first) as archive:
        archive.extractall(tmp_path / "unpacked")
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())
    (top,) = (tmp_path / "unpacked").iterdir()
    assert bundled(top / "results", tmp_path / "third").read_bytes() == first.read_bytes()


def test_no_image_of_a_data_set_is_inside(results, tmp_path):
    out = tmp_path / "out"
    shown = {"retrieval_lfw.pdf": b"%PDF", "index.html": b"<img src='data:image/png;base64,AA'>",
             "plot.pdf": b"%PDF", "other.html": b"<svg/>"}  # fmt: skip
    (out / "figures").mkdir(parents=True)
    for name, data in shown.items():
        (out / "figures" / name).write_bytes(data)
    found = inside(bundled(results, out, extra=[out / "figures" / name for name in shown]))
    kept = {name.rpartition("/")[2] for name in found if name.startswith("report/figures/")}
    assert kept == {"plot.pdf", "other.html"}


def test_a_split_that_is_written_down_goes_along(results, tmp_path, make):
    files = {"mine.json": {"sha256": make.split}, "other.json": {"sha256": "0"}, "list.json": []}
    for name, raw in files.items():
        (tmp_path / name).write_text(json.dumps(raw))
    odd = {"odd.json": b"{", "deep.json": b"[" * 100_000, "latin.json": b'{"sha256": "\xe9"}'}
    for name, data in odd.items():
        (tmp_path / name).write_bytes(data)
    manifests = tuple(tmp_path / name for name in (*files, *odd))
    found = inside(bundled(results, tmp_path / "out", manifests=manifests))
    assert {n for n in found if n.startswith("splits/")} == {
        "splits/mine.json",
        "splits/splits.json",
    }
    (row,) = json.loads(found["splits/splits.json"])
    assert (row["examined"], row["listed_in"], row["queries"]) == ("lfw", "mine.json", 3)


def test_damaged_records_are_left_out_and_counted(results, tmp_path):
    (results / "demo" / "lfw" / "opqn" / "lfw" / "eval.json").write_text("{")
    found = inside(bundled(results, tmp_path / "out"))
    assert not [name for name in found if name.startswith("results/demo/lfw/opqn/lfw/")]
    assert "Left out of the results: 1 damaged file." in found["README.md"].decode()


def test_a_file_that_went_away_is_one_sentence(results, tmp_path):
    with pytest.raises(StoreError, match=r"cannot read .*gone\.md: No such file"):
        bundled(results, tmp_path / "out", extra=[tmp_path / "out" / "gone.md"])


def test_names_in_other_scripts(results, tmp_path):
    path = results / "人 Zoë"
    Path(results / "demo").rename(path)
    records = Store(results).read("人 Zoë")
    written = write_report(records, tmp_path / "out", Options(figures=False))
    found = inside(write_bundle(records, written.tables, tmp_path / "out", Material(path)))
    assert "results/人 Zoë/lfw/opqn/train.json" in found
    assert "--suite '人 Zoë'" in found["README.md"].decode()
