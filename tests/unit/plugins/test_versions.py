"""Records say which source trained them, and a changed one is said."""

import dataclasses
import importlib
import sys

import pytest

import hashquant.methods
from hashquant.plugins import registry
from hashquant.plugins._source import MOST_FILES
from hashquant.plugins.versions import Code, code_used
from hashquant.records.record import TrainRecord, from_json, to_json
from hashquant.runs.planning import plan
from hashquant.settings.suite import Suite
from tests.unit.conftest import METHOD


def spec_of(**changes):
    suite = dataclasses.replace(Suite(methods=("itq",), bits=(16,)), **changes)
    return plan("quick", suite, device="cpu")[0].spec


@pytest.fixture
def spec():
    return spec_of()


def trained(spec, code):
    return TrainRecord("r", "done", spec, code=code)


def test_a_record_names_method_base_and_data_set(spec):
    found = code_used(spec)
    assert set(found) == {"methods/itq.py", "methods/float.py", "datasets/synthfaces.py"}
    assert all(len(digest) == 12 for digest in found.values())
    assert from_json(TrainRecord, to_json(trained(spec, found))).code == found
    assert Code().notes([trained(spec, found), trained(spec, {})]) == []  # none: an older record


def test_an_edited_file_is_said_once_a_method(spec):
    old = {**code_used(spec), "methods/itq.py": "0" * 12}
    older = {**old, "datasets/synthfaces.py": "1" * 12}
    assert Code().notes([trained(spec, old)] * 2 + [trained(spec, older)]) == [
        "itq: 3 cells trained by other code than now "
        "(methods/itq.py, datasets/synthfaces.py changed); --force makes them anew"
    ]


def test_what_is_in_memory_is_kept_and_what_is_stored_now_is_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])
    file = tmp_path / "edited1.py"
    file.write_text(METHOD.format(name="edited1", cls="M"))
    spec = spec_of(methods=("edited1",))
    before = code_used(spec)
    file.write_text("# said\n" + file.read_text().replace('"""Far."""', '"""Near."""'))
    assert Code().notes([trained(spec, before)]) == []  # what is not run is no other code
    file.write_text(file.read_text() + "other = 1\n")
    assert code_used(spec) == before
    [note] = Code().notes([trained(spec, before)])
    assert note.startswith("edited1: 1 cell trained by other code than now (methods/edited1.py ch")
    file.unlink()  # a plug-in that is gone is not another one
    assert Code().notes([trained(spec, before)]) == []
    sys.modules.pop("hashquant.methods.edited1")


def test_a_package_counts_with_its_modules_and_its_version(install):
    site = install("far", methods={"far": "far3.heads:M"}, files={
        "far3/__init__.py": "", "far3/heads.py": METHOD.format(name="far", cls="M"),
        "far3/deep/losses.py": "A = 1\n",
    })  # fmt: skip
    spec = spec_of(methods=("far",))
    before = code_used(spec)
    assert before["package far"].endswith(" 1.0")
    (site / "far3/deep/losses.py").write_text("A = 2\n")
    assert Code().changed(trained(spec, before)) == ("package far",)
    (site / "far3/deep/losses.py").write_text("A = 1\n")
    assert Code().changed(trained(spec, before)) == ()
    (site / "far-1.0.dist-info/METADATA").write_text("Name: far\nVersion: 1.1\n")
    registry._offered.cache_clear()
    importlib.invalidate_caches()
    assert Code().changed(trained(spec, before)) == ("package far",)


def test_of_a_large_package_its_own_module_counts(install):
    many = {f"far4/data/m{i}.py": "" for i in range(MOST_FILES)}
    site = install("large", methods={"far": "far4.heads:M"}, files={
        "far4/__init__.py": "", "far4/heads.py": METHOD.format(name="far", cls="M"), **many,
    })  # fmt: skip
    spec = spec_of(methods=("far",))
    before = code_used(spec)
    (site / "far4/data/m1.py").write_text("A = 2\n")
    assert Code().changed(trained(spec, before)) == ()
    (site / "far4/heads.py").write_text("A = 2\n")
    assert Code().changed(trained(spec, before)) == ("package large",)
