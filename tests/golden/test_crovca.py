"""CroVCA: bits predicted from the class's mean, and the coding rate, by their formulas."""

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

from hashquant.methods.crovca import CroVCA

SECOND = [[0.8 * x - 0.3 for x in row] for row in ROWS]


def literal_alignment(z, other):
    loss = 0.0
    for row, label in zip(z, LABELS, strict=True):
        own = [r for r, y in zip(other, LABELS, strict=True) if y == label]
        for k, value in enumerate(row):
            p = 1 / (1 + math.exp(-value))
            loss -= math.log(p if sum(r[k] for r in own) / len(own) > 0 else 1 - p)
    return loss / 48


def literal_rate(z):
    unit = np.array(z) / np.linalg.norm(z, axis=1, keepdims=True)
    m, q = unit.shape
    inner = np.eye(q) + q / (m * 0.05) * unit.T @ unit
    return (q + m) / (q * m) * 0.5 * math.log(np.linalg.det(inner))


def test_one_view_is_aligned_with_its_own_class_means():
    found = build(CroVCA).loss(rows(), batch())
    assert found["alignment"].item() == pytest.approx(literal_alignment(ROWS, ROWS), abs=1e-10)
    assert found["coding_rate"].item() == pytest.approx(-0.1 * literal_rate(ROWS), abs=1e-10)


def test_two_views_are_aligned_with_each_other():
    second = torch.tensor(SECOND, dtype=torch.float64)
    found = build(CroVCA, two_views=True).loss(rows(), batch(second=second))
    aligned = (literal_alignment(ROWS, SECOND) + literal_alignment(SECOND, ROWS)) / 2
    rate = (literal_rate(ROWS) + literal_rate(SECOND)) / 2
    assert found["alignment"].item() == pytest.approx(aligned, abs=1e-10)
    assert found["coding_rate"].item() == pytest.approx(-0.1 * rate, abs=1e-10)


def test_targets_carry_no_gradient():
    z = rows(grad=True)
    build(CroVCA).loss(z, batch())["alignment"].backward()
    own = torch.tensor(LABELS)[:, None] == torch.tensor(LABELS)
    target = (own.double() @ z.detach() > 0).double()
    torch.testing.assert_close(z.grad, (z.detach().sigmoid() - target) / 48)


def test_a_collapsed_batch_has_the_least_coding_rate():
    head, same = build(CroVCA), rows()[:1].repeat(6, 1)
    rates = [head.loss(z, batch())["coding_rate"] for z in (rows(), same)]
    assert rates[0] < rates[1]


def test_views_are_asked_for_by_a_setting():
    assert build(CroVCA).views == ()
    assert [view.crop for view in build(CroVCA, two_views=True).views] == [0.4, 0.4]


@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(labels):
    assert finite_with_gradient(build(CroVCA, classes=6), rows(), batch(labels))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(CroVCA))
    second = torch.cat([rows(), 2 * rows()[:2]])
    assert same_with_unlabelled_rows(build(CroVCA, two_views=True), second=second)
