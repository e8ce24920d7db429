"""Verdicts follow planted truths, and nothing is concluded from nothing."""

import numpy as np
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.evidence.claims import NO_RECORDS, claims_frame, claims_sheet
from hashquant.report.evidence.contrasts import retention
from hashquant.report.evidence.queries import gather
from hashquant.report.forms.markdown import markdown


def claimed(records):
    """Return the lines of every claim by its letter."""
    studies = gather(records, select_blocks(records))
    frame = claims_frame(studies)
    return {letter: part.to_dict("records") for letter, part in frame.groupby("claim")}


def verdicts(records):
    return {letter: lines[-1]["verdict"] for letter, lines in claimed(records).items()}


def test_leading_at_home_and_trailing_abroad(exams, people, middling):
    for bits in (16, 24):
        for seed in (0, 1):
            asked = {"bits": bits, "seed": seed}
            exams.add(middling + 0.1, people, method="opqn", **asked)
            exams.add(middling, people, method="dcdh", **asked)
            abroad = {"target": "olivetti", "protocol": "cross", **asked}
            exams.add(middling - 0.2, people, method="opqn", **abroad)
            exams.add(middling, people, method="dcdh", **abroad)
    found = claimed(exams.records())
    (home,), (abroad,) = found["a"], found["b"]
    assert (home["verdict"], abroad["verdict"]) == ("supported", "not supported")
    assert home["estimate"] == pytest.approx(0.1)
    assert abroad["estimate"] == pytest.approx(-0.2)
    assert (home["where"], home["bits"], home["seeds"]) == ("lfw", "16 24", "2")
    assert abroad["where"] == "lfw → olivetti"


def test_the_best_rival_counts_and_neither_reference_nor_own_variant(exams, people, middling):
    exams.add(middling, people, method="opqn")
    exams.add(middling + 0.3, people, method="opqn", overrides={"codebooks": "learned"})
    exams.add(middling + 0.3, people, method="float")
    exams.add(middling - 0.2, people, method="gpq")
    exams.add(middling - 0.1, people, method="dcdh")
    (line,) = claimed(exams.records())["a"]
    assert line["compared"] == "opqn − dcdh"
    assert line["estimate"] == pytest.approx(0.1)


def test_variants_are_compared_with_the_row_they_change(exams, people, middling):
    changes = {"c1": ("codebooks", "learned", 0.1), "c2": ("codebooks", "random", 0.0),
               "e1": ("loss_on", "x", -0.1), "f": ("entropy_weight", 0, 0.1)}  # fmt: skip
    own = {"scale": 40.0}
    exams.add(middling, people, overrides=own)
    for key, value, lead in changes.values():
        exams.add(middling - lead, people, overrides={**own, key: value})
    found = verdicts(exams.records())
    assert found == {
        "a": NO_RECORDS, "b": NO_RECORDS, "c1": "supported", "c2": "undecided", "d": NO_RECORDS,
        "e1": "not supported", "e2": NO_RECORDS, "f": "supported",
    }  # fmt: skip


def test_a_variant_that_changes_more_is_no_counterpart(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling - 0.1, people, overrides={"codebooks": "learned", "margin": 0.1})
    assert verdicts(exams.records())["c1"] == NO_RECORDS


def both(exams, ap, abroad, people, **asked):
    exams.add(ap, people, **asked)
    exams.add(abroad, people, target="olivetti", protocol="cross", **asked)


def test_retention_compares_learned_families_only(exams, people, middling):
    both(exams, middling, middling * 0.8, people, method="opqn")
    both(exams, middling, middling * 0.6, people, method="gpq")
    both(exams, middling, middling * 0.5, people, method="dcdh")
    # Controls and references would turn the result around.
    for method in ("pq", "opq"):
        both(exams, middling, middling * 0.1, people, method=method, base={"method": "float"})
    for method in ("itq", "lsh"):
        both(exams, middling, middling, people, method=method, base={"method": "float"})
    both(exams, middling, middling, people, method="float")
    (line,) = claimed(exams.records())["d"]
    assert line["estimate"] == pytest.approx((0.8 + 0.6) / 2 - 0.5)
    assert line["compared"] == "(gpq, opqn) − (dcdh)"
    assert line["verdict"] == "supported"


