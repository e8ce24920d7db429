"""Bi-half: the halves by sorting each bit, and the gradient of the layer's own backward pass."""

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

from hashquant.methods.bihalf import BiHalf, half_signs


def literal_halves(u):
    """Return +1 for the upper half of each column and -1 for the lower, by sorting it."""
    found = [[0.0] * len(u[0]) for _ in u]
    for k in range(len(u[0])):
        order = sorted(range(len(u)), key=lambda i: u[i][k])
        for rank, i in enumerate(order):
            found[i][k] = 1.0 if rank >= len(u) / 2 else -1.0
    return found


def test_loss_and_gradient_equal_the_layers():
    head, u = build(BiHalf), rows(grad=True)
    codes = literal_halves(rows().tolist())
    loss, slope = cross_entropy(head.classify, codes, LABELS)
    found = head.loss(u, batch())
    total(found).backward()
    off = sum(
        (a - b) ** 2 for row, code in zip(rows().tolist(), codes, strict=True)
        for a, b in zip(row, code, strict=True)
    )  # fmt: skip
    expected = {"class": loss, "half": 3 * off / 48}
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, abs=1e-10)
    # g + gamma (u - b) / (B q), as the backward pass of the layer
    given, b = (torch.tensor(values, dtype=u.dtype) for values in (slope, codes))
    torch.testing.assert_close(u.grad, given + 6 * (rows() - b) / 48, rtol=0, atol=1e-10)


def test_halves_of_an_even_batch_are_equal_and_an_odd_ones_middle_has_its_sign():
    assert half_signs(rows() + 9).sum(dim=0).tolist() == [0] * 8
    assert half_signs(rows()[:5] + 9).sum(dim=0).tolist() == [1] * 8
    assert half_signs(rows()[:5] - 9).sum(dim=0).tolist() == [-1] * 8
    assert half_signs(torch.zeros(4, 1)).tolist() == [[-1], [-1], [1], [1]]


def test_in_evaluation_mode_and_without_halves_bits_are_signs():
    signs = torch.where(rows() > 0, 1.0, -1.0).tolist()
    for head in (build(BiHalf).eval(), build(BiHalf, halves=False)):
        loss, _ = cross_entropy(head.classify, signs, LABELS)
        assert head.loss(rows(), batch())["class"].item() == pytest.approx(loss, abs=1e-10)


def test_without_gamma_there_is_one_term():
    assert list(build(BiHalf, gamma=0.0).loss(rows(), batch())) == ["class"]


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5], [5]])
def test_loss_is_finite_with_one_class_and_with_one_image_a_class(labels):
    head = build(BiHalf, classes=6)
    assert finite_with_gradient(head, rows()[: len(labels)], batch(labels))


def test_unlabelled_rows_are_not_ranked():
    assert same_with_unlabelled_rows(build(BiHalf))


def test_standardised_values_are_cut_at_their_mean():
    values = build(BiHalf, std=True).float()(rows().float() + 3)
    torch.testing.assert_close(values.mean(dim=0), torch.zeros(8))
