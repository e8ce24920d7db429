"""DSDH: pairs by their formula, and codes that no single bit can make better."""

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
    total,
)

from hashquant.methods.dsdh import DSDH
from hashquant.training.state import allocate

#: Here three bits of B are not the signs of U.
MOVING = {"class_weight": 1.0, "quantization_weight": 0.01, "ridge": 1.0}


def keeping(head, images=6):
    allocate(head, images, head.num_classes, torch.device("cpu"))
    return head


def literal_pairs(weights="none"):
    costs = {True: [], False: []}
    for i, a in enumerate(ROWS):
        for j, b in enumerate(ROWS):
            if i != j:
                theta, same = (
                    sum(x * y for x, y in zip(a, b, strict=True)) / 2,
                    LABELS[i] == LABELS[j],
                )
                costs[same].append(math.log1p(math.exp(theta)) - same * theta)
    if weights == "both":
        return (np.mean(costs[True]) + np.mean(costs[False])) / 2
    return np.mean(costs[True] + costs[False])


def literal_codes(config, sweeps=10):
    """Take each bit's better sign by the whole objective, written out."""
    U, Y = np.array(ROWS), np.eye(5)[LABELS]
    B = np.where(U > 0, 1.0, -1.0)
    W = np.linalg.inv(B.T @ B + config.ridge * np.eye(8)) @ B.T @ Y

    def objective(codes):
        read = ((Y - codes @ W) ** 2).sum()
        return config.class_weight * read + config.quantization_weight * ((codes - U) ** 2).sum()

    for _ in range(sweeps):
        for k in range(8):
            for i in range(6):
                other = B.copy()
                other[i, k] = -B[i, k]
                B = min(B, other, key=objective)
    return B


@pytest.mark.parametrize("weights", ["none", "both"])
@pytest.mark.parametrize("settings", [{}, MOVING])
def test_loss_equals_the_formulas(weights, settings):
    head = build(DSDH, weights=weights, **settings)
    found, codes = head.loss(rows(), batch()), literal_codes(head.config)
    error = ((np.array(ROWS) - codes) ** 2).sum() / 6
    assert found["pair"].item() == pytest.approx(literal_pairs(weights), abs=1e-10)
    expected = head.config.quantization_weight * error
    assert found["quantization"].item() == pytest.approx(expected, abs=1e-10)


def test_the_classifier_moves_codes_away_from_signs():
    codes = build(DSDH, **MOVING).discrete_codes(rows(), torch.tensor(LABELS)).numpy()
    np.testing.assert_array_equal(codes, literal_codes(DSDH.Config(**MOVING)))
    assert (codes != np.sign(ROWS)).sum() == 3


def test_codes_carry_no_gradient():
    head, u = build(DSDH, **MOVING), rows(grad=True)
    head.loss(u, batch())["quantization"].backward()
    codes = torch.tensor(literal_codes(head.config))
    torch.testing.assert_close(u.grad, 0.01 * 2 * (u.detach() - codes) / 6)


def test_the_bank_pairs_with_all_that_was_seen_and_nothing_else():
    head = keeping(build(DSDH, against="bank"), images=20)
    found = head.loss(rows(), batch())["pair"].item()
    assert found == pytest.approx(literal_pairs(), abs=1e-3)  # the bank holds 16 bits a value
    assert (head.state["labels"] >= 0).sum() == 6


def test_codes_of_an_epoch_are_kept_by_image():
    head = keeping(build(DSDH, codes="epoch", **MOVING))
    head.on_embeddings(rows(), torch.tensor(LABELS), 0)
    expected = build(DSDH, **MOVING).loss(rows(), batch())
    torch.testing.assert_close(head.loss(rows(), batch()), expected)
    assert head.wants_embeddings(0, 5)
    assert not build(DSDH).wants_embeddings(0, 5)


def test_hidden_labels_leave_signs_as_codes():
    head = keeping(build(DSDH, codes="epoch", **MOVING))
    head.on_embeddings(rows(), torch.full((6,), -1), 0)
    np.testing.assert_array_equal(head.state["codes"].numpy(), np.sign(ROWS))


@pytest.mark.parametrize("against", ["batch", "bank"])
@pytest.mark.parametrize("weights", ["none", "both"])
@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(against, weights, labels):
    head = keeping(build(DSDH, classes=6, against=against, weights=weights))
    assert finite_with_gradient(head, rows(), batch(labels))


@pytest.mark.parametrize("against", ["batch", "bank"])
def test_unlabelled_rows_are_left_out(against):
    assert same_with_unlabelled_rows(keeping(build(DSDH, against=against), images=8))


def test_right_labels_cost_less():
    head = build(DSDH)
    same = torch.tensor(ROWS)[[0, 1, 3, 3, 4, 0]].double().sign()
    costs = [total(head.loss(same, batch(labels))) for labels in (LABELS, [0, 0, 1, 1, 4, 4])]
    assert costs[0] < costs[1]
