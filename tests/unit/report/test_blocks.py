"""Only comparable records meet in a table, and nothing that is left out is left unsaid."""

import dataclasses

from hashquant.report.blocks import records_digest, select_blocks
from hashquant.report.rows import row_families


def test_records_of_other_settings_are_left_out_counted_and_named(make):
    old = [make.evaluation(0.4, seed=s, epochs=5, started="2024-04-01") for s in (0, 1)]
    new = [make.evaluation(0.6, seed=0, started="2024-05-01")]
    (block,) = select_blocks(make.records([*new, *old]))
    assert block.evals == tuple(new)
    assert (block.left_out, block.differs) == (2, ("epochs 5",))


def test_the_newest_settings_are_shown_unless_others_are_asked_for(make):
    old = make.evaluation(epochs=20, started="2024-04-01")
    new = make.evaluation(epochs=5, started="2024-05-01")
    records = make.records([old, new])
    assert select_blocks(records)[0].evals == (new,)
    like = make.spec(method="dcdh", bits=48, dataset="other", epochs=20)
    assert select_blocks(records, like)[0].evals == (old,)
    absent = make.spec(epochs=7)
    assert select_blocks(records, absent)[0].evals == (new,)


def test_another_split_is_never_joined(make):
    here = make.evaluation(started="2024-05-01")
    there = make.evaluation(seed=1, split="f" * 64, started="2024-04-01")
    (block,) = select_blocks(make.records([here, there]))
    assert block.evals == (here,)
    assert block.differs == ("split ffffffffffff",)


def test_another_version_of_the_data_is_named(make):
    here = make.evaluation(started="2024-05-01")
    there = dataclasses.replace(make.evaluation(seed=1), comparability_key="x", started_at="2024")
    (block,) = select_blocks(make.records([here, there]))
    assert block.differs == ("another version of the data set",)


def test_seeds_of_one_cell_share_their_settings(make):
    stale = make.evaluation(seed=1, settings={"margin": 0.1}, started="2024-04-01")
    fresh = make.evaluation(seed=0, settings={"margin": 0.4}, started="2024-05-01")
    (block,) = select_blocks(make.records([stale, fresh]))
    assert block.evals == (fresh,)
    assert block.differs == ("older records of the same cells",)


def test_a_repeated_cell_is_counted_once(make):
    first = make.evaluation(0.1, started="2024-04-01")
    again = make.evaluation(0.2, started="2024-05-01")
    (block,) = select_blocks(make.records([first, again]))
    assert block.evals == (again,)


def test_gaps_hold_what_has_no_score_and_why(make):
    done = make.evaluation(bits=16)
    trains = [
        make.training(bits=16),
        make.training("skipped", "no such budget\nmore lines", bits=17),
        make.training("failed", "", bits=24),
        make.training(bits=48),
        make.training("oom", "x" * 500, bits=64),
        make.training("failed", "elsewhere", bits=36, epochs=3),
    ]
    (block,) = select_blocks(make.records([done], trains))
    reasons = {gap.bits: gap.reason for gap in block.gaps}
    assert reasons[17] == "skipped: no such budget"
    assert reasons[24] == "failed: no reason was stored"
    assert reasons[48] == "trained, but not examined on lfw"
    assert len(reasons[64]) < 180
    assert 36 not in reasons
    assert block.left_out == 1
    assert block.bits == (16, 17, 24, 48, 64)


def test_a_failure_that_was_later_mended_is_no_gap(make):
    trains = [make.training("failed", "disk", started="2024-01"), make.training(started="2024-02")]
    (block,) = select_blocks(make.records([make.evaluation()], trains))
    assert block.gaps == ()


def test_each_target_has_a_block_of_its_own(make):
    evals = [make.evaluation(), make.evaluation(target="olivetti", split="a" * 64)]
    trains = [make.training(), make.training("failed", "boom", bits=24)]
    blocks = select_blocks(make.records(evals, trains))
    assert [block.name for block in blocks] == ["lfw", "lfw → olivetti"]
    assert all(gap.reason == "failed: boom" for block in blocks for gap in block.gaps)


def test_a_suite_without_any_score_still_has_blocks(make):
    trains = [make.training("skipped", "why", bits=17), make.training(dataset="b")]
    blocks = select_blocks(make.records(trains=trains))
    assert [block.dataset for block in blocks] == ["b", "lfw"]
    assert blocks[0].gaps[0].reason == "trained, but not examined on b"


def test_families_come_from_the_code_where_the_method_is_new(make):
    evals = [make.evaluation(method="opqn"), make.evaluation(method="mine")]
    trains = [make.training("failed", "x", method="unseen")]
    families = row_families(make.records(evals, trains))
    assert families == {"opqn": "quantization", "mine": "hashing", "unseen": "other"}


