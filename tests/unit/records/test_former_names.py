"""Stores of before names had digits: what lies there is found, told by what its records say."""

import dataclasses
import shutil

import pytest

from hashquant.machine.filenames import former_name, safe_name
from hashquant.records.store import Store
from tests.unit.records.test_store import ARRAYS, eval_record, spec, train_record

RUN = "abcdef123456"
SPACED, HYPHENED = "folder:t 1", "folder:t-1"


def examined(target, queries=3):
    return dataclasses.replace(eval_record(target), run_id=RUN, queries=queries)


def kept(cell, target):
    """Return the record of the examination that is stored of a target, without its seals."""
    found = cell.examined(RUN, target).record
    return found and dataclasses.replace(found, files={})


def as_before(cell, target):
    """Move an examination to where it lay before names had digits."""
    shutil.move(cell.path / safe_name(target), cell.path / former_name(target))


def test_targets_that_read_alike_are_kept_apart(tmp_path):
    cell = Store(tmp_path).cell(spec(), RUN)
    for target, queries in ((SPACED, 3), (HYPHENED, 4), ("folder:t_1", 5), ("folder:t/1", 6)):
        cell.save_eval(examined(target, queries), ARRAYS, ARRAYS)
    assert kept(cell, SPACED) == examined(SPACED, 3)
    assert kept(cell, HYPHENED) == examined(HYPHENED, 4)
    assert kept(cell, "folder:t/1") == examined("folder:t/1", 6)
    assert len(Store(tmp_path).read("s").evals) == 4


def test_an_examination_under_its_former_name_is_read_and_written_there(tmp_path):
    cell = Store(tmp_path).cell(spec(), RUN)
    cell.save_eval(examined(SPACED), ARRAYS, ARRAYS)
    as_before(cell, SPACED)
    assert kept(cell, SPACED) == examined(SPACED)
    cell.save_eval(examined(SPACED, 9), ARRAYS, ARRAYS)
    assert [record.queries for record in Store(tmp_path).read("s").evals] == [9]


@pytest.mark.parametrize("stored", [SPACED, HYPHENED])
def test_a_former_folder_of_two_targets_is_that_of_the_one_inside(tmp_path, stored):
    cell = Store(tmp_path).cell(spec(), RUN)
    cell.save_eval(examined(stored), ARRAYS, ARRAYS)
    as_before(cell, stored)
    (other,) = {SPACED, HYPHENED} - {stored}
    assert kept(cell, other) is None
    cell.save_eval(examined(other, 7), ARRAYS, ARRAYS)
    assert kept(cell, stored) == examined(stored)
    assert kept(cell, other) == examined(other, 7)
    assert len(Store(tmp_path).read("s").evals) == 2


def test_a_former_folder_that_says_nothing_is_nobodys(tmp_path):
    cell = Store(tmp_path).cell(spec(), RUN)
    cell.save_eval(examined(SPACED), ARRAYS, ARRAYS)
    as_before(cell, SPACED)
    (cell.path / former_name(SPACED) / "eval.json").write_text("[" * 100_000)
    assert kept(cell, SPACED) is None


def test_a_cell_under_its_former_name_is_found(tmp_path):
    asked = spec(dataset=SPACED, method="My Hash")
    new = Store(tmp_path).cell(asked, RUN)
    new.save_train(train_record(spec=asked))
    former = tmp_path / "s" / former_name(SPACED) / "My Hash" / "24bit" / new.path.name
    former.parent.mkdir(parents=True)
    shutil.move(new.path, former)
    assert Store(tmp_path).cell(asked, RUN).path == former
    assert Store(tmp_path).cell(asked, RUN[:6] + "000000").path == new.path


def test_a_training_broken_off_under_its_former_name_goes_on_there(tmp_path):
    asked = spec(dataset=SPACED)
    former = tmp_path / "s" / former_name(SPACED) / "opqn" / "24bit" / f"seed0-{RUN[:6]}"
    former.mkdir(parents=True)
    (former / "checkpoint.pt").write_bytes(b"knows its own run")
    assert Store(tmp_path).cell(asked, RUN).path == former


def test_a_name_that_was_too_long_once_is_none_now(tmp_path):
    asked = spec(dataset="folder:/" + "漢" * 300)
    cell = Store(tmp_path).cell(asked, RUN)
    cell.save_train(train_record(spec=asked))
    target = "folder:/" + "😀x" * 300
    assert kept(cell, target) is None
    cell.save_eval(examined(target), ARRAYS, ARRAYS)
    assert kept(cell, target) == examined(target)
    assert cell.train_record() == train_record(spec=asked)