def test_retention_has_no_runaway_where_its_denominator_nears_zero(exams, people, middling):
    for seed, level in enumerate((0.05, 0.95)):
        flat = np.full_like(middling, level)
        both(exams, flat, np.full_like(flat, 0.4), people, method="opqn", seed=seed)
    records = exams.records()
    home, cross = gather(records, select_blocks(records))
    ratio, replicates = retention(cross, home, ("opqn", 16, False))
    assert ratio == pytest.approx(0.4 / 0.5)
    assert home.draws(("opqn", 16, False)).min() < 0
    # Linear in the denominator's draws: 0.8 moves by 0.8 a unit of relative error, no pole.
    relative = home.draws(("opqn", 16, False)) / 0.5 - 1
    assert replicates == pytest.approx(0.8 - 0.8 * relative)


def test_retention_is_of_the_same_trained_runs(exams, people, middling):
    both(exams, middling, middling * 0.8, people, method="opqn")
    exams.add(middling, people, method="dcdh", seed=0)
    exams.add(middling * 0.5, people, method="dcdh", seed=1, target="olivetti", protocol="cross")
    assert verdicts(exams.records())["d"] == NO_RECORDS


def test_blocks_are_pooled_in_a_last_line(exams, people, middling):
    for dataset, lead in (("lfw", 0.1), ("studio", 0.3)):
        exams.add(middling + lead, people, method="opqn", dataset=dataset)
        exams.add(middling, people, method="dcdh", dataset=dataset)
    lines = claimed(exams.records())["a"]
    assert [line["where"] for line in lines] == ["lfw", "studio", "mean of 2"]
    assert [line["estimate"] for line in lines] == pytest.approx([0.1, 0.3, 0.2])


def test_targets_with_other_batch_norm_statistics_are_left_out(exams, people, middling):
    for method in ("opqn", "dcdh"):
        exams.add(middling, people, method=method, target="olivetti+norm_stats=target",
                  protocol="cross")  # fmt: skip
    assert verdicts(exams.records())["b"] == NO_RECORDS


def test_holms_correction_runs_over_all_lines(exams, people, middling):
    """An effect of p = 0.017 alone is undecided beside three lines that say nothing."""
    noise = np.random.default_rng(3).normal(size=40)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    effect = np.repeat(0.02 * (noise + 2.5 / np.sqrt(40)), 3)
    exams.add(middling + effect, people)
    exams.add(middling, people, overrides={"codebooks": "learned"})
    assert verdicts(exams.records())["c1"] == "supported"
    for change in ({"codebooks": "random"}, {"loss_on": "x"}, {"loss_on": "s"}):
        exams.add(middling + effect, people, overrides=change)
    lines = claimed(exams.records())
    assert lines["c1"][0]["low"] > 0
    assert lines["c1"][0]["verdict"] == "undecided"


def test_the_page_says_what_is_needed_and_why_it_is_missing(make):
    records = make.full(["opqn", "dcdh"])
    studies = gather(records, select_blocks(records))
    frame = claims_frame(studies)
    assert set(frame["verdict"]) == {NO_RECORDS}
    text = markdown(claims_sheet(frame, studies, "demo"), "d")
    assert "No records: needs rows `opqn` and `opqn codebooks=learned`" in text
    assert "4 cells cannot be used (seed 0 has no readable file of its queries)" in text


def test_the_page_holds_every_line(exams, people, middling):
    exams.add(middling + 0.1, people, method="opqn")
    exams.add(middling, people, method="dcdh")
    records = exams.records()
    studies = gather(records, select_blocks(records))
    text = markdown(claims_sheet(claims_frame(studies), studies, "demo"), "d")
    row = next(line for line in text.splitlines() if "opqn − dcdh" in line)
    assert [part.strip() for part in row.strip("|").split("|")][:5] == [
        "lfw", "opqn − dcdh", "16", "1", "+0.1000"
    ]  # fmt: skip
    assert row.strip("| ").endswith("supported")
    assert "trunk sphere20-narrow, 32-pixel images, 20 epochs" in text
