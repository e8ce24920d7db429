"""Verdicts follow planted truths, and nothing is concluded from nothing."""

import numpy as np
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.evidence.claims import NO_RECORDS, claims_frame, claims_sheet, said
from hashquant.report.evidence.families import kept_beside
from hashquant.report.evidence.queries import gather
from hashquant.report.evidence.relative import main_row
from hashquant.report.forms.markdown import markdown
from hashquant.statistics.chance import expected_random_ap

#: mAP of a random order where 70 of 7000 items are relevant.
FLOOR = float(expected_random_ap(np.array([70]), 7000)[0])


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
    (home,), (abroad,) = found["a1"], found["b1"]
    assert (home["verdict"], abroad["verdict"]) == ("supported", "contradicted")
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
    (line,) = claimed(exams.records())["a1"]
    assert line["compared"] == "opqn − dcdh"
    assert line["estimate"] == pytest.approx(0.1)


def test_deep_and_shallow_rivals_are_two_questions(exams, people, middling):
    """Ahead of every deep method, behind a shallow code: neither hides the other."""
    exams.add(middling, people, method="opqn")
    exams.add(middling - 0.1, people, method="dcdh")
    exams.add(middling + 0.1, people, method="pq", base={"method": "float"})
    found = claimed(exams.records())
    (deep,), (shallow,) = found["a1"], found["a2"]
    assert (deep["verdict"], shallow["verdict"]) == ("supported", "contradicted")
    assert (deep["compared"], shallow["compared"]) == ("opqn − dcdh", "opqn − pq")
    assert said(deep) == "supported (1 seed)"


def test_a_rival_that_is_best_by_luck_is_not_compared_where_it_was_lucky(exams, people):
    """Equal rivals with noise of their own: the nearest of three is not nearer than each."""
    leads = []
    for trial in range(20):
        here = type(exams)(exams.root / str(trial))
        generator = np.random.default_rng(trial)
        here.add(np.full(120, 0.5), people, method="opqn")
        for method in ("dcdh", "gpq", "dpq"):
            here.add(0.5 + generator.normal(0, 0.1, 40)[people], people, method=method)
        leads.append(claimed(here.records())["a1"][0]["estimate"])
    naive = -0.1 / np.sqrt(40) * 0.846  # the expected maximum of three
    assert np.mean(leads) > naive / 2


def test_variants_are_compared_with_the_row_they_change(exams, people, middling):
    changes = {"c1": ("codebooks", "learned", 0.1), "c2": ("codebooks", "random", 0.0),
               "e1": ("loss_on", "x", -0.1), "f": ("entropy_weight", 0, 0.1)}  # fmt: skip
    own = {"scale": 40.0}
    exams.add(middling, people, overrides=own)
    for key, value, lead in changes.values():
        exams.add(middling - lead, people, overrides={**own, key: value})
    found = verdicts(exams.records())
    assert found == {
        "a1": NO_RECORDS, "a2": NO_RECORDS, "b1": NO_RECORDS, "b2": NO_RECORDS, "c1": "supported",
        "c2": "undecided", "d": NO_RECORDS, "e1": "contradicted", "e2": NO_RECORDS,
        "f": "supported",
    }  # fmt: skip


def test_a_variant_that_changes_more_is_no_counterpart(exams, people, middling):
    exams.add(middling, people)
    exams.add(middling - 0.1, people, overrides={"codebooks": "learned", "margin": 0.1})
    assert verdicts(exams.records())["c1"] == NO_RECORDS


def both(exams, ap, abroad, people, **asked):
    exams.add(ap, people, **asked)
    exams.add(abroad, people, target="olivetti", protocol="cross", **asked)


def led(share, middling):
    """Return queries with a share of the lead that `middling` has over chance."""
    return FLOOR + share * (middling - FLOOR)


def test_what_is_kept_is_of_the_best_learned_of_each_family(exams, people, middling):
    both(exams, middling, middling, people, method="float")
    both(exams, led(0.9, middling), led(0.72, middling), people, method="opqn")
    both(exams, led(0.5, middling), led(0.1, middling), people, method="gpq")
    both(exams, led(0.8, middling), led(0.4, middling), people, method="dcdh")
    # Fitted codes and what did not train would turn the result around.
    for method in ("pq", "opq", "itq", "lsh"):
        both(exams, middling, middling * 0.1, people, method=method, base={"method": "float"})
    (line,) = claimed(exams.records())["d"]
    assert line["estimate"] == pytest.approx(0.72 / 0.9 - 0.4 / 0.8)
    assert line["compared"] == "opqn − dcdh"
    assert line["verdict"] == "supported"


@pytest.mark.parametrize(("seen", "unseen", "verdict"), [
    (0.9, 0.3, "contradicted"), (0.6, 0.6, "supported"),
])  # fmt: skip
def test_better_seen_and_worse_unseen_counts_against(
    exams, people, middling, seen, unseen, verdict
):
    both(exams, middling, middling, people, method="float")
    both(exams, led(seen, middling), led(unseen, middling), people, method="opqn")
    both(exams, led(0.6, middling), led(0.5, middling), people, method="dcdh")
    (line,) = claimed(exams.records())["d"]
    assert line["estimate"] == pytest.approx(unseen / seen - 0.5 / 0.6)
    assert line["verdict"] == verdict


