"""DFH: pairs with a margin, codes drawn to centres, and centres moved class by class."""

import math

import numpy as np
import pytest
import torch
from golden.sixrows import (
    LABELS,
    ROWS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
)

from hashquant.methods.dfh import DFH
from hashquant.training.state import allocate


def with_centers(head):
    torch.manual_seed(1)
    head.centers.copy_(torch.randn(head.centers.shape).sign())
    return head


def sign(x):
    return 1.0 if x > 0 else -1.0


def literal_pairs(margin, weights="none"):
    costs = {True: [], False: []}
    for i, a in enumerate(ROWS):
        for j, b in enumerate(ROWS):
            if i != j:
                theta = sum(x * y for x, y in zip(a, b, strict=True)) / 2
                same = LABELS[i] == LABELS[j]
                cost = math.log1p(math.exp(theta)) - theta if same else math.log1p(math.exp(theta))
                if margin:
                    cost = math.log1p(math.exp(margin - theta if same else margin + theta))
                costs[same].append(cost)
    if weights == "both":
        return (np.mean(costs[True]) + np.mean(costs[False])) / 2
    return np.mean(costs[True] + costs[False])


def literal_codes(centers, mu):
    return [[sign(mu * c + u) for c, u in zip(centers[label], row, strict=True)]
            for label, row in zip(LABELS, ROWS, strict=True)]  # fmt: skip


@pytest.mark.parametrize("margin", [0.0, 1.0])
@pytest.mark.parametrize("weights", ["none", "both"])
@pytest.mark.parametrize("mu", [1.0, 0.1])
def test_loss_equals_the_formulas(margin, weights, mu):
    head = with_centers(build(DFH, margin=margin, weights=weights, center_weight=mu))
    codes = np.array(literal_codes(head.centers.tolist(), mu))
    found = head.loss(rows(), batch())
    assert found["pair"].item() == pytest.approx(literal_pairs(margin, weights), abs=1e-10)
    expected = 0.5 * ((codes - np.array(ROWS)) ** 2).mean()
    assert found["quantization"].item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("push", [1.0, 0.25])
def test_centres_move_class_by_class_and_absent_ones_stay(push):
    head = with_centers(build(DFH, push_weight=push))
    before = head.centers.tolist()
    codes, centers = literal_codes(before, 1.0), [row.copy() for row in before]
    for c in sorted(set(LABELS)):
        others = [centers[d] for d in range(5) if d != c]
        centers[c] = [
            sign(sum(code[k] for code, y in zip(codes, LABELS, strict=True) if y == c)
                 - push * sum(other[k] for other in others))
            for k in range(8)
        ]  # fmt: skip
    head.loss(rows(), batch())
    assert head.centers.tolist() == centers
    assert centers[3] == before[3]
    assert centers != before


def test_centres_stay_where_nothing_is_learned():
    head = with_centers(build(DFH)).eval()
    before = head.centers.clone()
    head.loss(rows(), batch())
    assert torch.equal(head.centers, before)


def test_a_class_that_was_never_met_pulls_nothing():
    head = build(DFH)
    error = head.loss(rows(), batch())["quantization"].item()
    assert error == pytest.approx(0.5 * np.mean((np.abs(ROWS) - 1) ** 2), abs=1e-10)
    assert not head.centers[3].any()
    assert set(head.hash_centers.flatten().tolist()) == {-1.0, 1.0}


def test_the_bank_pairs_with_all_that_was_seen_and_nothing_else():
    head = build(DFH, against="bank")
    allocate(head, 20, 5, torch.device("cpu"))
    found = head.loss(rows(), batch())["pair"].item()
    assert found == pytest.approx(literal_pairs(0.0), abs=1e-3)  # the bank holds 16 bits a value


@pytest.mark.parametrize("weights", ["none", "both"])
@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(weights, labels):
    head = build(DFH, classes=6, weights=weights)
    assert all(finite_with_gradient(head, rows(), batch(labels)) for _ in range(2))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(DFH).eval())
