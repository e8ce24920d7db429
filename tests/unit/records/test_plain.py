"""The record of a failure can be written and read, whatever is in it; no other record is mended."""

import dataclasses
import math
import runpy
from pathlib import Path

import pytest

from hashquant.records.record import TrainRecord, from_json, to_json
from hashquant.settings.recipe import Recipe

MADE = runpy.run_path(str(Path(__file__).with_name("test_store.py")))
train_record, spec = MADE["train_record"], MADE["spec"]
AROUND: list = [1]
AROUND.append(AROUND)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"margin": math.nan}, {"margin": "nan"}),
        ({"margin": [1.0, -math.inf]}, {"margin": [1.0, "-inf"]}),
        ({"seed": 2**70}, {"seed": "1180591620717411303424"}),
        ({"file": Path("x")}, {"file": f"a {type(Path()).__name__}"}),
        ({"kinds": {1, 2}}, {"kinds": "a set"}),
        ({"a": {3: b"x"}}, {"a": {"3": "a bytes"}}),
        ({"text": "\ud800\x1b["}, {"text": "\\ud800\\x1b["}),
    ],
)
def test_a_failure_is_recorded_whatever_its_settings(settings, kept):
    record = train_record(status="diverged", spec=spec(settings=settings), reason="why")
    found = from_json(TrainRecord, to_json(record))
    assert found.spec.settings == kept
    assert found.reason.startswith("why")


def test_what_a_failure_s_record_cannot_hold_is_told_in_its_reason():
    odd = spec(schedule=Recipe(lr=math.nan), seed=2**64, settings={"a": AROUND})
    found = from_json(TrainRecord, to_json(train_record(status="failed", spec=odd, reason="why")))
    assert (found.spec.schedule.lr, found.spec.seed) == (0.0, 0)
    assert found.reason == (
        "why (its record cannot hold spec.seed = 18446744073709551616, spec.schedule.lr = nan, "
        "spec.settings.a = a list)"
    )


def test_a_reason_is_cut_and_legible():
    record = train_record(status="failed", reason="\udcff" + "x" * 3_000_000)
    found = from_json(TrainRecord, to_json(record))
    assert found.reason.startswith("\\udcffxxx")
    assert found.reason.endswith("… (3,000,001 characters)")
    assert len(found.reason) < 2100


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"timing": {"seconds": math.nan}}, ValueError),
        ({"losses": ({"total": math.inf},)}, ValueError),
        ({"classes": 2**64}, ValueError),
        ({"spec": spec(settings={"file": Path("x")})}, TypeError),
    ],
)
def test_a_finished_run_is_not_mended(changes, error):
    with pytest.raises(error, match="must be a"):
        to_json(train_record(**changes))


def test_a_finished_run_s_text_is_kept_whole_and_readable():
    record = train_record(notes=("x" * 9000, "a query of \udce9.png is left out"))
    found = from_json(TrainRecord, to_json(record))
    assert found.notes == ("x" * 9000, "a query of \\udce9.png is left out")
    assert dataclasses.replace(found, notes=record.notes) == record