def test_the_digest_ignores_order_and_sees_every_number(make):
    a, b = make.evaluation(0.5), make.evaluation(0.6, seed=1)
    digest = records_digest(make.records([a, b]))
    assert digest == records_digest(make.records([b, a]))
    assert digest != records_digest(make.records([a, make.evaluation(0.61, seed=1)]))
    assert digest != records_digest(make.records([a, b], [make.training()]))


def as_float(make, value=0.8, bits=16384, **asked):
    return make.without_code(make.evaluation(value, method="float", bits=bits, **asked))


def test_a_method_without_code_stands_in_every_code_length(make):
    evals = [make.evaluation(bits=16), make.evaluation(bits=24), as_float(make)]
    (block,) = select_blocks(make.records(evals))
    assert block.bits == (16, 24)
    stands = [r for r in block.evals if r.spec.method == "float"]
    assert [r.spec.bits for r in stands] == [16, 24]
    assert {r.run_id for r in stands} == {evals[2].run_id}
    assert block.families["float"] == "reference"
    assert block.left_out == 0


def test_a_method_without_code_keeps_its_length_where_it_is_alone(make):
    (block,) = select_blocks(make.records([as_float(make)]))
    assert block.bits == (16384,)


def test_an_unknown_method_without_code_is_a_reference(make):
    record = make.without_code(make.evaluation(method="mine", bits=2048))
    assert row_families(make.records([record])) == {"mine": "reference"}


def test_the_newest_embedding_length_is_shown_once(make):
    old = as_float(make, 0.7, bits=8192, started="2024-04-01")
    new = as_float(make, 0.8, bits=16384, started="2024-05-01")
    trains = [make.training(method="float", bits=bits) for bits in (8192, 16384)]
    (block,) = select_blocks(make.records([make.evaluation(), old, new], trains))
    assert [r.run_id for r in block.evals if r.spec.method == "float"] == [new.run_id]
    assert [gap.label for gap in block.gaps] == []


def test_a_failure_without_code_is_a_gap_in_every_code_length(make):
    evals = [make.evaluation(bits=16), make.evaluation(bits=24)]
    lost = make.training("failed", "disk", method="float", bits=16384)
    (block,) = select_blocks(make.records(evals, [lost]))
    gaps = [(gap.label, gap.bits, gap.reason) for gap in block.gaps]
    assert gaps == [("float", 16, "failed: disk"), ("float", 24, "failed: disk")]
    assert block.bits == (16, 24)


def test_a_base_that_was_never_examined_is_no_row(make):
    base = make.training(method="float", bits=16384)
    fitted = make.evaluation(method="lsh", base={"method": "float", "bits": 16384})
    (block,) = select_blocks(make.records([fitted], [base]))
    assert set(block.families) == {"lsh"}
    failed = make.training("failed", "disk", method="float", bits=16384)
    (block,) = select_blocks(make.records([fitted], [failed]))
    assert set(block.families) == {"float", "lsh"}


def test_a_base_that_was_examined_elsewhere_is_a_gap(make):
    base = make.training(method="float", bits=16384)
    fitted = [make.evaluation(method="lsh", base={"method": "float"}, target=target)
              for target in ("", "olivetti")]  # fmt: skip
    blocks = select_blocks(make.records([*fitted, as_float(make)], [base]))
    assert [block.name for block in blocks] == ["lfw", "lfw → olivetti"]
    assert blocks[1].gaps[0].reason == "trained, but not examined on olivetti"


def test_other_adapters_are_left_out_and_named(make):
    here = make.evaluation(target="olivetti", started="2024-05-01")
    there = dataclasses.replace(
        make.evaluation(target="olivetti", seed=1, started="2024-04-01"),
        adapter="gray", comparability_key="x",
    )  # fmt: skip
    (block,) = select_blocks(make.records([here, there]))
    assert block.evals == (here,)
    assert block.differs == ("adapter gray",)


def test_domains_follow_from_target_and_protocol(make):
    evals = [
        make.evaluation(),
        make.evaluation(target="lfw+norm_stats=target"),
        dataclasses.replace(make.evaluation(target="olivetti"), protocol="cross"),
        dataclasses.replace(make.evaluation(target="lfw-unseen"), protocol="unseen"),
    ]
    found = {block.name: block for block in select_blocks(make.records(evals))}
    assert {name for name, block in found.items() if block.single_domain} == {
        "lfw", "lfw (norm_stats=target)"
    }  # fmt: skip
    assert {name for name, block in found.items() if block.cross_domain} == {
        "lfw → olivetti", "lfw → lfw-unseen"
    }  # fmt: skip
    assert found["lfw (norm_stats=target)"].option == "norm_stats=target"