def test_what_is_kept_has_no_runaway_where_its_denominator_nears_zero(exams, people, middling):
    for seed, level in enumerate((0.05, 0.95)):
        flat = np.full_like(middling, level)
        both(exams, middling, middling, people, method="float", seed=seed)
        both(exams, flat, np.full_like(flat, 0.4), people, method="opqn", seed=seed)
        both(exams, middling, middling, people, method="dcdh", seed=seed)
    records = exams.records()
    home, cross = gather(records, select_blocks(records))
    contest = kept_beside(home, cross)
    lead = 0.5 - FLOOR
    assert contest.estimate == pytest.approx((0.4 - FLOOR) / lead - 1)
    drawn = home.draws(("opqn", 16, False)) - FLOOR
    assert drawn.min() < 0
    # Linear in the denominator's draws: no pole.
    assert np.abs(contest.replicates).max() < 3 * np.abs(drawn / lead).max() + 3


def test_what_is_kept_is_of_the_same_trained_runs(exams, people, middling):
    both(exams, middling, middling, people, method="float")
    both(exams, middling, middling * 0.8, people, method="opqn")
    exams.add(middling, people, method="dcdh", seed=0)
    exams.add(middling * 0.5, people, method="dcdh", seed=1, target="olivetti", protocol="cross")
    assert verdicts(exams.records())["d"] == NO_RECORDS


def test_blocks_are_pooled_in_a_last_line(exams, people, middling):
    for dataset, lead in (("lfw", 0.1), ("studio", 0.3)):
        exams.add(middling + lead, people, method="opqn", dataset=dataset)
        exams.add(middling, people, method="dcdh", dataset=dataset)
    lines = claimed(exams.records())["a1"]
    assert [line["where"] for line in lines] == ["lfw", "studio", "mean of 2"]
    assert [line["estimate"] for line in lines] == pytest.approx([0.1, 0.3, 0.2])


def test_targets_with_other_batch_norm_statistics_are_left_out(exams, people, middling):
    for method in ("opqn", "dcdh"):
        exams.add(middling, people, method=method, target="olivetti+norm_stats=target",
                  protocol="cross")  # fmt: skip
    assert verdicts(exams.records())["b1"] == NO_RECORDS


def test_the_interval_that_decides_is_the_one_that_is_printed(exams, people, middling):
    """An effect of p = 0.017 alone is undecided beside three lines that say nothing."""
    noise = np.random.default_rng(3).normal(size=40)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    effect = np.repeat(0.02 * (noise + 2.5 / np.sqrt(40)), 3)
    exams.add(middling + effect, people)
    exams.add(middling, people, overrides={"codebooks": "learned"})
    assert verdicts(exams.records())["c1"] == "supported"
    for change in ({"codebooks": "random"}, {"loss_on": "x"}, {"loss_on": "s"}):
        exams.add(middling + effect, people, overrides=change)
    (line,) = claimed(exams.records())["c1"]
    assert (line["verdict"], line["low"] < 0 < line["high"]) == ("undecided", True)
    assert line["p_adjusted"] > 0.05


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
    assert row.strip("| ").endswith("supported (1 seed)")
    assert "trunk sphere20-narrow, 32-pixel images, 20 epochs" in text


HEADS = {"base": {"method": "float", "bits": 16384}, "head_only": True}


def test_a_head_on_a_frozen_embedding_stands_for_no_method_of_a_paper(exams, people, middling):
    """Neither as OPQN, nor as a deep rival of it, nor as a shallow code."""
    exams.add(middling, people, method="opqn")
    exams.add(middling - 0.1, people, method="dcdh")
    exams.add(middling - 0.2, people, method="lsh", base={"method": "float"})
    for method in ("opqn", "dcdh", "gpq"):
        exams.add(middling + 0.1, people, method=method, **HEADS)
    found = claimed(exams.records())
    (deep,), (shallow,) = found["a1"], found["a2"]
    assert (deep["compared"], shallow["compared"]) == ("opqn − dcdh", "opqn − lsh")


def test_where_only_heads_are_trained_no_claim_is_judged(exams, people, middling):
    exams.add(middling + 0.1, people, method="opqn", **HEADS)
    exams.add(middling, people, method="dcdh", **HEADS)
    exams.add(middling, people, method="lsh", base={"method": "float"})
    exams.add(middling, people, method="float")
    found = claimed(exams.records())
    assert {line["verdict"] for lines in found.values() for line in lines} == {NO_RECORDS}


def test_codes_and_heads_on_one_embedding_share_its_networks(exams, people, middling):
    for method, asked in {"opqn": HEADS, "pq": {"base": HEADS["base"]}, "dcdh": {}}.items():
        exams.add(middling, people, method=method, **asked)
    (study,) = gather(exams.records(), select_blocks(exams.records()))
    source = {label: study.cells[label, 16, False].source for label in study.block.families}
    assert source["opqn head_only=True"] == source["pq"] != source["dcdh"]


def test_a_prefix_row_shares_its_network_and_is_not_the_methods_own(exams, people, middling):
    exams.add(middling, people, method="dcdh")
    exams.add(middling, people, method="dcdh", prefix=64)
    exams.add(middling, people, method="dcdh", bits=64)
    (study,) = gather(exams.records(), select_blocks(exams.records()))
    assert main_row(study, "dcdh") == "dcdh"
    whole = study.cells["dcdh", 64, False].source
    assert study.cells["dcdh prefix=64", 16, False].source == whole
    assert study.cells["dcdh", 16, False].source != whole
