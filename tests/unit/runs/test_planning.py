import dataclasses

import pytest

from hashquant.errors import UsageError
from hashquant.runs.planning import plan
from hashquant.settings.adapted import override
from hashquant.settings.suite import Suite, base_spec, canonical_json, read_suite

SUITE = Suite(methods=("opqn", "dcdh"), bits=(16, 36), datasets=("synthfaces-studio",))


def cells(suite):
    return plan("quick", suite, device="cpu")


def test_one_cell_per_combination_data_set_by_data_set():
    suite = dataclasses.replace(SUITE, datasets=("synthfaces", "lfw"), seeds=(0, 1))
    found = cells(suite)
    assert len(found) == 2 * 2 * 2 * 2
    assert [c.spec.dataset for c in found] == ["synthfaces"] * 8 + ["lfw"] * 8


def test_opqn_asks_for_features_that_six_books_divide():
    found = {(c.spec.method, c.spec.bits): c.spec.features for c in cells(SUITE)}
    assert found == {("opqn", 16): 512, ("opqn", 36): 516, ("dcdh", 16): 512, ("dcdh", 36): 512}


def test_an_impossible_budget_is_skipped_with_its_reason():
    found = cells(dataclasses.replace(SUITE, bits=(17,)))
    assert [(c.spec.method, c.status) for c in found] == [("opqn", "skipped"), ("dcdh", "")]
    assert "17" in found[0].reason


def test_bits_that_no_method_meets_are_refused():
    with pytest.raises(UsageError, match="no method can meet these bits"):
        cells(dataclasses.replace(SUITE, bits=(2048,)))


def test_settings_reach_the_cell_and_name_its_row():
    suite = override(SUITE, ["opqn.codebooks=learned", "opqn.margin=0.4", "epochs=3"])
    found = cells(suite)
    assert found[0].spec.settings["margin"] == 0.4
    assert found[0].spec.label == "opqn codebooks=learned margin=0.4"
    assert found[2].spec.label == "dcdh"
    assert found[0].spec.epochs == 3


def test_a_setting_at_its_default_names_nothing():
    assert cells(override(SUITE, ["opqn.margin=0.5"]))[0].spec.label == "opqn"


def test_common_recipe_is_the_same_for_all():
    found = cells(override(SUITE, ["recipe=common", "common.lr=0.02"]))
    assert {c.spec.schedule.lr for c in found} == {0.02}
    assert len({c.spec.schedule.optimizer for c in cells(SUITE)}) == 2


def test_every_part_of_the_common_recipe_can_be_set_in_any_order():
    words = ["decay=milestones", "milestones=3,6", "group_rates=false", "clip_norm=5",
             "nesterov=true", "per_step=yes", "optimizer=rmsprop", "smoothing=0.9"]  # fmt: skip
    suite = override(SUITE, ["recipe=common", *(f"common.{word}" for word in words)])
    schedule = cells(suite)[0].spec.schedule
    assert (schedule.decay, schedule.milestones, schedule.group_rates) == (
        "milestones", (3.0, 6.0), False,
    )  # fmt: skip
    assert (schedule.clip_norm, schedule.nesterov, schedule.per_step) == (5.0, True, True)
    assert (schedule.optimizer, schedule.smoothing) == ("rmsprop", 0.9)
    with pytest.raises(UsageError, match="milestones must name epochs"):
        cells(override(SUITE, ["common.decay=milestones"]))
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        override(SUITE, ["common.decay=cosin"])


def test_the_papers_sgd_rate_is_scaled_to_the_batch():
    found = cells(dataclasses.replace(SUITE, batch_size=64))
    assert {c.spec.method: c.spec.schedule.lr for c in found} == {"opqn": 0.025, "dcdh": 0.005}
    common = cells(dataclasses.replace(SUITE, batch_size=64, recipe="common"))
    assert {c.spec.schedule.lr for c in common} == {0.1}


def test_data_set_options_reach_only_their_set():
    suite = override(SUITE, ["synthfaces.identities=8"])
    assert cells(suite)[0].spec.dataset_options == {"identities": "8"}


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("epochs", "--set must be key=value"),
        ("epoch=3", "did you mean 'epochs'"),
        ("opqnn.margin=1", "did you mean 'opqn'"),
        ("opqn.margn=1", "did you mean 'margin'"),
        ("opqn.margin=big", "must be a number within 0 … 2, got 'big'"),
        ("common.lrr=1", "did you mean 'lr'"),
        ("trunk=sphere", "unknown trunk 'sphere'"),
        ("epochs=0", "epochs must be a whole number of at least 1, got 0"),
    ],
)
def test_settings_that_are_not_understood(assignment, expected):
    with pytest.raises(UsageError, match=expected):
        cells(override(SUITE, [assignment]))


