import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashquant.errors import UsageError
from hashquant.settings.reading import build, coerce
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import (
    RunSpec,
    Suite,
    canonical_json,
    comparability_key,
    digest,
    read_suite,
    run_id,
)


def test_recipe_scales_its_steps_to_the_run():
    recipe = Recipe(lr=0.1, epochs=200, step_epochs=35.0, step_factor=0.5)
    rates = [recipe.rate(epoch, 100) for epoch in range(100)]
    assert rates[:18] == [0.1] * 18
    assert rates[18] == 0.05
    assert rates[99] == 0.1 * 0.5**5


def test_recipe_at_its_own_length_is_the_papers():
    recipe = Recipe(lr=1.0, epochs=200, step_epochs=35.0, step_factor=0.5)
    assert [recipe.rate(e, 200) for e in (0, 34, 35, 69, 70)] == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_warmup_rises_to_the_full_rate():
    recipe = Recipe(lr=1.0, epochs=10, step_epochs=100.0, warmup_epochs=4.0)
    rates = [recipe.rate(epoch, 10) for epoch in range(6)]
    assert rates == sorted(rates)
    assert rates[0] < rates[3] < rates[4] == 1.0


def test_unknown_key_offers_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'epochs'"):
        build(Suite, {"epoch": 3}, "quick.yaml")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("epochs", "ten", "epochs must be a whole number of at least 1, got 'ten'"),
        ("epochs", 1.5, "must be a whole number"),
        ("flip", "perhaps", "must be true or false"),
        ("mean", [0.5], "must have 3 values, got 1"),
        ("precision", "fp16", "unknown precision 'fp16'"),
        ("recipe", "papr", "did you mean 'paper'"),
    ],
)
def test_wrong_values_are_named(key, value, expected):
    with pytest.raises(UsageError, match=expected):
        build(Suite, {key: value}, "quick.yaml")


def test_suite_file_is_read_strictly(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("bits: [16, 24]\ncommon: {lr: 0.01}\nmethods: opqn dcdh\n")
    suite = read_suite(path)
    assert suite.bits == (16, 24)
    assert suite.common.lr == 0.01
    assert suite.methods == ("opqn", "dcdh")
    path.write_text("bits: [16\n")
    with pytest.raises(UsageError, match="must be readable YAML"):
        read_suite(path)
    with pytest.raises(UsageError, match="readable YAML"):
        read_suite(tmp_path / "none.yaml")


def test_optional_values_accept_none():
    assert coerce("none", int | None, "x") is None
    assert coerce("3", int | None, "x") == 3


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_digest_ignores_the_order_of_keys(mapping):
    shuffled = dict(reversed(list(mapping.items())))
    assert digest(mapping) == digest(shuffled)


def test_canonical_json_refuses_what_it_cannot_write():
    with pytest.raises(TypeError, match="cannot write set"):
        canonical_json({1, 2})


def test_every_suite_field_round_trips():
    suite = Suite()
    assert build(Suite, dataclasses.asdict(suite), "suite") == suite


def test_a_field_that_came_later_leaves_older_names_alone():
    spec = RunSpec(
        suite="s", method="opqn", dataset="d", bits=16, seed=0, trunk="t", image_size=8, resize=0,
        padding=0, flip=True, mean=(0.5,) * 3, std=(0.5,) * 3, features=16, epochs=1,
        batch_size=2, precision="fp32", recipe="paper", schedule=Recipe(), selection="last",
        device="cpu", settings={},
    )  # fmt: skip
    older = dataclasses.asdict(spec)
    del older["base"], older["trunk_mode"], older["head_only"], older["prefix"]
    del older["card"], older["trunk_rate"]
    for name in ("nesterov", "smoothing", "decay", "milestones", "per_step", "clip_norm",
                 "group_rates"):  # fmt: skip
        del older["schedule"][name]
    assert run_id(spec, "v") == digest([older, "v"])
    clipped = dataclasses.replace(spec, schedule=Recipe(clip_norm=5.0))
    assert run_id(clipped, "v") != run_id(spec, "v")
    compiled = dataclasses.replace(spec, trunk_mode="compiled")
    assert run_id(compiled, "v") != run_id(spec, "v")
    assert comparability_key(compiled, "v", "s") != comparability_key(spec, "v", "s")
