"""Embeddings that somebody brings, from the command to records, tables and words."""

import dataclasses
import shlex

import numpy as np
import pytest
import torch

from hashquant.cli.main import main
from hashquant.errors import DataError, UsageError
from hashquant.records.gate import gate_at
from hashquant.records.store import Store
from hashquant.report.blocks import select_blocks
from hashquant.report.trace.explain import explanation
from hashquant.report.trace.locate import StoredCell
from hashquant.report.trace.repeat import command
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.planning import plan
from hashquant.runs.preparation import Place, prepare_target
from hashquant.runs.runner import run
from hashquant.runs.tally import Tally
from hashquant.runs.targets import Target
from hashquant.settings.adapted import with_trunk
from hashquant.settings.suite import Suite, base_spec, canonical_json, run_id

CPU = torch.device("cpu")
CLASSES = 4


def draw(folder, width=12, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(CLASSES, width))
    folder.mkdir(parents=True)
    for part, count in (("train", 64), ("query", 16), ("gallery", 40)):
        labels = np.arange(count) % CLASSES
        vectors = centres[labels] + rng.normal(size=(count, width))
        np.save(folder / f"{part}.npy", vectors.astype(np.float32))
        np.save(folder / f"{part}_labels.npy", labels)
    return f"embeddings:{folder}"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="module")
def name(root):
    return draw(root / "emb")


def suite_of(name, **changes):
    plain = Suite(datasets=(name,), methods=("float", "itq", "opqn"), bits=(8,),
                  epochs=3, batch_size=16)  # fmt: skip
    return dataclasses.replace(plain, **changes)


def cells(name, **changes):
    return plan("s", suite_of(name, **changes), device="cpu")


@pytest.fixture(scope="module")
def here(root, name):
    """Return surroundings where three methods were run on the set."""
    found = Surroundings(Store(root / "r"), root / "d", CPU)

    class Unheard:
        show = advance = say = staticmethod(lambda *_: None)

    tally = Tally()
    run(cells(name), found, Unheard(), tally)
    assert str(tally) == "summary: done=3 cached=0 skipped=0 failed=0 untrained=0"
    return found


def record_of(here, method, what="trains"):
    [record] = [r for r in getattr(here.store.read("s"), what) if r.spec.method == method]
    return record


def test_nothing_of_images_names_a_run_and_every_learned_method_is_a_head(name):
    found = {cell.spec.label: cell.spec for cell in cells(name)}
    assert set(found) == {"float", "itq", "opqn"}  # rows are called as they are
    for spec in found.values():
        assert (spec.trunk, spec.image_size, spec.entering) == ("none", 0, "vectors of 12 values")
    assert found["opqn"].head_only
    assert found["float"].bits == 12 * 32
    assert canonical_json(base_spec(found["opqn"])) == canonical_json(found["float"])
    asked = cells(
        name, trunk="resnet18", image_size=64, resize=70, flip=False, padding=2, mean=(0.1,) * 3,
        std=(0.2,) * 3, features=256, head_only=True, settings={"float": {"margin": 0.1}},
        variants={"float": [{"margin": 0.9}]},
    )  # fmt: skip
    weighed = plan("s", dataclasses.replace(with_trunk(suite_of(name), "resnet50@IMAGENET1K_V2"),
                                            trunk_rate=0.0), device="cpu")  # fmt: skip
    assert {(c.spec.card, c.spec.trunk_rate) for c in weighed} == {(None, 1.0)}
    for others in (asked, weighed):
        assert [run_id(c.spec, "v") for c in others] == [run_id(c.spec, "v") for c in cells(name)]


def test_images_and_vectors_in_one_suite_each_have_their_own_trunk(name):
    found = cells(name, datasets=("synthfaces", name), methods=("float", "pq"))
    trunks = {(c.spec.dataset, c.spec.trunk, c.spec.features) for c in found}
    assert trunks == {("synthfaces", "sphere20-narrow", 512), (name, "none", 12)}
    with pytest.raises(UsageError, match="trunk must be one that takes images, which synthfaces"):
        cells(name, datasets=("synthfaces",), trunk="none")
    assert cells(name, trunk="none")


