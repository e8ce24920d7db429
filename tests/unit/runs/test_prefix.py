"""Prefix budgets: one training for every length of a row: run, found again, verified, told."""

import dataclasses
import os

import numpy as np
import pytest
import torch

import hashquant.methods
from hashquant.cli._estimate import Estimate
from hashquant.records.gate import gate_at, gates
from hashquant.records.store import Store
from hashquant.report.blocks import select_blocks
from hashquant.report.captions import prefixes
from hashquant.report.tables._trainingtimes import training_times
from hashquant.report.trace.repeat import command
from hashquant.runs import cell, examination
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.forecast import Forecast
from hashquant.runs.planning import plan
from hashquant.runs.runner import run
from hashquant.runs.tally import Tally
from hashquant.runs.verification import verify_suite
from hashquant.runs.workers._crew import waiting
from hashquant.settings.suite import Suite, whole_spec

NAME = f"levels{os.getpid()}"
#: A learned residual quantizer.
LEVELS = f'''"""Levels of words, each of what those before it leave."""

import torch
from torch import nn

import hashquant.api as hq


class Levels(hq.Method):
    """Words that are pulled to residuals."""

    name = "{NAME}"
    family = hq.Additive()
    prefix = True

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        shape = (budget.subspaces, budget.codewords, in_features)
        self.words = nn.Parameter(torch.randn(shape) / 4)
        self.classes = nn.Linear(in_features, num_classes)

    def forward(self, features):
        return features

    def loss(self, embedding, batch):
        rows = embedding[: batch.known]
        sums = self.words[torch.arange(len(self.words)), self.assign(rows.detach())].sum(1)
        named = torch.nn.functional.cross_entropy(self.classes(rows), batch.labels[: batch.known])
        return {{"class": named, "error": (rows.detach() - sums).square().mean()}}

    def codebooks(self):
        return self.words
'''
FACES = {"identities": 4, "images": 6, "size": 16}
#: A budget of 24 bits has books of 64 words: 6 and 12 bits are one and two of them.
SUITE = Suite(
    methods=(NAME,), bits=(6, 12, 24), epochs=2, batch_size=8, image_size=16, resize=0,
    features=8, precision="fp32", trunk="sphere20-narrow",
    settings={"synthfaces": FACES, NAME: {"prefix": 24}},
)  # fmt: skip


class Deaf:
    """A watcher of runs that tells nobody."""

    show = advance = say = staticmethod(lambda *_: None)


