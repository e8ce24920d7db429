"""Whether a run trained: what passes, what does not, and what cannot be told."""

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pytest

from hashquant.records.gate import (
    LEAST_GAIN,
    HeldOut,
    floor_from,
    gate_at,
    gates,
    has_gate,
    judge,
    loss_fell,
)
from hashquant.records.record import TrainRecord, from_json, to_json
from hashquant.records.store import Store
from hashquant.statistics.chance import expected_random_ap

MADE = runpy.run_path(str(Path(__file__).with_name("test_store.py")))
train_record, eval_record, spec = MADE["train_record"], MADE["eval_record"], MADE["spec"]
FELL = ({"margin": 2.0, "total": 2.0}, {"margin": 1.0, "total": 1.0})
FLAT = ({"margin": 2.0, "total": 2.0}, {"margin": 1.99, "total": 1.99})


def held(gain, classes=40, gallery=800, relevant=20, name="synthfaces"):
    """Two queries a class, each this far on the way from a random order to a perfect one."""
    label = np.repeat(np.arange(classes), 2)
    count = np.full(len(label), relevant)
    floor = expected_random_ap(count, gallery)
    return HeldOut(name, floor + gain * (1 - floor), count, label, gallery)


def trained(losses=FELL, **changes):
    return train_record(losses=losses, **changes)


def test_what_is_clear_of_a_random_order_and_learned_has_trained():
    gate = judge(trained(), held(LEAST_GAIN + 0.001))
    assert (gate.trained, gate.reason, gate.judged_on) == (True, "", "synthfaces")
    assert gate.margin == pytest.approx(LEAST_GAIN * (1 - gate.floor))
    assert gate.score - gate.floor > gate.margin


def test_what_is_not_says_so():
    gate = judge(trained(), held(LEAST_GAIN - 0.001))
    assert not gate.trained
    assert gate.reason == (
        f"mAP {gate.score:.4f} on its own held-out queries, a random order has {gate.floor:.4f}"
    )
    apart = judge(trained(), held(0.0, name="validation"))
    assert "on training images held out, a random order" in apart.reason


def test_a_mean_over_few_classes_must_be_clear_of_its_own_noise():
    """Random orders of a small set pass as rarely as three standard errors say."""
    rng = np.random.default_rng(0)
    few, passed = held(0.0, classes=3, gallery=12, relevant=4), 0
    for _ in range(400):
        ranks = [np.sort(1 + rng.choice(12, 4, replace=False)) for _ in range(3)]
        ap = np.repeat([np.mean(np.arange(1, 5) / r) for r in ranks], 2)  # a class's queries agree
        passed += judge(trained(), dataclasses.replace(few, ap=ap)).trained
    assert passed <= 8
    assert judge(trained(), few).margin > 5 * LEAST_GAIN


def test_a_loss_that_did_not_fall_is_no_training_however_good_the_score():
    gate = judge(trained(FLAT), held(0.5))
    assert not gate.trained
    assert gate.reason == "no term of its loss fell (total 2, in the end 1.99)"
    assert "; no term" in judge(trained(FLAT), held(0.0)).reason


@pytest.mark.parametrize(
    ("losses", "selected", "fell"),
    [
        (FELL, 2, True), (FELL, 0, True), (FLAT, 2, False), (FELL[::-1], 2, False),
        (FELL, 1, None), (FELL[:1], 1, None), ((), 0, None),
        (({"a": 1.0, "b": -1.0, "total": 0.0}, {"a": 0.5, "b": -0.4, "total": 0.1}), 2, True),
        (({"a": 1.0, "b": 9.0, "total": 10.0}, {"a": 0.85, "b": 9.5, "total": 10.35}), 2, False),
        ((*FELL, {"margin": 3.0, "total": 3.0}), 2, True),
        ((*FELL, {"margin": 3.0, "total": 3.0}), 3, False),
        (({"total": -1.0}, {"total": -2.0}), 2, True),
    ],
)  # fmt: skip
def test_the_loss_falls_where_a_term_does_by_a_fiftieth_of_all(losses, selected, fell):
    assert loss_fell(train_record(losses=losses, selected_epoch=selected)) is fell


