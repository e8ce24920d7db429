"""Heads on a frozen embedding, from a suite's key to stored, resumed, judged and told cells."""

import dataclasses
import os

import pytest
import torch
from safetensors.torch import load_file

import hashquant.methods
from hashquant.data.pixels import ImageSource
from hashquant.records.gate import gate_at, gates
from hashquant.records.record import EMBEDDING_SECONDS
from hashquant.records.store import Store
from hashquant.report.trace.explain import explanation
from hashquant.report.trace.locate import StoredCell
from hashquant.report.trace.repeat import command
from hashquant.runs.cell import train_cell
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.forecast import Forecast
from hashquant.runs.planning import plan
from hashquant.runs.runner import run
from hashquant.runs.tally import Tally
from hashquant.settings.suite import Suite, base_spec, canonical_json, run_id

CPU = torch.device("cpu")
SUITE = Suite(
    methods=("opqn", "lsh", "float"), bits=(8,), epochs=2, batch_size=8, image_size=16, resize=0,
    features=16, precision="fp32", trunk="sphere20-narrow", head_only=True,
    settings={"synthfaces": {"identities": 4, "images": 6, "size": 16}, "float": {"size": 16}},
)  # fmt: skip


def cells(**changes):
    return plan("s", dataclasses.replace(SUITE, **changes), device="cpu")


@pytest.fixture
def here(tmp_path):
    return Surroundings(Store(tmp_path / "r"), tmp_path / "d", CPU)


