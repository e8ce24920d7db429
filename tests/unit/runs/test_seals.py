"""What is damaged, or another run's, is found, named, and made again by the next run."""

import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hashquant.cli import main
from hashquant.machine.seals import file_digest
from hashquant.records.record import EvalRecord, TrainRecord, read_record, to_json
from hashquant.records.store import Store
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.planning import plan
from hashquant.runs.runner import attempt, is_cached, kept_in, settled
from hashquant.runs.tally import Ending, Tally
from hashquant.runs.verification import verify_suite
from hashquant.runs.workers import run
from hashquant.settings.suite import Suite

SUITE = Suite(
    methods=("dcdh",), bits=(16,), epochs=1, batch_size=8, targets=("seen",), image_size=16,
    resize=18, precision="fp32", seeds=(0, 1),
    settings={"synthfaces": {"identities": 4, "images": 8}},
)  # fmt: skip
ARRAYS = ("per_query.npz", "codes.npz", "distributions.npz")
FILES = ("train.json", "model.safetensors", "eval.json", *ARRAYS)


class Silent:
    def __init__(self):
        self.said = []

    def show(self, text):
        pass

    def advance(self, units, text=""):
        pass

    def say(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two cells, trained and examined once, with their images in memory."""
    root = tmp_path_factory.mktemp("made")
    cells = plan("quick", SUITE, device="cpu")
    here = Surroundings(Store(root / "results"), root / "data", torch.device("cpu"))
    contest = load(cells[0], here)
    for cell in cells:
        assert attempt(cell, contest, here, Silent()).status == "done"
    return SimpleNamespace(root=root / "results", cells=cells, contest=contest, here=here)


class Copy:
    """A copy of the store that may be damaged, and what a run makes of it."""

    def __init__(self, made, root):
        shutil.copytree(made.root, root)
        self.here = Surroundings(Store(root), root / "data", torch.device("cpu"))
        self.cell, self.other = made.cells
        self.contest = made.contest
        self.folder, self.name = kept_in(self.cell, self.contest, self.here)
        self.rival, _ = kept_in(self.other, self.contest, self.here)

    def path(self, name, folder=None):
        home = (folder or self.folder).path
        inside = name in ("eval.json", *ARRAYS)
        return home / "synthfaces-studio" / name if inside else home / name

    @property
    def cached(self):
        return is_cached(self.cell, self.contest, self.here)

    def run(self):
        ending = settled(self.cell, self.contest, self.here, Silent())
        return ending or attempt(self.cell, self.contest, self.here, Silent())

    def digests(self):
        arrays = {name: file_digest(self.path(name)) for name in (*ARRAYS, "model.safetensors")}
        return arrays, read_record(EvalRecord, self.path("eval.json")).scores

    def verified(self):
        found = list(verify_suite(self.here.store, "quick"))
        return [said for checked in found for said in (*checked.differences, *checked.unreadable)]


@pytest.fixture
def copy(made, tmp_path):
    return Copy(made, tmp_path / "results")


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def folder(path):
    path.unlink()
    path.mkdir()
    (path / "something").touch()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def looped(path):
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("name", "damage"),
    [*((name, damage) for name in FILES for damage in (flipped, folder)),
     *(("codes.npz", damage) for damage in (cut, pipe, looped)), ("train.json", pipe)],
)  # fmt: skip
def test_whatever_is_wrong_with_a_file_is_named(copy, name, damage):
    assert copy.cached
    assert copy.verified() == []
    damage(copy.path(name))
    assert not copy.cached
    assert os.path.lexists(copy.path(name))  # asking changes nothing
    said = copy.verified()
    assert said
    assert all(str(copy.path(name)) in sentence for sentence in said)


@pytest.mark.parametrize(
    "damages",
    [{"per_query.npz": folder, "codes.npz": pipe, "distributions.npz": flipped},
     {"model.safetensors": flipped, "eval.json": flipped}, {"train.json": folder}],
)  # fmt: skip
def test_it_is_set_aside_and_made_again_the_same(copy, damages, caplog):
    before = copy.digests()
    for name, damage in damages.items():
        damage(copy.path(name))
    assert copy.run().status == "done"
    for path in map(copy.path, damages):
        assert str(path) in caplog.text
        assert path.with_name(f"{path.name}.corrupt").exists()
    assert copy.digests() == before
    assert copy.verified() == []
    assert copy.run().status == "cached"


def test_a_broken_array_costs_no_training(copy, monkeypatch):
    monkeypatch.setattr("hashquant.runs.cell.train", None)
    cut(copy.path("codes.npz"))
    assert copy.run().status == "done"


def test_a_run_that_is_killed_before_it_mends_finds_the_damage_again(copy, monkeypatch):
    """What has no file is whole: a damaged one must stay until the new one is there."""
    for name in ("codes.npz", "model.safetensors"):
        flipped(copy.path(name))
    with monkeypatch.context() as patched:
        for place in ("cell.train", "runner.examine"):
            patched.setattr(f"hashquant.runs.{place}", None)
        assert copy.run().status == "failed"
    assert not copy.cached
    assert copy.run().status == "done"
    assert copy.cached


@pytest.mark.parametrize("name", FILES)
def test_the_file_of_another_cell_is_not_taken(copy, name):
    shutil.copy(copy.path(name, copy.rival), copy.path(name))
    assert not copy.cached
    assert copy.verified() != []


def test_the_folder_of_another_cell_is_not_taken(copy):
    before = copy.digests()
    shutil.rmtree(copy.folder.path)
    shutil.copytree(copy.rival.path, copy.folder.path)
    assert copy.run().status == "done"
    assert (copy.digests(), copy.cached) == (before, True)


@pytest.mark.parametrize("name", ["codes.npz", "distributions.npz", "model.safetensors"])
def test_what_is_absent_is_not_damaged(copy, name):
    copy.path(name).unlink()
    assert copy.cached
    assert copy.verified() == []


def test_a_file_where_a_folder_should_be_ends_no_run(copy):
    shutil.rmtree(copy.folder.path)
    copy.folder.path.write_text("in the way")
    assert copy.run().status == "done"
    assert copy.cached


def aged(copy):
    """Take the seals out of a cell's records, as older ones had none."""
    for cls, name in ((TrainRecord, "train.json"), (EvalRecord, "eval.json")):
        path = copy.path(name)
        raw = json.loads(path.read_text())
        del raw["seal"], raw["files"]
        path.write_text(json.dumps(raw | {"schema_version": 3}))
        assert read_record(cls, path).schema_version == 3


@pytest.mark.parametrize("name", [*ARRAYS, "model.safetensors"])
def test_files_of_older_records_are_read_before_they_count(copy, name):
    aged(copy)
    assert copy.cached
    cut(copy.path(name))
    assert not copy.cached
    assert any(str(copy.path(name)) in sentence for sentence in copy.verified())


def test_an_older_record_whose_queries_are_others_is_examined_again(copy):
    aged(copy)
    path = copy.path("per_query.npz")
    with np.load(path) as file:
        np.savez(path, **{name: file[name] for name in file.files} | {"ap": file["ap"] * 0.9})
    found = copy.folder.examined(copy.name, "synthfaces-studio")
    assert "its mean ap is" in found.faults[path]
    assert not copy.cached


def test_older_records_are_sealed_once_they_are_found_right(copy, capsys):
    aged(copy)
    flags = ["--results-dir", str(copy.here.store.root)]
    assert main(["verify", *flags]) == 0
    assert "the record has no seal" in capsys.readouterr().out
    assert main(["verify", "--complete", *flags]) == 0
    assert "sealed: 2 records\n" in capsys.readouterr().out
    before = copy.digests()
    assert read_record(TrainRecord, copy.path("train.json")).files.keys() == {"model.safetensors"}
    flipped(copy.path("distributions.npz"))
    assert not copy.cached
    assert main(["verify", "--complete", *flags]) == 0
    assert "completed: 1 examination\n" in capsys.readouterr().out
    assert (copy.digests(), copy.cached) == (before, True)
    assert to_json(read_record(EvalRecord, copy.path("eval.json")))


def test_a_forged_older_record_is_not_sealed(copy, capsys):
    aged(copy)
    path = copy.path("eval.json")
    raw = json.loads(path.read_text())
    raw["scores"][0]["value"] = 0.999
    path.write_text(json.dumps(raw))
    assert main(["verify", "--complete", "--results-dir", str(copy.here.store.root)]) == 1
    assert "sealed:" not in capsys.readouterr().out


def test_results_that_are_removed_while_a_run_goes_on_are_missed(copy, monkeypatch):
    tally, watcher = Tally(), Silent()
    gone = copy.path("eval.json")

    def cells(*_):
        for each in (copy.cell, copy.other):
            tally.add(settled(each, copy.contest, copy.here, watcher))
        gone.unlink()

    monkeypatch.setattr("hashquant.runs.runner.run", cells)
    run([copy.cell], copy.here, watcher, tally, 1)
    assert str(tally) == "summary: done=0 cached=1 skipped=0 failed=1 untrained=2"
    assert tally.exit_code == 1
    assert watcher.said[-1].startswith(f"error: {gone} is gone: ")


def test_partial_files_of_killed_runs_are_removed_by_the_next(copy, monkeypatch):
    dead, alive = (copy.folder.path / f".model.safetensors.{number}.tmp"
                   for number in (2**22 + 1, os.getppid()))  # fmt: skip
    for path in (dead, alive):
        path.touch()
    monkeypatch.setattr("hashquant.runs.runner.run", lambda *_: None)
    run([copy.cell], copy.here, Silent(), Tally(), 1)
    assert (dead.exists(), alive.exists()) == (False, True)
    assert Ending("done").kept == ()
