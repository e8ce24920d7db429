"""Marks and intervals follow from the queries; where these are missing nothing is claimed."""

import dataclasses

import numpy as np
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.evidence.judgement import judged
from hashquant.report.evidence.queries import HEADLINE, gather
from hashquant.report.frame import cells
from hashquant.report.tables.maps import map_tables


def study(records):
    blocks = select_blocks(records)
    (evidence,) = gather(records, blocks)
    return evidence


def table(records, *, secondary=False):
    evidence = study(records)
    frame = judged(cells(evidence.block, HEADLINE, secondary=secondary), evidence,
                   secondary=secondary)  # fmt: skip
    return {(row["label"], row["bits"]): row for row in frame.to_dict("records")}


def test_a_method_better_on_every_identity_is_significantly_better(exams, people, middling):
    for seed in (0, 1):
        exams.add(middling + 0.1, people, method="opqn", seed=seed)
        exams.add(middling, people, method="dcdh", seed=seed)
    found = table(exams.records())
    assert not found["opqn", 16]["undecided"]
    assert not found["dcdh", 16]["undecided"]


def test_identical_methods_tie(exams, people, middling):
    exams.add(middling, people, method="opqn")
    exams.add(middling, people, method="dcdh")
    marked = [row["undecided"] for row in table(exams.records()).values()]
    assert sorted(marked) == [False, True]


def test_a_difference_of_few_identities_is_no_difference(exams, people, middling):
    better = middling + np.where(people < 2, 0.3, -0.005)
    exams.add(better, people, method="opqn")
    exams.add(middling, people, method="dcdh")
    assert table(exams.records())["dcdh", 16]["undecided"]


def test_seeds_that_disagree_are_no_evidence_though_each_query_is(exams, people, middling):
    for seed, shift in enumerate((0.2, -0.1, 0.02)):
        exams.add(middling + shift, people, method="opqn", seed=seed)
        exams.add(middling, people, method="dcdh", seed=seed)
    assert table(exams.records())["dcdh", 16]["undecided"]


def test_holms_correction_runs_over_all_code_lengths_of_the_table(exams, people, middling):
    """A difference that is significant on its own is no longer so among many that are not."""
    noise = np.random.default_rng(3).normal(size=40)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    effect = np.repeat(0.02 * (noise + 2.5 / np.sqrt(40)), 3)  # t = 2.5, p = 0.017
    exams.add(middling + effect, people, method="opqn", bits=16)
    exams.add(middling, people, method="dcdh", bits=16)
    alone = study(exams.records())
    p_value = alone.difference(("opqn", 16, False), ("dcdh", 16, False)).p_value
    assert 0.05 / 8 < p_value < 0.05
    assert not table(exams.records())["dcdh", 16]["undecided"]
    for bits in (24, 36, 48, 64, 8, 12, 20):
        exams.add(middling, people, method="opqn", bits=bits)
        exams.add(middling, people, method="dcdh", bits=bits)
    assert table(exams.records())["dcdh", 16]["undecided"]


def test_intervals_hold_the_mean_and_shrink_with_the_spread(exams, people, middling):
    exams.add(middling, people, method="opqn")
    exams.add(np.full(len(people), 0.5), people, method="dcdh")
    found = table(exams.records())
    wide, point = found["opqn", 16], found["dcdh", 16]
    assert wide["low"] < wide["mean"] < wide["high"]
    assert point["low"] == pytest.approx(0.5) == point["high"]
    # The mean of 40 identities' means has a standard error that the interval must reflect.
    error = middling.reshape(40, 3).mean(1).std(ddof=1) / np.sqrt(40)
    assert wide["high"] - wide["low"] == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_references_do_not_compete(exams, people, middling):
    exams.add(middling + 0.2, people, method="float")
    exams.add(middling, people, method="opqn")
    exams.add(middling, people, method="dcdh")
    found = table(exams.records())
    assert not found["float", 16]["undecided"]
    assert sum(row["undecided"] for row in found.values()) == 1
    assert found["float", 16]["low"] > 0.5


def test_excluded_queries_do_not_count(exams, people, middling):
    part = np.where(people < 10, np.nan, middling)
    exams.add(part, people, method="opqn")
    found = table(exams.records())["opqn", 16]
    assert found["low"] < np.nanmean(part) < found["high"]


def test_the_other_comparison_is_judged_by_its_own_queries(exams, people, middling):
    for method, shift in (("opqn", 0.1), ("dpq", 0.0)):
        exams.add(middling, people, secondary=middling + shift, method=method)
    first, other = table(exams.records()), table(exams.records(), secondary=True)
    assert any(row["undecided"] for row in first.values())
    assert not any(row["undecided"] for row in other.values())
    assert other["opqn", 16]["low"] > first["opqn", 16]["high"]