def test_float_is_the_embedding_as_it_came(here, root):
    q, g = (np.load(root / f"emb/{p}.npy").astype(np.float64) for p in ("query", "gallery"))
    cosine = (q / np.linalg.norm(q, axis=1)[:, None]) @ (g / np.linalg.norm(g, axis=1)[:, None]).T
    aps = []
    for row, label in zip(cosine, np.arange(16) % CLASSES, strict=True):
        right = (np.arange(40) % CLASSES == label)[np.argsort(-row)]
        aps.append((np.cumsum(right) / np.arange(1, 41))[right].mean())
    scores = record_of(here, "float", "evals").scores
    assert scores[0].value == pytest.approx(np.mean(aps), abs=1e-6)
    record = record_of(here, "float")
    assert (record.losses, record.selected_epoch, record.classes) == ((), 0, CLASSES)
    assert gate_at(here.store, record) is None  # it took no step: there is nothing to have failed


def test_heads_learn_and_are_judged_and_all_stand_on_one_base(here):
    head, base = record_of(here, "opqn"), record_of(here, "float")
    assert len(head.losses) == 3
    assert head.base_run == record_of(here, "itq").base_run == base.run_id
    assert gate_at(here.store, head) is not None
    for method in ("itq", "opqn"):
        found = record_of(here, method, "evals")
        assert found.scores[0].value > found.floor + 0.1


def test_a_second_run_takes_all_from_the_store_and_changed_vectors_are_another(
    here, name, root, unheard
):
    tally = Tally()
    planned = cells(name, methods=("float", "opqn"))
    run(planned, here, unheard, tally)
    assert tally.counts["cached"] == 2
    own = load(planned[0], here).prepared.version
    path = root / "emb" / "train.npy"
    kept = path.read_bytes()
    changed = np.load(path)
    changed[0, 0] += 1
    np.save(path, changed)
    try:
        assert load(planned[0], here).prepared.version != own
    finally:
        path.write_bytes(kept)
    assert load(planned[0], here).prepared.version == own


def test_what_is_said_of_it(here, name, root, capsys):
    [block] = select_blocks(here.store.read("s"))
    assert block.spec.entering == "vectors of 12 values"
    record = record_of(here, "opqn")
    folder = here.store.cell(record.spec, record.run_id).path
    told = explanation(StoredCell(folder, record, ()), record.gate)
    assert "vectors of 12 values" in told
    assert "pixels" not in told
    words = shlex.split(command(record.spec, (name,), "embeddings").replace("\\\n", " "))
    assert not {"image_size", "mean", "flip"} & {w.partition("=")[0] for w in words}
    flags = ["--results-dir", str(root / "r"), "--reports-dir", str(root / "rep"),
             "--data-dir", str(root / "d"), "--dry-run"]  # fmt: skip
    words[words.index("--suite") + 1] = "quick"
    assert main([*words[1:], *flags]) == 0
    assert "opqn 8 bit seed 0: to run" in capsys.readouterr().out


def test_a_set_that_cannot_be_read_fails_alone_with_exit_code_3(name, root, unheard):
    broken = root / "broken"
    broken.mkdir()
    (broken / "train.npy").write_bytes(b"\x93NUMPY")
    found, tally, told = Surroundings(Store(root / "r2"), root / "d", CPU), Tally(), []
    unheard.say = told.append
    both = cells(name, datasets=(f"embeddings:{broken}", name), methods=("float",))
    run(both, found, unheard, tally)
    assert tally.exit_code == 3
    assert (tally.counts["failed"], tally.counts["done"]) == (1, 1), told
    assert told[0].startswith(f"error: embeddings:{broken}: train.npy must be an array as NumPy")


def test_targets_must_be_of_the_same_kind(here, name, root):
    [cell] = cells(name, methods=("float",))
    trained = load(cell, here).prepared
    place = Place(root / "d", CPU)
    from hashquant.plugins import registry

    other = draw(root / "wide", width=20, seed=1)
    for target, got in ((other, "vectors of 20 values"), ("synthfaces", "images")):
        options = {"identities": "4", "images": "4"} if target == "synthfaces" else {}
        with pytest.raises(DataError, match=f"must hold vectors of 12 values, .* got {got}"):
            prepare_target(
                registry.make_dataset(target, options), Target(target), place, cell.spec, trained
            )
    same = draw(root / "same", seed=5)
    found = prepare_target(registry.make_dataset(same), Target(same), place, cell.spec, trained)
    assert found.protocol == "cross"