def test_what_learns_nothing_has_no_gate():
    assert not has_gate(train_record())
    assert has_gate(train_record(base_run="0123456789ab"))
    assert has_gate(trained())
    assert not has_gate(trained(status="failed"))


def stored(root, losses=FELL, protocol="seen", target="synthfaces", **changes):
    """Store a run and its examination as older versions did: without gate and floor."""
    cell = Store(root).cell(spec(), "abcdef123456")
    cell.save_train(trained(losses, **changes))
    queries = held(0.3)
    record = dataclasses.replace(eval_record(target), protocol=protocol, gallery=queries.gallery)
    arrays = {"ap": queries.ap, "relevant": queries.relevant, "label": queries.label}
    cell.save_eval(record, arrays, {})
    return Store(root), judge(trained(losses), queries)


@pytest.mark.parametrize("losses", [FELL, FLAT])
def test_older_records_get_theirs_from_what_they_hold(tmp_path, losses):
    store, gate = stored(tmp_path, losses)
    records = store.read("s")
    assert records.trains[0].gate is None
    assert gates(records) == {"abcdef123456": gate}
    assert gate_at(store, records.trains[0]) == gate
    assert floor_from(
        records.per_query(records.evals[0]), records.evals[0].gallery
    ) == pytest.approx(gate.floor)


def test_a_stored_gate_is_taken_as_it_is(tmp_path):
    store, gate = stored(tmp_path)
    other = dataclasses.replace(gate, trained=False, reason="said so")
    store.cell(spec(), "abcdef123456").save_train(trained(gate=other))
    records = store.read("s")
    assert gates(records) == {"abcdef123456": other}
    assert gate_at(store, records.trains[0]) == other


@pytest.mark.parametrize(
    "unlike",
    [{"protocol": "unseen"}, {"target": "olivetti"}, {"losses": ()}, {"status": "diverged"}],
)
def test_what_cannot_be_told_is_left_out(tmp_path, unlike):
    store, _ = stored(tmp_path, **unlike)
    records = store.read("s")
    assert gates(records) == {}
    assert gate_at(store, records.trains[0]) is None


def test_a_code_of_an_untrained_embedding_did_not_train(tmp_path):
    base = {"method": "float", "bits": 16384}
    store, _ = stored(tmp_path, losses=(), spec=spec(base=base), base_run="ba5e00000000")
    below = trained(FLAT, spec=spec(**base), run_id="ba5e00000000")
    store.cell(below.spec, below.run_id).save_train(below)
    records = store.read("s")
    [gate] = gates(records).values()
    assert "no term of its loss fell" in gate.reason
    store.cell(below.spec, below.run_id).save_train(dataclasses.replace(below, losses=FELL))
    assert gates(store.read("s"))["abcdef123456"].trained


@pytest.mark.parametrize(("head_only", "below", "passes"), [
    (False, FELL, True), (False, FLAT, False), (True, FELL, False)
])  # fmt: skip
def test_a_fit_that_steps_leave_as_it_is_is_told_by_its_base(tmp_path, head_only, below, passes):
    base = {"method": "float", "bits": 16384}
    above = spec(base=base, head_only=head_only)
    store, _ = stored(tmp_path, losses=FLAT, spec=above, base_run="ba5e00000000")
    under = trained(below, spec=spec(**base), run_id="ba5e00000000")
    store.cell(under.spec, under.run_id).save_train(under)
    records = store.read("s")
    assert gates(records)["abcdef123456"].trained is passes
    [record] = [train for train in records.trains if train.run_id == "abcdef123456"]
    assert gate_at(store, dataclasses.replace(record, gate=None)).trained is passes


def test_damaged_values_of_queries_give_no_gate(tmp_path):
    store, _ = stored(tmp_path)
    [path] = tmp_path.rglob("per_query.npz")
    np.savez(path, ap=np.array([0.5]), relevant=np.array([900]), label=np.array([1]))
    records = store.read("s")
    assert gates(records) == {}
    assert floor_from(records.per_query(records.evals[0]), records.evals[0].gallery) is None
    path.unlink()
    assert gates(records) == {}


def test_gates_are_read_back():
    record = trained(gate=judge(trained(), held(0.3)))
    assert from_json(TrainRecord, to_json(record)) == record
