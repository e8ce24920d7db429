"""What a prefix row is planned as, and what is refused."""

import dataclasses

import pytest

from hashquant.errors import UsageError
from hashquant.runs.planning import plan
from hashquant.settings.adapted import override
from hashquant.settings.suite import (
    Suite,
    base_spec,
    canonical_json,
    comparability_key,
    run_id,
    whole_spec,
)

SUITE = Suite(methods=("rq",), bits=(24,), epochs=2, trunk="sphere20-narrow", precision="fp32")


def cells(**changes):
    return plan("s", dataclasses.replace(SUITE, **changes), device="cpu")


def test_a_prefix_row_is_a_row_of_its_own_on_one_run():
    settings = {"rq": {"prefix": 48}, "float": {"size": 16}}
    own = {c.spec.bits: c for c in cells(bits=(12, 16, 48, 64), settings=settings)}
    assert {c.spec.label for c in own.values()} == {"rq float.size=16 prefix=48"}
    assert [c.status for c in own.values()] == ["", "skipped", "", "skipped"]
    assert "a multiple of 6 in a prefix of 48 (64 codewords a book), got 16" in own[16].reason
    assert "within 1 … 48 to be a prefix of these, got 64" in own[64].reason
    [plain] = cells(bits=(48,), settings={"float": {"size": 16}})
    wholes = {canonical_json(whole_spec(own[bits].spec)) for bits in (12, 48)}
    assert wholes == {canonical_json(plain.spec)}
    assert whole_spec(plain.spec) is plain.spec
    assert len({run_id(c.spec, "v") for c in (own[12], own[48], plain)}) == 3
    assert len({comparability_key(c.spec, "v", "s") for c in (own[12], plain)}) == 1


def test_the_embedding_that_it_is_fitted_on_is_every_rows():
    settings = {"rq": {"prefix": 64}, "float": {"size": 16}}
    variants = {"rq": [{"prefix": 48, "beam": 1}, {"prefix": 0}]}
    found = cells(settings=settings, variants=variants)
    assert [c.spec.label for c in found] == [
        "rq float.size=16 prefix=64", "rq beam=1 float.size=16 prefix=48", "rq float.size=16",
    ]  # fmt: skip
    [ceiling] = cells(methods=("float",), settings={"float": {"size": 16}})
    for each in found:
        assert canonical_json(base_spec(each.spec)) == canonical_json(ceiling.spec)
        assert each.fitted
    assert whole_spec(found[1].spec).settings["beam"] == 1


def test_what_is_asked_in_vain_is_refused_with_the_nearest_way():
    for asked in (64, 0):
        with pytest.raises(UsageError, match=r"opqn.prefix cannot be set.*: .*rq"):
            cells(settings={"opqn": {"prefix": asked}})
    for value in ("true", True, -1, 1.5):
        with pytest.raises(UsageError, match="prefix must be a whole number of at least 0"):
            cells(settings={"rq": {"prefix": value}})
    with pytest.raises(UsageError, match=r"as --set rq.prefix=64"):
        override(SUITE, ["prefix=64"])
    with pytest.raises(UsageError, match="no method can meet these bits"):
        cells(settings={"rq": {"prefix": 50}})
