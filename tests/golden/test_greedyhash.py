"""GreedyHash: the loss on exact signs, and the gradient that passes them."""

import pytest
import torch
from golden.classified import cross_entropy
from golden.sixrows import (
    LABELS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)

from hashquant.methods.greedyhash import GreedyHash, straight_signs


def literal(head, embedding, labels):
    """Return both terms and the gradient for h, image by image and bit by bit."""
    h, alpha, count = embedding.tolist(), head.config.cubic_weight, embedding.numel()
    codes = [[1.0 if value > 0 else -1.0 for value in row] for row in h]
    loss, slope = cross_entropy(head.classify, codes, labels)
    cubic = 0.0
    for i, row in enumerate(h):
        for k, value in enumerate(row):
            off = abs(value) - 1
            cubic += alpha * abs(off) ** 3 / count
            slope[i][k] += 3 * alpha * off * abs(off) * codes[i][k] / count
    return {"class": loss, "cubic": cubic}, slope


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_loss_and_gradient_equal_the_formulas(alpha):
    head, h = build(GreedyHash, cubic_weight=alpha), rows(grad=True)
    expected, slope = literal(head, rows(), LABELS)
    found = head.loss(h, batch())
    total(found).backward()
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, abs=1e-10)
    torch.testing.assert_close(h.grad, torch.tensor(slope, dtype=h.dtype), rtol=0, atol=1e-10)
    assert head.classify.bias is None


def test_signs_are_exact_however_large_the_values_and_cut_as_codes_are():
    h = torch.tensor([3e8, -3e8, 1e-30, 0.0, 0.3])
    assert straight_signs(h).tolist() == [1, -1, 1, -1, 1]


def test_without_the_cubic_term_there_is_one_term():
    assert list(build(GreedyHash, cubic_weight=0.0).loss(rows(), batch())) == ["class"]


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5], [5]])
def test_loss_is_finite_with_one_class_and_with_one_image_a_class(labels):
    head = build(GreedyHash, classes=6)
    assert finite_with_gradient(head, rows()[: len(labels)], batch(labels))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(GreedyHash))
