"""Cells hold mean, sd and n of the right scores; long frames hold every number."""

import math
import statistics

import pytest

from hashquant.errors import UsageError
from hashquant.records.record import Score
from hashquant.report.blocks import select_blocks
from hashquant.report.frame import Metric, cells, check_metric, health_frame, scores_frame


def table(records, metric="mAP", **options):
    (block,) = select_blocks(records)
    frame = cells(block, Metric.parse(metric), **options)
    return {(row["label"], row["bits"]): row for row in frame.to_dict("records")}


def test_mean_sd_and_n_over_seeds(make):
    values = [0.5, 0.6, 0.8]
    found = table(make.records([make.evaluation(v, seed=s) for s, v in enumerate(values)]))
    cell = found["opqn", 16]
    assert cell["mean"] == pytest.approx(statistics.mean(values))
    assert cell["sd"] == pytest.approx(statistics.stdev(values))
    assert cell["n"] == 3


def test_one_seed_has_no_sd(make):
    cell = table(make.records([make.evaluation(0.5)]))["opqn", 16]
    assert (cell["mean"], cell["n"]) == (0.5, 1)
    assert math.isnan(cell["sd"])


def test_a_cutoff_takes_the_denominator_of_the_house(make):
    assert table(make.records([make.evaluation(0.8)]), "map@1000")["opqn", 16]["mean"] == 0.2


def test_best_and_second_by_what_is_read(make):
    values = {"opqn": 0.70001, "dpq": 0.70004, "gpq": 0.6, "dcdh": 0.5, "float": 0.9}
    found = table(make.full(list(values), (16,), (0,), lambda m, b, s: values[m]))
    ranks = {label: cell["rank"] for (label, _), cell in found.items()}
    assert ranks == {"opqn": 1, "dpq": 1, "gpq": 2, "dcdh": 0, "float": 0}


def test_a_single_method_is_not_called_best(make):
    assert table(make.full(["opqn"]))["opqn", 16]["rank"] == 0


def test_where_less_is_better_the_smallest_is_best(make):
    evals = [
        make.evaluation(method=m, extra=[Score("empty_ball_rate", v, 2, "", "expected", "hamming")])
        for m, v in (("dcdh", 0.1), ("csq", 0.4))
    ]
    found = table(make.records(evals), "empty_ball_rate@2")
    assert found["dcdh", 16]["rank"] == 1


def test_missing_cells_say_why(make):
    evals = [
        make.evaluation(method="opqn", bits=16, seed=0),
        make.evaluation(method="gpq", bits=24, seed=0),
    ]
    trains = [
        make.training("diverged", "loss is not finite", method="opqn", bits=16, seed=1),
        make.training("skipped", "no", method="gpq", bits=16, seed=0),
        make.training("skipped", "no", method="gpq", bits=16, seed=1),
    ]
    found = table(make.records(evals, trains))
    assert found["opqn", 16]["note"] == "seed 1 diverged: loss is not finite"
    assert found["gpq", 16]["note"] == "skipped: no"
    assert found["opqn", 24]["note"] == "not run"
    assert found["gpq", 24]["note"] == ""


def test_a_record_without_the_metric_says_so(make):
    precision = Score("precision", 0.3, 10, "k", "expected", "adc")
    evals = [make.evaluation(extra=[precision]), make.evaluation(bits=24)]
    found = table(make.records(evals), "precision@10")
    assert found["opqn", 16]["mean"] == 0.3
    assert found["opqn", 24]["note"] == "no precision@10 is stored"


def test_the_other_comparison_has_cells_of_its_own(make):
    extra = [Score("mAP", 0.2, 0, "relevant", "expected", "sdc")]
    records = make.records([make.evaluation(0.5, extra=extra), make.evaluation(method="dcdh")])
    assert table(records)["opqn", 16]["mean"] == 0.5
    other = table(records, secondary=True)
    assert other["opqn", 16]["mean"] == 0.2
    assert set(other) == {("opqn", 16)}


def test_an_unknown_metric_offers_the_nearest(make):
    with pytest.raises(UsageError, match=r"unknown metric 'mPA': did you mean 'mAP'\?"):
        check_metric(Metric.parse("mPA"), make.records([make.evaluation()]))
    with pytest.raises(UsageError, match="name@cutoff, got 'mAP@x'"):
        Metric.parse("mAP@x")


def test_every_score_is_in_the_long_frame(make):
    records = make.full(["opqn", "dcdh"])
    frame = scores_frame(records)
    assert len(frame) == sum(len(record.scores) for record in records.evals)
    first, record = frame.iloc[0], records.evals[0]
    assert (first["value"], first["run_id"]) == (record.scores[0].value, record.run_id)
    assert (first["excluded"], first["code_bytes"], first["split_digest"]) == (3, 2, make.split)
    assert set(frame["ties"]) == {"expected", "worst"}
    assert not frame.isna().any().any()


def test_health_timing_cost_and_training_are_long_too(make):
    frame = health_frame(make.full(["opqn"], (16,), (0,)))
    found = {(row["kind"], row["name"]): row["value"] for row in frame.to_dict("records")}
    assert found["health", "distinct_codes"] == 500.0
    assert found["timing", "score_seconds"] == 1.5
    assert found["training", "train_seconds"] == 12.0
    assert found["cost", "codebook_bytes"] == 1024
