"""Distributions beside a record: falsified ones are named, missing ones made from the codes."""

import json

import numpy as np
import pytest

from hashquant.cli import main
from hashquant.errors import UsageError
from hashquant.records.arrays import read_arrays
from hashquant.records.store import Store
from hashquant.records.vouching import DISTRIBUTIONS
from hashquant.runs.completion import complete_suite
from tests.unit.runs.test_verification import check, edit, edit_arrays, outcome, stored


@pytest.mark.parametrize(
    ("name", "place", "says"),
    [("same", 3, "same, place 3"), ("codeword_use", 7, "codeword_use, place 7"),
     ("edges", 1, "edges, place 1")],
)  # fmt: skip
def test_falsified_distributions_are_named(tmp_path, name, place, says):
    path = stored(tmp_path) / DISTRIBUTIONS
    array = read_arrays(path)[name]
    array.flat[place] += 1
    edit_arrays(path, **{name: array})
    said = check(path.parent).differences
    assert any(sentence.startswith(f"{path}: {says}: stored ") for sentence in said)


@pytest.mark.parametrize("form", ["bits", "table"])
def test_without_codes_the_pairs_are_counted(tmp_path, form):
    path = stored(tmp_path, form) / DISTRIBUTIONS
    (path.parent / "codes.npz").unlink()
    assert outcome(path.parent)[1:3] == ([], [])
    same, different = (read_arrays(path)[name] for name in ("same", "different"))
    same[0], different[0] = same[0] + 1, different[0] - 1  # as many pairs in all
    edit_arrays(path, same=same, different=different)
    [said] = check(path.parent).differences
    right = int(read_arrays(path.parent / "per_query.npz")["relevant"].sum())
    assert said == f"{path}: pairs of one class: stored {right + 1}, found {right}"
    edit_arrays(path, same=same[1:])
    assert any("pairs: stored" in sentence for sentence in check(path.parent).differences)


@pytest.mark.parametrize("wrong", [None, np.zeros(5)])
def test_counts_must_be_whole_numbers(tmp_path, wrong):
    path = stored(tmp_path) / DISTRIBUTIONS
    edit_arrays(path, different=wrong)
    [said] = check(path.parent).unreadable
    assert said.startswith(f"{path}: must hold counts")
    path.write_bytes(b"no zip")
    assert len(check(path.parent).unreadable) == 1


def test_older_records_are_checked_as_far_as_they_go(tmp_path):
    """Schema 1 knew one comparison, and stored no direction with its codes."""
    folder = stored(tmp_path)
    record = json.loads((folder / "eval.json").read_text())
    first = record["curves"][0]["comparison"]

    def age(raw):
        del raw["files"]
        raw.update(schema_version=1, curves=raw["curves"][:1])
        raw["scores"] = [score for score in raw["scores"] if score["comparison"] == first]

    edit(folder / "eval.json", age)
    edit_arrays(folder / "per_query.npz", ap_sdc=None)
    edit_arrays(folder / "codes.npz", larger_is_closer=None, symmetric_table=None)
    source, differences, unreadable, [unsealed, note] = outcome(folder)
    assert (source, differences, unreadable) == ("per-query", [], [])
    assert "the record has no seal" in unsealed
    assert "no larger_is_closer" in note


def test_an_older_record_is_valid_and_can_be_completed(tmp_path):
    folders = [stored(tmp_path / form, form) for form in ("table", "bits")]
    paths = [folder / DISTRIBUTIONS for folder in folders]
    whole = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    for folder, path, data in zip(folders, paths, whole, strict=True):
        note = "no distributions are stored (--complete writes them)"
        assert outcome(folder) == ("codes", [], [], [note])
        store = Store(folder.parents[5])
        assert list(complete_suite(store, "s")) == [path]
        assert path.read_bytes() == data
        assert outcome(folder) == ("codes", [], [], [])
        assert list(complete_suite(store, "s")) == []


def test_what_has_no_whole_codes_is_left_alone(tmp_path):
    folders = [stored(tmp_path, seed=seed) for seed in (0, 1)]
    for folder in folders:
        (folder / DISTRIBUTIONS).unlink()
    (folders[0] / "codes.npz").unlink()
    edit_arrays(folders[1] / "codes.npz", query_table=None)
    assert list(complete_suite(Store(tmp_path), "s")) == []


def test_a_suite_that_is_running_is_not_written_to(tmp_path):
    (stored(tmp_path) / DISTRIBUTIONS).unlink()
    store = Store(tmp_path)
    with store.lock("s"), pytest.raises(UsageError, match="in use by another run"):
        list(complete_suite(store, "s"))


def test_the_command_completes_and_then_verifies(tmp_path, capsys):
    folder = stored(tmp_path)
    (folder / DISTRIBUTIONS).unlink()
    assert main(["verify", "--results-dir", str(tmp_path), "--complete"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "completed: 1 examination",
        "verified: codes=1 per-query=0 different=0 unreadable=0",
    ]
    assert (folder / DISTRIBUTIONS).is_file()
