"""Honest records pass verification; each falsification is named with file and both values."""

import json

import numpy as np
import pytest
import torch

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.machine.seals import file_digest, sealed_json
from hashquant.records.record import SEALED_FROM, Cost, EvalRecord, TrainRecord
from hashquant.records.store import Store
from hashquant.runs.verification import verify_suite
from hashquant.search.comparisons import StoredCodes, evaluate_all, merged
from hashquant.search.distributions import distributions
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import RunSpec, comparability_key, run_id

TARGET, VERSION = "olivetti+norm_stats=target", "a1b2c3"


def spec(**changes):
    base = dict(  # noqa: C408  # reads like the call it feeds
        suite="s", method="opqn", dataset="synthfaces", bits=24, seed=0, trunk="t", image_size=32,
        resize=35, padding=0, flip=True, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), features=512,
        epochs=2, batch_size=8, precision="fp32", recipe="paper", schedule=Recipe(),
        selection="last", device="cpu", settings={"margin": 0.5},
    )  # fmt: skip
    return RunSpec(**(base | changes))


def made_codes(form):
    """Random codes of 40 items and 9 queries in 3 classes; the last query's class is not there."""
    g = torch.Generator().manual_seed(1)
    labels, wanted = torch.arange(40) % 3, torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 9])
    if form == "bits":
        query = torch.randn(9, 24, generator=g)
        gallery = pack_bits(torch.randn(40, 24, generator=g) > 0)
        return StoredCodes(form, CodeBudget(24), gallery, labels, pack_bits(query > 0), wanted,
                           query_embedding=query)  # fmt: skip
    budget = CodeBudget(24, 4, 64)
    gallery, query = (pack_indices(torch.randint(64, (n, 4), generator=g), budget) for n in (40, 9))
    return StoredCodes(
        form, budget, gallery, labels, query, wanted, larger_is_closer=True,
        query_table=torch.randn(9, 4, 64, generator=g),
        symmetric_table=torch.randn(4, 64, 64, generator=g),
    )  # fmt: skip


def stored(root, form="table", **changes):
    """Store one cell with one examination, as a run would, and return its target's folder."""
    codes, cell = made_codes(form), spec(**changes)
    found, budget, name = merged(evaluate_all(codes)), codes.budget, run_id(cell, VERSION)
    cost = Cost(24, 3, 0, form, budget.subspaces, budget.codewords, 1, 1)
    folder = Store(root).cell(cell, name)
    losses = ({"margin": 2.0, "total": 2.5}, {"margin": 1.0, "total": 1.25})
    folder.save_train(
        TrainRecord(name, "done", cell, dataset_version=VERSION, split_digest="d1", cost=cost,
                    losses=losses, training_images=80, classes=3, selected_epoch=2)
    )  # fmt: skip
    key = comparability_key(cell, VERSION, "d2", ("v9", "gray", "target"))
    record = EvalRecord(
        name, cell, TARGET, "cross", "d2", key, found.queries, found.excluded, 40, found.scores,
        found.curves, cost, target_version="v9", adapter="gray", health={"distinct_codes": 40.0},
    )  # fmt: skip
    per_query = {**found.per_query, "label": codes.query_labels.numpy()}
    folder.save_eval(record, per_query, codes.arrays(), distributions(codes))
    return folder.target_folder(TARGET)


def edit(path, change):
    """Change what a JSON file says, and seal it anew: a forger can."""
    raw = json.loads(path.read_text())
    raw.pop("seal", None)
    change(raw)
    text = json.dumps(raw, indent=1)
    path.write_text(sealed_json(text) if raw["schema_version"] >= SEALED_FROM else text)


