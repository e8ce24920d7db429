"""What a plug-in does wrong costs its own cells: planned, prepared, run or kept."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from hashquant.data.items import Split
from hashquant.errors import DataError
from hashquant.records.record import TrainRecord
from hashquant.records.store import Store
from hashquant.runs import runner
from hashquant.runs.cell import is_of
from hashquant.runs.contest import Surroundings
from hashquant.runs.diagnosis import diagnosed
from hashquant.runs.planning import plan
from hashquant.runs.preparation import Place, family_of, prepare, prepare_target
from hashquant.runs.runner import attempt, kept_in
from hashquant.runs.targets import Target
from hashquant.settings.suite import Suite
from tests.unit.conftest import METHOD
from tests.unit.runs.test_preparation import CPU, Drawn, spec_of

HEAD = METHOD.format(name="far", cls="M")
CONFIG = "import dataclasses\n    @dataclasses.dataclass(frozen=True)\n    class Config:\n        "


def body(signature, line):
    return f"@classmethod\n    def {signature}:\n        {line}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (body("budget_for(cls, config, bits)", "raise SystemExit(0)"), "failed (SystemExit: 0)"),
        (body("budget_for(cls, config, bits)", "raise KeyError(1)"), "failed (KeyError: 1)"),
        (body("budget_for(cls, config, bits)", "return bits"), "must return a CodeBudget, got int"),
        (
            body("feature_size(cls, config, budget, default)", "return '9'"),
            "must be a whole",
        ),
        (
            body("feature_size(cls, config, budget, default)", "raise GeneratorExit"),
            "GeneratorExit",
        ),
        (body("recipe(cls)", "return None"), "recipe must be a Recipe, got None"),
        (body("recipe(cls)", "raise SystemExit('x')"), "failed (SystemExit: x)"),
        ("paper_batch = 'many'", "method 'far' failed (Type"),
        (f"{CONFIG}x: object = hq", "x must be a number, text, true"),
        (f"{CONFIG}x: int", "its Config or recipe cannot be made"),
        (f"{CONFIG}def __post_init__(self):\n            raise SystemExit", "failed (SystemExit"),
        ("base = 'far'", "must not be fitted on itself"),
        ("base = 3", "method 'far' failed ("),
        ("family = None", "family must be"),
    ],
)
def test_a_method_that_cannot_be_planned_fails_alone(install, monkeypatch, text, said):
    install("far", methods={"far": "far5:M"}, files={"far5.py": f"{HEAD}    {text}\n"})
    monkeypatch.delitem(sys.modules, "far5", raising=False)
    far, opqn = plan("s", Suite(methods=("far", "opqn"), bits=(16,)), device="cpu")
    assert (far.status, opqn.status) == ("failed", "")
    assert said in far.reason
    assert "\n" not in far.reason


def test_a_broken_data_set_ends_no_plan(install):
    install("far", datasets={"farset": "no_such_module_2:D"})
    suite = Suite(datasets=("farset", "lfw"), methods=("opqn",), bits=(16,), targets=("unseen",))
    far, lfw = plan("s", suite, device="cpu")
    assert [target.dataset for target in far.targets] == ["farset"]  # which fails when it is loaded
    assert [target.dataset for target in lfw.targets] == ["lfw-unseen"]


def test_sets_of_two_packages_with_modules_alike_are_two_families(install):
    install("one", datasets={"one": "one6.data:D", "one-unseen": "one6.data:E"})
    install("two", datasets={"two": "two6.data:D"})
    assert family_of("one") == family_of("one-unseen") != family_of("two")


class Restless(Drawn):
    """Draws its split anew each time: what was trained on is asked for."""

    times = 0

    def split(self, items):
        self.times += 1
        rows = np.random.default_rng(self.times).permutation(len(items))
        query, training = np.sort(rows[:12]), np.sort(rows[12:])
        return Split("seen", training, query, training, "0" * 64)


def test_a_split_that_is_drawn_anew_is_refused(tmp_path):
    dataset, place, spec = Restless(), Place(tmp_path, CPU), spec_of()
    prepared = prepare(dataset, "folder:a", place, spec)
    with pytest.raises(DataError, match="folder:a: its split must be the same each time, got"):
        prepare_target(dataset, Target("folder:a"), place, spec, prepared)


def test_a_model_of_another_split_is_trained_anew(tmp_path):
    """Or it would be examined with what it was trained on: files, and so the run, are the same."""
    place, spec = Place(tmp_path, CPU), spec_of()
    first = prepare(Drawn(), "folder:a", place, spec)
    other = prepare(Restless(), "folder:a", place, spec)
    assert first.version == other.version
    record = TrainRecord("name", "done", spec, split_digest=first.split.digest)
    assert is_of(record, "name", first)
    assert not is_of(record, "name", other)
    assert not is_of(replace(record, status="failed"), "name", first)


def test_memory_that_is_full_in_a_plug_in_stays_that(tmp_path):
    class Full(Drawn):
        def load(self, root):
            raise MemoryError("16 GiB")

    with pytest.raises(Exception, match=r"data set 'folder:a' failed \(MemoryError") as caught:
        prepare(Full(), "folder:a", Place(tmp_path, CPU), spec_of())
    assert diagnosed(caught.value) == ("oom", "out of memory: 16 GiB")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit"),
        (ValueError("a\udc80\x1b[1mb\nc"), r"ValueError: a\udc80\x1b[1mb"),
    ],
)
def test_a_method_that_leaves_fails_its_cell(tmp_path, monkeypatch, unheard, error, reason):
    def leave(*_, **__):
        torch.set_grad_enabled(False)
        raise error

    monkeypatch.setattr(runner, "train_cell", leave)
    [cell] = plan("s", Suite(methods=("dcdh",), bits=(16,)), device="cpu")
    here = Surroundings(Store(tmp_path), tmp_path, CPU)
    prepared = prepare(Drawn(), "folder:a", Place(tmp_path, CPU), spec_of())
    contest = runner.Contest(prepared, {}, {})
    ending = attempt(cell, contest, here, unheard)
    assert (ending.status, ending.reason) == ("failed", reason)
    folder, _ = kept_in(cell, contest, here)
    assert folder.train_record().reason == reason
    assert type(error).__name__ in folder.log.read_text()
    assert torch.is_grad_enabled()


def test_ctrl_c_stays_ctrl_c(tmp_path, monkeypatch, unheard):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "train_cell", interrupted)
    [cell] = plan("s", Suite(methods=("dcdh",), bits=(16,)), device="cpu")
    prepared = prepare(Drawn(), "folder:a", Place(tmp_path, CPU), spec_of())
    here = Surroundings(Store(tmp_path), tmp_path, CPU)
    with pytest.raises(KeyboardInterrupt):
        attempt(cell, runner.Contest(prepared, {}, {}), here, unheard)
