"""Evaluation: which scores are taken, what is excluded, what each query keeps."""

import time
import weakref

import numpy as np
import pytest
import torch

import hashquant.search.evaluation
from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.errors import HashQuantError
from hashquant.search.evaluation import evaluate
from hashquant.search.exhaustive import Gallery, hamming_groups, table_groups

BITS = CodeBudget(16)


def codes(n, seed):
    return pack_bits(torch.rand(n, 16, generator=torch.Generator().manual_seed(seed)) > 0.5)


def examined(queries=6, items=30, classes=3, extra=0, budget=BITS):
    """Evaluate random codes; `extra` queries have a class the gallery does not hold."""
    wanted = torch.arange(queries) % classes
    wanted[queries - extra :] = 99
    gallery = Gallery(codes(items, 1), torch.arange(items) % classes, budget)
    if budget.subspaces:
        tables = torch.randn(queries, 2, 256, generator=torch.Generator().manual_seed(2))
        groups = table_groups(tables, wanted, gallery, larger_is_closer=True)
        return evaluate(groups, "adc")
    return evaluate(hamming_groups(codes(queries, 2), wanted, gallery), "hamming")


def named(evaluation):
    return {(s.metric, s.cutoff, s.ties): s.value for s in evaluation.scores}


def test_scores_of_binary_codes():
    found = named(examined(items=2000))
    assert list(found) == [
        ("mAP", 0, "expected"), ("mAP", 0, "best"), ("mAP", 0, "worst"),
        ("mAP", 100, "expected"), ("mAP", 1000, "expected"),
        *(("precision", k, "expected") for k in (1, 5, 10, 50, 100)),
        *(("recall", k, "expected") for k in (1, 10, 100)),
        ("tied-pairs", 0, "expected"), ("precision-radius2", 0, "expected"),
        ("recall-radius2", 0, "expected"), ("empty-ball-rate", 0, "expected"),
    ]  # fmt: skip
    assert found["mAP", 0, "worst"] < found["mAP", 0, "expected"] < found["mAP", 0, "best"]
    assert all(0 <= value <= 1 for value in found.values())


def test_product_codes_have_no_radius_and_cutoffs_beyond_the_gallery_are_left_out():
    evaluation = examined(budget=CodeBudget(16, 2, 256))
    metrics = {(s.metric, s.cutoff) for s in evaluation.scores}
    assert not any("radius" in metric for metric, _ in metrics)
    assert max(cutoff for _, cutoff in metrics) == 10
    assert {s.comparison for s in evaluation.scores} == {"adc"}


def test_denominators_are_named():
    wanted = {("mAP", 0): "relevant", ("mAP", 100): "min(R,relevant)", ("precision", 5): "k"}
    for score in examined(items=200).scores:
        assert score.denominator == wanted.get((score.metric, score.cutoff), score.denominator)
        assert score.denominator


def test_queries_without_relevant_items_are_excluded_and_counted():
    plain, more = examined(queries=4), examined(queries=6, extra=2)
    assert (plain.queries, plain.excluded) == (4, 0)
    assert (more.queries, more.excluded) == (6, 2)
    assert named(plain) == named(more)
    assert plain.curve == more.curve
    assert np.isnan(more.per_query["ap"]).tolist() == [False] * 4 + [True] * 2
    assert more.per_query["relevant"].tolist() == [10] * 4 + [0] * 2


def test_per_query_values_give_the_means():
    evaluation = examined(queries=7)
    found = named(evaluation)
    assert evaluation.per_query["ap"].mean() == found["mAP", 0, "expected"]
    assert evaluation.per_query["precision@1"].mean() == found["precision", 1, "expected"]


def test_the_curve_ends_at_full_recall():
    curve = examined(items=30).curve
    assert curve.ranks[:10] == tuple(range(1, 11))
    assert curve.ranks[-1] == 30
    assert curve.recall[-1] == pytest.approx(1, abs=1e-15)
    assert curve.precision[-1] == pytest.approx(1 / 3, abs=1e-15)
    assert all(a <= b + 1e-15 for a, b in zip(curve.recall, curve.recall[1:], strict=False))


def test_of_large_chunks_no_two_are_held(monkeypatch):
    monkeypatch.setattr(hashquant.search.evaluation, "ALONE", 0)
    gallery = Gallery(codes(40, 1), torch.arange(40) % 2, BITS)
    held = []

    def gone():
        deadline = time.monotonic() + 5
        while any(chunk() for chunk in held) and time.monotonic() < deadline:
            time.sleep(0.001)  # the thread that measured may hold its task a moment longer
        return not any(chunk() for chunk in held)

    def chunks():
        for query in torch.split(codes(8, 2), 2):
            assert gone()
            made = list(hamming_groups(query, torch.arange(2), gallery))
            held.append(weakref.ref(made[0]))
            yield made.pop()

    assert evaluate(chunks(), "hamming").queries == 8
    assert len(held) == 4


def test_nothing_to_evaluate_is_refused():
    with pytest.raises(HashQuantError, match="at least one query"):
        evaluate(iter(()), "hamming")
    with pytest.raises(HashQuantError, match="no query has a relevant item"):
        examined(queries=2, extra=2)