@pytest.fixture
def made(here, unheard):
    """Return a function that runs cells, and gives the tally and what was told."""

    def run_all(planned):
        tally, told = Tally(), []
        unheard.say = told.append
        run(planned, here, unheard, tally)
        return tally, told

    return run_all


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return surroundings with a trained base, a head on it, and all that the base was fitted."""
    folder = tmp_path_factory.mktemp("shared")
    here = Surroundings(Store(folder / "r"), folder / "d", CPU)

    class Unheard:
        show = advance = say = staticmethod(lambda *_: None)

    run(cells(), here, Unheard(), Tally())
    return here


def record_of(here, method):
    [record] = [r for r in here.store.read("s").trains if r.spec.method == method]
    return record


def test_heads_are_rows_of_their_own_on_the_run_that_is_the_ceiling():
    ceiling = cells(methods=("float",))[0].spec
    found = cells(methods=("opqn", "dcdh", "pq", "float", "random", "h2q"), bits=(8, 36))
    specs = {(c.spec.label.replace("float.size=16 ", ""), c.spec.bits): c.spec for c in found}
    assert {label for label, _ in specs} == {
        "opqn head_only=True", "dcdh head_only=True", "pq float.size=16", "float size=16",
        "random", "h2q cehash.head_only=True",
    }  # fmt: skip
    head = specs["opqn head_only=True", 36]
    assert canonical_json(base_spec(head)) == canonical_json(ceiling)
    # 6 books of 64 words are 384 values, a multiple of six: 16 are filled up with zeros.
    assert (head.features, head.base["features"]) == (384, 16)
    [whole] = cells(methods=("opqn",), head_only=False)
    assert (specs["opqn head_only=True", 8].schedule, whole.spec.head_only) == (
        whole.spec.schedule, False,
    )  # fmt: skip
    assert run_id(specs["opqn head_only=True", 8], "v") != run_id(whole.spec, "v")
    [plain] = cells(methods=("pq",), head_only=False)
    assert run_id(specs["pq float.size=16", 8], "v") == run_id(plain.spec, "v")
    nested = specs["h2q cehash.head_only=True", 8]
    assert canonical_json(base_spec(base_spec(nested))) == canonical_json(ceiling)


def test_variants_and_settings_of_the_base_are_in_the_name_too():
    variants = {"opqn": [{"margin": 0.3}]}
    settings = {**SUITE.settings, "float": {"size": 16, "margin": 0.2}}
    found = cells(methods=("opqn",), variants=variants, settings=settings)
    assert [c.spec.label for c in found] == [
        "opqn float.margin=0.2 float.size=16 head_only=True",
        "opqn float.margin=0.2 float.size=16 head_only=True margin=0.3",
    ]


def test_a_head_that_takes_less_than_the_embedding_has_is_skipped():
    settings = {**SUITE.settings, "float": {"size": 640}, "opqn": {"feature_rule": "square"}}
    [cell] = cells(methods=("opqn",), settings=settings)
    assert cell.status == "skipped"
    assert cell.reason == "opqn takes 256 features, its embedding has 640"
    assert "head_only=True" in cell.spec.label


def test_the_base_is_trained_once_and_stands_in_every_model(shared):
    records = {r.spec.method: r for r in shared.store.read("s").trains}
    assert set(records) == {"opqn", "lsh", "float"}
    assert records["opqn"].base_run == records["lsh"].base_run == records["float"].run_id
    models = {m: load_file(shared.store.cell(r.spec, r.run_id).model) for m, r in records.items()}
    for name, value in models["float"].items():
        assert torch.equal(models["opqn"][f"trunk.base.{name}"], value)
    head = records["opqn"]
    assert len(head.losses) == 2
    assert 0 < head.timing[EMBEDDING_SECONDS] <= head.timing["train_seconds"]
    assert head.cost.trunk_parameters == records["lsh"].cost.trunk_parameters
    assert EMBEDDING_SECONDS not in records["lsh"].timing


def test_a_finished_head_is_loaded_and_gives_the_stored_codes(shared):
    [cell, *_] = cells()
    contest = load(cell, shared)
    trained = train_cell(cell.spec, contest.prepared, shared.store, CPU, lambda *_: None)
    assert trained.record == record_of(shared, "opqn")
    assert trained.network.trunk.base.method.name == "float"


def test_no_image_is_read_once_its_embedding_is_made(shared, monkeypatch, tmp_path):
    [cell] = cells(methods=("opqn",), epochs=2)
    contest = load(cell, shared)
    passes = []
    stream = ImageSource.stream
    monkeypatch.setattr(ImageSource, "stream", lambda own, rows: (
        passes.append(own), *stream(own, rows))[1:])  # fmt: skip
    for _ in range(2):
        train_cell(cell.spec, contest.prepared, shared.store, CPU, lambda *_: None, fresh=True)
    assert passes == [contest.prepared.training.images]


def test_an_interrupted_head_goes_on_to_the_same_bits(here, shared):
    [cell] = cells(methods=("opqn",))
    contest = load(cell, here)
    states = []

    def stop(epoch, terms):
        if "margin_x" in terms:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_cell(cell.spec, contest.prepared, here.store, CPU, stop)
    folder = here.store.cell(cell.spec, run_id(cell.spec, contest.prepared.version))
    kept = torch.load(folder.checkpoint, weights_only=True)["network"]
    assert all(name.startswith("method.") for name in kept)
    states.append(train_cell(cell.spec, contest.prepared, here.store, CPU, lambda *_: None))
    whole = record_of(shared, "opqn")
    assert states[0].record.losses == whole.losses
    model = shared.store.cell(whole.spec, whole.run_id).model
    assert folder.model.read_bytes() == model.read_bytes()


def test_a_heads_own_losses_tell_whether_it_trained(shared):
    records = shared.store.read("s")
    head = record_of(shared, "opqn")
    gate = gate_at(shared.store, head)
    assert gate == gates(records)[head.run_id]
    flat = dataclasses.replace(head, losses=(head.losses[0],) * 2, gate=None)
    again = gates(dataclasses.replace(
        records, trains=tuple(flat if t is head or t == head else t for t in records.trains)
    ))  # fmt: skip
    assert "no term of its loss fell" in again[head.run_id].reason


def test_heads_are_chosen_by_validation_on_stored_embeddings(made, here):
    tally, _ = made(cells(methods=("opqn",), selection="validation"))
    assert tally.counts["done"] == 1
    head = record_of(here, "opqn")
    assert len(head.validation) == 2
    assert head.selected_epoch == 1 + head.validation.index(max(head.validation))


WISHES = ("gpq", "dcwh", "dpsh", "mdshc", "hashnet")
REFUSED = {
    "dhd": "dhd must do with one view on a frozen embedding, got 2: views are cut from images",
    "gpq": "gpq.label_fraction must be 1 on a frozen embedding, which was trained with all",
}


def test_methods_with_wishes_are_trained_or_skipped_with_a_reason(made, here):
    tally, told = made(cells(methods=(*WISHES, "dhd"), epochs=1))
    assert (tally.counts["done"], tally.counts["skipped"], tally.exit_code) == (5, 1, 0)
    assert any(f"skipped: {REFUSED['dhd']}" in line for line in told)
    assert record_of(here, "dhd").status == "skipped"
    runs = {r.base_run for r in here.store.read("s").trains if r.status == "done"}
    assert len(runs - {""}) == 1
    settings = SUITE.settings | {"gpq": {"label_fraction": 0.5}, "dhd": {"two_views": False}}
    tally, told = made(cells(methods=("gpq", "dhd"), epochs=1, settings=settings))
    assert any(REFUSED["gpq"] in line for line in told)
    assert (tally.counts["done"], tally.counts["skipped"]) == (1, 1)


def test_a_refused_head_costs_no_training_of_its_base(made, here):
    tally, _ = made(cells(methods=("dhd",)))
    assert tally.counts["skipped"] == 1
    assert {r.spec.method for r in here.store.read("s").trains} == {"dhd"}


OWN = '''"""Words of the float embedding, learned by steps."""

import torch
from torch import nn
from torch.nn.functional import normalize

import hashquant.api as hq


class Own(hq.Method):
    name = "{name}"
    family = hq.ProductQuantized(larger_is_closer=False)
    base = "float"

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        size = in_features // budget.subspaces
        self.words = nn.Parameter(torch.randn(budget.subspaces, budget.codewords, size))

    def initialise(self, training):
        rows = torch.randint(len(training.labels), (self.budget.codewords,))
        parts = self(training.embeddings[rows]).unflatten(1, (self.budget.subspaces, -1))
        with torch.no_grad():
            self.words.copy_(parts.transpose(0, 1) + torch.randn_like(self.words))

    def forward(self, features):
        return normalize(features.float(), dim=1)

    def loss(self, embedding, batch):
        parts = embedding.unflatten(1, (self.budget.subspaces, -1)).transpose(0, 1)
        return {{"error": torch.cdist(parts, self.words).square().amin(2).sum(0).mean()}}

    def codebooks(self):
        return self.words
'''


def test_a_method_of_its_own_base_is_trained_in_steps(made, here, tmp_path, monkeypatch):
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])
    name = f"own{os.getpid()}"
    (tmp_path / f"{name}.py").write_text(OWN.format(name=name))
    for frozen in (True, False):
        [cell] = cells(methods=(name,), head_only=frozen)
        assert (cell.spec.label, cell.spec.base["method"]) == (f"{name} float.size=16", "float")
    tally, _ = made([cell])
    assert tally.counts["done"] == 1
    losses = record_of(here, name).losses
    assert losses[-1]["error"] < losses[0]["error"]


def test_a_second_run_finds_all_stored(shared, unheard):
    tally = Tally()
    run(cells(), shared, unheard, tally)
    assert tally.counts["cached"] == 3


def test_the_time_of_a_head_is_that_of_its_epochs(shared):
    head = record_of(shared, "opqn")
    forecast = Forecast(shared.store, head.provenance.cpu)
    [more] = cells(methods=("opqn",), settings={**SUITE.settings, "opqn": {"margin": 0.3}})
    seconds = forecast._training(more.spec)
    rate = head.timing["images_per_second"]
    expected = head.training_images * 2 / rate + head.timing[EMBEDDING_SECONDS]
    assert seconds == pytest.approx(expected)
    fitted = record_of(shared, "lsh")
    [other] = cells(methods=("lsh",), bits=(16,))
    assert (more.fitted, other.fitted) == (False, True)
    assert forecast._training(other.spec, steps=False) == pytest.approx(
        fitted.training_images / fitted.timing["images_per_second"]
    )


def test_a_head_is_explained_and_its_command_makes_it_again(shared):
    head = record_of(shared, "opqn")
    folder = shared.store.cell(head.spec, head.run_id).path
    told = explanation(StoredCell(folder, head, ()), head.gate)
    assert "opqn float.size=16 head_only=True, 8 bits" in told or "opqn head_only=True" in told
    assert "the frozen embedding of method float" in told
    said = command(head.spec, (), "synthfaces")
    assert "--set head_only=true" in said
    assert "--set float.size=16" in said
    assert "--set head_only=false" in command(record_of(shared, "lsh").spec, (), "synthfaces")