@pytest.fixture(scope="module", autouse=True)
def levels(tmp_path_factory):
    """Offer the method. Search times are not taken, which nobody reads here."""
    folder = tmp_path_factory.mktemp("methods")
    (folder / f"{NAME}.py").write_text(LEVELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(folder)])
        patch.setattr(examination, "search_times", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def cells(levels):
    """Return what plans the suite, changed in some fields."""
    return lambda **changes: plan("s", dataclasses.replace(SUITE, **changes), device="cpu")


@pytest.fixture(scope="module")
def plain(cells):
    """Return the cell of the method's own row at the longest length."""
    [found] = cells(bits=(24,), settings={"synthfaces": FACES})
    return found


@pytest.fixture(scope="module")
def made():
    """Return what runs cells and gives their counts."""

    def run_all(planned, here):
        tally = Tally()
        run(planned, here, Deaf(), tally)
        return tally.counts

    return run_all


@pytest.fixture(scope="module")
def trainings():
    """Return the code lengths that are trained, in order, once `shared` counts them."""
    return []


@pytest.fixture(scope="module")
def shared(tmp_path_factory, trainings, cells, made):
    """Return surroundings with a prefix row of three lengths."""
    folder = tmp_path_factory.mktemp("shared")
    here = Surroundings(Store(folder / "r"), folder / "d", torch.device("cpu"))
    train = cell.train

    def counted(learner, given, spec, **options):
        trainings.append(spec.bits)
        return train(learner, given, spec, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell, "train", counted)
        made(cells(), here)
        yield here


def stored(here):
    """Return the examinations by prefix and length, the trainings by run, and all records."""
    records = here.store.read("s")
    trains = {t.run_id: t for t in records.trains}
    evals = {(r.spec.prefix, r.spec.bits): r for r in records.evals if r.target.endswith("studio")}
    return evals, trains, records


def test_one_training_serves_every_length(shared, trainings):
    assert trainings == [24]
    evals, trains, _ = stored(shared)
    assert set(evals) == {(24, 6), (24, 12), (24, 24)}
    [whole] = [t for t in trains.values() if not t.spec.prefix]
    for record in evals.values():
        train = trains[record.run_id]
        assert (train.base_run, train.files, train.losses) == (whole.run_id, {}, ())
        assert (train.timing["train_seconds"], train.code) == (0.0, whole.code)
        assert not shared.store.cell(train.spec, train.run_id).model.exists()
    costs = {bits: r.cost for (_, bits), r in evals.items()}
    assert {b: (c.code_bytes, c.subspaces, c.codebook_bytes) for b, c in costs.items()} == {
        6: (1, 1, 64 * 8 * 4), 12: (2, 2, 2 * 64 * 8 * 4), 24: (3, 4, 4 * 64 * 8 * 4),
    }  # fmt: skip


def test_the_row_at_the_longest_length_is_the_plain_one_bit_for_bit(
    shared, trainings, cells, plain, made
):
    assert made(cells(), shared)["cached"] == 3
    assert made([plain], shared)["done"] == 1
    assert trainings == [24]
    evals, _, records = stored(shared)
    own, whole = evals[24, 24], evals[0, 24]
    assert (own.scores, own.curves, own.cost) == (whole.scores, whole.curves, whole.cost)
    for kept in (records.codes, records.per_query):
        ours, theirs = kept(own), kept(whole)
        assert ours.keys() == theirs.keys() != set()
        assert all(np.array_equal(ours[k], theirs[k], equal_nan=True) for k in ours)


def test_another_target_later_loads_the_one_training(shared, trainings, cells, made):
    assert made(cells(bits=(6,), targets=("seen", "synthfaces-street")), shared)["done"] == 1
    assert trainings == [24]


def test_it_trained_where_the_one_training_did_and_cost_what_that_did(shared):
    evals, trains, records = stored(shared)
    [whole] = [t for t in trains.values() if not t.spec.prefix]
    flat = dataclasses.replace(whole, losses=(whole.losses[0],) * 2, gate=None)
    bare = [flat if t is whole else dataclasses.replace(t, gate=None) for t in records.trains]
    found = gates(dataclasses.replace(records, trains=tuple(bare)))
    assert all("no term of its loss fell" in found[r.run_id].reason for r in evals.values())
    train = trains[evals[24, 6].run_id]
    again = gate_at(shared.store, dataclasses.replace(train, gate=None))
    assert again == train.gate is not None
    times = training_times(records.trains)
    assert {times[r.run_id].seconds for r in evals.values()} == {whole.timing["train_seconds"]}
    assert training_times([train]) == {}


def test_tables_say_what_a_prefix_row_is_and_hide_what_it_is_cut_from(shared):
    _, _, records = stored(shared)

    def block_of(evals):
        found = select_blocks(dataclasses.replace(records, evals=tuple(evals)))
        return next(block for block in found if block.of_itself)

    said = prefixes([block_of(records.evals)])
    assert said.startswith("Rows said to be a prefix were trained once, at 24 bits")
    assert not block_of(r for r in records.evals if r.spec.prefix).gaps
    assert prefixes([block_of(r for r in records.evals if not r.spec.prefix)]) == ""


def test_what_is_stored_is_verified_and_its_command_makes_it_again(shared):
    assert not [c for c in verify_suite(shared.store, "s") if c.differences or c.unreadable]
    said = command(stored(shared)[0][24, 6].spec, (), "synthfaces")
    assert f"--set {NAME}.prefix=24" in said
    assert "--bits 6" in said


def test_codes_that_do_not_begin_longer_ones_are_found(shared):
    evals, _, records = stored(shared)
    short = shared.store.cell(evals[24, 6].spec, evals[24, 6].run_id)
    record = evals[24, 24]
    folder = shared.store.cell(record.spec, record.run_id)
    arrays, per_query = records.codes(record), records.per_query(record)
    arrays["gallery"] = arrays["gallery"] ^ 255
    kept = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    folder.save_eval(record, per_query, arrays)
    try:
        told = [d for c in verify_suite(shared.store, "s") for d in c.differences]
    finally:
        for path, data in kept.items():
            path.write_bytes(data)
    told = [difference for difference in told if difference.startswith(str(short.path))]
    assert len(told) == 1
    assert "gallery codes are not the beginnings of those in" in told[0]


def test_a_forecast_counts_the_training_once(shared, cells):
    assert all(map(Forecast(shared.store, "any").is_cached, cells()))
    planned = cells(bits=(6, 12), settings={**SUITE.settings, NAME: {"prefix": 12}})
    once, forecast = Forecast(shared.store, "any"), Forecast(shared.store, "any")
    trained = once._training(whole_spec(planned[0].spec))
    for each in planned:
        forecast.add(each)
    examined = sum(forecast._examination(c, target) for c in planned for target in c.targets)
    assert trained > 0
    assert forecast._seconds == pytest.approx(trained + examined)


def test_measured_steps_are_counted_once(shared, cells, monkeypatch):
    planned = cells()
    contest, estimate = load(planned[0], shared), Estimate(torch.device("cpu"))
    monkeypatch.setattr(estimate, "_measure", lambda *_: (1.0, 0.0))
    for each in planned:
        estimate.add(each.spec, contest)
    assert estimate._seconds == len(contest.prepared.training.labels) * 2


def test_cells_that_share_a_training_follow_each_other_in_one_worker(
    shared, cells, plain, unheard, tmp_path
):
    here = dataclasses.replace(shared, store=Store(tmp_path))
    [chain] = waiting([plain, *cells()], here, unheard, Tally())
    assert len(chain) == 4


def test_an_interrupt_in_the_one_training_goes_on_and_force_trains_anew_once(
    shared, cells, made, unheard, trainings, tmp_path, monkeypatch
):
    clock = iter(range(100))
    monkeypatch.setattr(cell, "utc_now", lambda: f"2026-01-01T00:00:{next(clock):02d}+00:00")
    here, planned = dataclasses.replace(shared, store=Store(tmp_path)), cells(bits=(6, 24))

    def stop(units, text=""):
        if text:
            raise KeyboardInterrupt

    unheard.advance = stop
    with pytest.raises(KeyboardInterrupt):
        run(planned, here, unheard, Tally())
    [record] = here.store.read("s").trains
    assert (record.status, record.spec.bits) == ("interrupted", 6)
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == 1
    assert made(planned, here)["done"] == 2
    (evals, _, _), (theirs, _, _) = stored(here), stored(shared)
    assert {key: r.scores for key, r in evals.items()} == {
        key: theirs[key].scores for key in ((24, 6), (24, 24))
    }  # fmt: skip
    assert not list(tmp_path.rglob("checkpoint.pt"))
    del trainings[:]
    assert made(planned, dataclasses.replace(here, force=True))["done"] == 2
    assert trainings == [24]