def test_a_method_that_cannot_be_imported_fails_alone(tmp_path, monkeypatch):
    import hashquant.methods

    (tmp_path / "badmethod.py").write_text('"""Bad."""\nraise RuntimeError("no luck")\n')
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])
    found = cells(dataclasses.replace(SUITE, methods=("badmethod", "dcdh")))
    assert [c.status for c in found] == ["failed", "failed", "", ""]
    assert "no luck" in found[0].reason


def test_local_weights_are_named_by_their_content(tmp_path):
    file = tmp_path / "w.pth"
    file.write_bytes(b"one")
    first = cells(override(SUITE, [f"trunk=resnet18:{file}"]))[0].spec.trunk
    assert first.startswith(f"resnet18:{file}@")
    file.write_bytes(b"two")
    assert cells(override(SUITE, [f"trunk=resnet18:{file}"]))[0].spec.trunk != first
    with pytest.raises(UsageError, match="weights of trunk resnet18 must be a file, got no"):
        cells(override(SUITE, ["trunk=resnet18:/no/such/file"]))


def test_a_ceiling_has_one_cell_a_seed_whatever_bits_are_asked_for():
    suite = dataclasses.replace(SUITE, methods=("float", "opqn"), seeds=(0, 1))
    found = [(c.spec.method, c.spec.bits, c.spec.seed) for c in cells(suite)]
    assert found[:2] == [("float", 512 * 32, 0), ("float", 512 * 32, 1)]
    assert len(found) == 2 + 4


def test_fitted_methods_name_the_run_they_are_fitted_on():
    suite = dataclasses.replace(SUITE, methods=("float", "pq", "itq"), bits=(16, 24))
    ceiling, *fitted = (c.spec for c in cells(suite))
    assert len(fitted) == 4
    assert {canonical_json(base_spec(spec)) for spec in fitted} == {canonical_json(ceiling)}
    assert base_spec(ceiling) == ceiling


def test_settings_of_the_base_are_named_in_the_rows_fitted_on_it():
    suite = override(dataclasses.replace(SUITE, methods=("pq",)), ["float.margin=0.3"])
    assert cells(suite)[0].spec.label == "pq float.margin=0.3"


def test_variants_are_rows_beside_the_method():
    variants = {"opqn": [{"codebooks": "learned"}, {"entropy_weight": 0.0}]}
    found = cells(dataclasses.replace(SUITE, bits=(16,), variants=variants))
    assert [c.spec.label for c in found] == [
        "opqn", "opqn codebooks=learned", "opqn entropy_weight=0.0", "dcdh",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        ({"opqnn": [{}]}, "unknown method in variants 'opqnn': did you mean 'opqn'"),
        ({"opqn": [{"margn": 1}]}, "did you mean 'margin'"),
    ],
)
def test_variants_that_are_not_understood(variants, expected):
    with pytest.raises(UsageError, match=expected):
        cells(dataclasses.replace(SUITE, variants=variants))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("variants: [opqn]", "variants must be a mapping of keys to values"),
        ("variants: {opqn: {margin: 1}}", "variants.opqn must be a list"),
        ("variants: {opqn: [margin]}", "variants.opqn must be a mapping"),
        ("settings: {opqn: 3}", "settings.opqn must be a mapping"),
    ],
)
def test_a_suite_file_with_the_wrong_shape_is_refused(tmp_path, text, expected):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=expected):
        read_suite(file)


def test_every_training_set_has_its_own_targets():
    suite = dataclasses.replace(
        SUITE, datasets=("lfw", "olivetti"), targets=("seen", "unseen", "cross"), bits=(16,)
    )
    found = {c.spec.dataset: [t.name for t in c.targets] for c in cells(suite)}
    assert found == {"lfw": ["lfw", "lfw-unseen", "olivetti"], "olivetti": ["olivetti", "lfw"]}


def test_options_follow_a_data_set_wherever_it_is_examined():
    suite = override(SUITE, ["synthfaces.identities=8"])
    suite = dataclasses.replace(suite, datasets=("lfw",), targets=("synthfaces-street",))
    [cell, *_] = cells(suite)
    assert cell.spec.dataset_options == {}
    assert cell.options == {"synthfaces-street": {"identities": "8"}}


def test_precision_is_resolved_before_a_run_is_named():
    assert {c.spec.precision for c in cells(SUITE)} <= {"bf16", "fp32"}
    assert plan("quick", SUITE, device="cuda")[0].spec.precision == "bf16"


def test_variants_can_be_left_out():
    suite = Suite(variants={"opqn": [{"margin": 0.0}]})
    assert override(suite, ["variants=none"]).variants == {}
    with pytest.raises(UsageError, match=r"variants must be none .*, got 'some'"):
        override(suite, ["variants=some"])