def edit_arrays(path, **changes):
    """Change arrays of an .npz file, and seal it anew; None takes one out."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    seal = file_digest(path)
    edit(path.with_name("eval.json"), lambda raw: raw.get("files", {}).update({path.name: seal}))


def check(folder):
    [checked] = verify_suite(Store(folder.parents[5]), "s")
    return checked


def outcome(folder):
    found = check(folder)
    return found.source, found.differences, found.unreadable, found.notes


@pytest.mark.parametrize("form", ["bits", "table"])
def test_an_honest_record_is_found_again_from_its_codes(tmp_path, form):
    assert outcome(stored(tmp_path, form)) == ("codes", [], [], [])


@pytest.mark.parametrize("form", ["bits", "table"])
def test_without_codes_it_is_found_from_the_values_of_queries(tmp_path, form):
    folder = stored(tmp_path, form)
    (folder / "codes.npz").unlink()
    source, differences, unreadable, [note] = outcome(folder)
    assert (source, differences, unreadable) == ("per-query", [], [])
    assert "no codes are stored" in note
    assert "from per-query values" in note


@pytest.mark.parametrize("place", [0, 5, -1])
def test_a_falsified_score_is_named_with_both_values(tmp_path, place):
    folder = stored(tmp_path)
    score = json.loads((folder / "eval.json").read_text())["scores"][place]
    edit(folder / "eval.json", lambda raw: raw["scores"][place].update(value=0.75))
    [said] = check(folder).differences
    assert said.startswith(f"{folder / 'eval.json'}: {score['metric']}")
    assert score["comparison"] in said
    assert "stored 0.75" in said
    assert f"found {score['value']!r}" in said


@pytest.mark.parametrize(
    ("place", "name"), [(0, "mAP (adc"), (3, "precision@1 (adc"), (9, "mAP (sdc")]
)
def test_a_falsified_score_is_named_without_codes(tmp_path, place, name):
    folder = stored(tmp_path)
    (folder / "codes.npz").unlink()
    edit(folder / "eval.json", lambda raw: raw["scores"][place].update(value=0.75))
    [said] = check(folder).differences
    assert f"eval.json: {name}" in said
    assert "stored 0.75" in said


def test_a_change_below_the_tolerance_is_none(tmp_path):
    folder = stored(tmp_path)
    edit(folder / "eval.json", lambda raw: raw["scores"][0].update(
        value=raw["scores"][0]["value"] + 5e-10))  # fmt: skip
    assert check(folder).differences == []
    edit(folder / "eval.json", lambda raw: raw["scores"][0].update(
        value=raw["scores"][0]["value"] + 2e-9))  # fmt: skip
    assert len(check(folder).differences) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw.update(queries=10), "queries: stored 10, found 9"),
        (lambda raw: raw.update(queries_excluded=0), "queries_excluded: stored 0, found 1"),
        (lambda raw: raw.update(gallery=41), "gallery: stored 41, found 40"),
        (
            lambda raw: raw["curves"][1]["recall"].__setitem__(2, 0.75),
            "curve sdc: recall, point 2: stored 0.75",
        ),
        (
            lambda raw: raw["curves"][0].update(ranks=[1], precision=[1.0], recall=[0.5]),
            "shape of curve adc: ranks",
        ),
        (lambda raw: raw["scores"][4].update(cutoff=99), "found nothing of that name"),
        (lambda raw: raw.update(scores=raw["scores"][1:]), "holds no mAP of its headline"),
        (lambda raw: raw.update(run_id="0" * 12), "run_id: stored '000000000000'"),
        (lambda raw: raw.update(split_digest="d3"), "comparability_key: stored"),
        (lambda raw: raw.update(adapter=""), "comparability_key: stored"),
        (lambda raw: raw["spec"].update(epochs=3), "spec: epochs: stored 3, found 2"),
        (lambda raw: raw["cost"].update(codebook_bytes=9), "cost: stored"),
        (lambda raw: raw.update(target="lfw+norm_stats=target"), "folder: stored"),
        (lambda raw: raw["cost"].update(code_bits=32), "gallery must be uint8 of shape (40, 4)"),
    ],
)
def test_every_other_falsified_field_is_named(tmp_path, change, said):
    folder = stored(tmp_path)
    edit(folder / "eval.json", change)
    found = check(folder)
    assert any(said in sentence for sentence in found.differences), found.differences
    assert all(sentence.startswith(str(tmp_path)) for sentence in found.differences)


def test_a_spec_edited_in_both_records_does_not_fit_its_name(tmp_path):
    folder = stored(tmp_path)
    for path in (folder / "eval.json", folder.parent / "train.json"):
        edit(path, lambda raw: raw["spec"].update(epochs=3))
    said = check(folder).differences
    name = run_id(spec(epochs=3), VERSION)
    assert any(s.startswith(f"{folder.parent / 'train.json'}: run_id") for s in said)
    assert any(f"found '{name}'" in sentence for sentence in said)


def test_a_falsified_value_of_a_query_is_named(tmp_path):
    folder = stored(tmp_path)
    with np.load(folder / "per_query.npz") as file:
        ap = file["ap"].copy()
    ap[4] = 0.125
    edit_arrays(folder / "per_query.npz", ap=ap)
    [said] = check(folder).differences
    assert said.startswith(f"{folder / 'per_query.npz'}: ap of query 4: stored 0.125, found ")
    (folder / "codes.npz").unlink()
    assert any("eval.json: mAP (adc" in sentence for sentence in check(folder).differences)


def test_a_query_that_counts_though_nothing_is_relevant_is_named(tmp_path):
    folder = stored(tmp_path)
    with np.load(folder / "per_query.npz") as file:
        ap = file["ap"].copy()
    ap[8] = 1.0
    edit_arrays(folder / "per_query.npz", ap=ap)
    assert "ap of query 8: stored 1.0, found nan" in check(folder).differences[0]


@pytest.mark.parametrize("name", ["codes.npz", "per_query.npz"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_file_of_arrays_is_named(tmp_path, name, damage):
    folder = stored(tmp_path)
    data = bytearray((folder / name).read_bytes())
    if damage == "flipped":  # inside the first array's compressed bytes
        data[80:200] = bytes(byte ^ 0xFF for byte in data[80:200])
    (folder / name).write_bytes(
        {"truncated": data[: len(data) // 2], "empty": b""}.get(damage, data)
    )
    found = check(folder)
    [said] = found.unreadable
    assert said.startswith(str(folder / name))
    assert found.source == ("per-query" if name == "codes.npz" else "")


@pytest.mark.parametrize("wrong", [np.array(["a"] * 9), np.zeros(3), None])
def test_values_of_queries_must_be_numbers_for_each(tmp_path, wrong):
    folder = stored(tmp_path)
    edit_arrays(folder / "per_query.npz", ap=wrong)
    [said] = check(folder).unreadable
    assert "per_query.npz: must hold numbers, a label and an ap of each query" in said


def test_falsified_codes_are_named(tmp_path):
    folder = stored(tmp_path)
    with np.load(folder / "codes.npz") as file:
        gallery = file["gallery"]
    edit_arrays(folder / "codes.npz", gallery=gallery[::-1])
    assert any("mAP (adc" in sentence for sentence in check(folder).differences)
    edit_arrays(folder / "codes.npz", gallery=gallery[1:])
    [said] = check(folder).differences
    assert said.startswith(f"{folder / 'codes.npz'}: gallery must be uint8 of shape (40, 3)")


def test_what_was_too_large_to_store_is_said(tmp_path):
    folder = stored(tmp_path)
    edit_arrays(folder / "codes.npz", symmetric_table=None)
    assert outcome(folder) == ("codes", [], [], ["no tables are stored to recompute sdc"])
    edit_arrays(folder / "codes.npz", query_table=None)
    source, differences, unreadable, [note] = outcome(folder)
    assert (source, differences, unreadable) == ("per-query", [], [])
    assert note.startswith("no tables are stored with the codes: ")


def test_the_headline_is_compared_with_its_own_values(tmp_path):
    folder = stored(tmp_path)
    edit_arrays(folder / "codes.npz", query_table=None)
    assert outcome(folder) == ("per-query", [], [], ["no tables are stored to recompute adc"])
    edit(folder / "eval.json", lambda raw: raw["scores"][9].update(value=0.75))
    [said] = check(folder).differences
    assert "mAP (sdc" in said


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": 2, "run_id": "x"}', None])
def test_an_unreadable_record_is_named(tmp_path, text):
    folder = stored(tmp_path)
    for path in (folder.parent / "train.json", folder / "eval.json"):
        if text is not None:
            path.write_text(text)
        elif path.name == "train.json":
            path.unlink()
        else:
            continue
        assert any(said.startswith(f"{path}: ") for said in check(folder).unreadable)


def test_an_unfinished_training_is_named(tmp_path):
    folder = stored(tmp_path)
    edit(folder.parent / "train.json", lambda raw: raw.update(status="failed"))
    assert "status: stored 'failed', found 'done'" in check(folder).differences[0]


def test_every_examination_of_a_suite_is_checked(tmp_path):
    folders = [stored(tmp_path, seed=seed) for seed in (0, 1)]
    stored(tmp_path, suite="other")
    assert [checked.folder for checked in verify_suite(Store(tmp_path), "s")] == folders