def reason(records, label="dcdh"):
    evidence = study(records)
    assert (label, 16, False) not in evidence.cells
    assert ("opqn", 16, False) in evidence.cells
    return evidence.reasons[label, 16, False]


def test_missing_and_foreign_queries_are_named_and_leave_it_undecided(
    make, exams, people, middling
):
    exams.add(middling, people, method="opqn")
    without = exams.records(evals=[make.evaluation(0.4, method="dcdh")])
    assert reason(without) == "seed 0 has no readable file of its queries"
    assert [row["undecided"] for row in table(without).values()] == [True, False]
    assert np.isnan(table(without)["dcdh", 16]["low"])

    fewer = exams.add(middling[:60], people[:60], method="dcdh")
    exams.add(middling, people, method="gpq")
    assert reason(exams.records()) == "seed 0 was examined on other queries"
    exams.evals.remove(fewer)
    exams.add(middling, people + 1, method="dcdh")
    assert reason(exams.records()) == "seed 0 was examined on other queries"


def test_a_score_that_its_queries_do_not_give_is_not_believed(exams, people, middling, caplog):
    exams.add(middling, people, method="opqn")
    exams.add(middling, people, method="dcdh", value=0.9)
    assert reason(exams.records()) == "seed 0 has no readable file of its queries"
    assert "does not belong to its record: its mean ap is 0.5022" in caplog.text


def test_a_seed_without_queries_spoils_its_cell(make, exams, people, middling):
    exams.add(middling, people, method="opqn")
    exams.add(middling, people, method="dcdh")
    records = exams.records(evals=[make.evaluation(0.4, method="dcdh", seed=1)])
    assert reason(records) == "seed 1 has no readable file of its queries"


def test_without_any_file_all_is_undecided_and_no_sign_is_shown(make):
    records = make.full(["opqn", "dcdh"])
    (found,) = map_tables(records, HEADLINE)
    assert found.cells["undecided"].tolist() == [True, True, False, False]
    assert [found.sign(cell) for cell in found.cells.to_dict("records")] == [""] * 4
    assert found.told is not None
    assert "The values of the queries are missing" in found.told.sentence()
    assert found.cells["low"].isna().all()
    assert len(found.evidence.reasons) == 4


def test_the_same_runs_draw_the_same_seeds_on_every_target(exams, people, middling):
    """Replicates of two targets differ in identities, not in the seeds drawn."""
    flat = np.full(len(people), 0.5)
    for seed, shift in enumerate((0.0, 0.1, 0.3)):
        exams.add(flat + shift, people, seed=seed)
        exams.add(flat + shift, people, seed=seed, target="olivetti", protocol="cross")
    records = exams.records()
    home, cross = gather(records, select_blocks(records))
    key = ("opqn", 16, False)
    assert np.ptp(home.draws(key)) > 0.05
    np.testing.assert_allclose(home.draws(key), cross.draws(key))


def test_identities_of_two_targets_are_drawn_independently(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling, people, target="olivetti", protocol="cross")
    records = exams.records()
    home, cross = gather(records, select_blocks(records))
    key = ("opqn", 16, False)
    correlation = np.corrcoef(home.draws(key), cross.draws(key))[0, 1]
    assert abs(correlation) < 0.1


def test_a_method_without_code_is_one_run_in_every_column(make, exams, people, middling):
    for seed, shift in enumerate((0.0, 0.2)):
        exams.add(middling + shift, people, method="float", bits=16384, seed=seed)
    for bits in (16, 24):
        exams.add(middling, people, method="opqn", bits=bits)
    exams.evals = [make.without_code(r) if r.spec.method == "float" else r for r in exams.evals]
    evidence = study(exams.records())
    drawn = [evidence.draws(("float", bits, False)) for bits in (16, 24)]
    np.testing.assert_array_equal(*drawn)
    assert dataclasses.replace(evidence.block).bits == (16, 24)


def test_an_interval_ends_where_an_map_can(exams, people, middling):
    """Two seeds far apart give replicates beyond 0 and 1, which no mAP can have."""
    for seed, level in enumerate((0.05, 0.95)):
        exams.add(np.full_like(middling, level), people, method="opqn", seed=seed)
    found, key = study(exams.records()), ("opqn", 16, False)
    low, high = np.quantile(found.draws(key), [0.025, 0.975])
    assert low < 0
    assert high > 1
    assert 0 <= found.interval(key).low < 0.01
    assert 0.99 < found.interval(key).high <= 1


def test_counts_that_cannot_be_tell_no_floor_and_stop_no_report(exams, people, middling):
    """A damaged number of relevant items, more than the gallery holds: another record tells."""
    exams.add(middling, people, method="opqn", relevant=70_000)
    (study,) = gather(exams.records(), select_blocks(exams.records()))
    assert np.isnan(study.floor())
    exams.add(middling, people, method="dcdh")
    (study,) = gather(exams.records(), select_blocks(exams.records()))
    assert 0.01 < study.floor() < 0.02
