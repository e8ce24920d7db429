"""Stores of before names had digits, as `verify` and a forecast see them."""

import shutil

from hashquant.machine.filenames import former_name, safe_name
from hashquant.records.store import Store
from hashquant.runs.forecast import Neighbour
from hashquant.runs.verification import verify_suite
from tests.unit.runs.test_verification import TARGET, stored


def test_a_target_under_its_former_name_is_verified_and_counted(tmp_path):
    folder = stored(tmp_path)
    assert folder.name == safe_name(TARGET) != former_name(TARGET)
    shutil.move(folder, folder.with_name(former_name(TARGET)))
    (checked,) = verify_suite(Store(tmp_path), "s")
    assert (checked.source, checked.differences, checked.unreadable) == ("codes", [], [])
    ((cell, record),) = Store(tmp_path).trained()
    known = Neighbour(record, cell)
    assert known.has(TARGET)
    assert not known.has(TARGET.replace("target", "source"))
