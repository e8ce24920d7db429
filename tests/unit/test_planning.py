import dataclasses

import pytest

from hashquant.config import Suite
from hashquant.errors import UsageError
from hashquant.planning import override, plan

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
        cells(dataclasses.replace(SUITE, bits=(0,)))


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
        ("opqm.margin=1", "did you mean 'opqn'"),
        ("opqn.margn=1", "did you mean 'margin'"),
        ("opqn.margin=big", "must be a number, got 'big'"),
        ("common.lrr=1", "did you mean 'lr'"),
        ("trunk=sphere", "unknown trunk 'sphere'"),
        ("epochs=0", "epochs must be at least 1, got 0"),
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
    with pytest.raises(UsageError, match="weights of trunk resnet18 cannot be read"):
        cells(override(SUITE, ["trunk=resnet18:/no/such/file"]))
