"""MIHash: mutual information by its definition, and its sign."""

import math

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

from hashquant.methods.mihash import MIHash


def literal_loss(u, bins, slope=1.0):
    """Evaluate -H(D) + P⁺H(D|⁺) + P⁻H(D|⁻) query by query, bin by bin."""

    def entropy(p):
        return -sum(x * math.log2(x) for x in p if x > 0)

    phi = [[2 / (1 + math.exp(-slope * x)) - 1 for x in row] for row in u]
    n, q, told = len(u), len(u[0]), 0.0
    for i in range(n):
        counts = {True: [0.0] * (bins + 1), False: [0.0] * (bins + 1)}
        sizes = {True: 0, False: 0}
        for j in range(n):
            if i != j:
                same = LABELS[i] == LABELS[j]
                distance = (q - sum(a * b for a, b in zip(phi[i], phi[j], strict=True))) / 2
                sizes[same] += 1
                for b in range(bins + 1):
                    counts[same][b] += max(0.0, 1 - abs(distance - b * q / bins) / (q / bins))
        whole = [(a + b) / (n - 1) for a, b in zip(counts[True], counts[False], strict=True)]
        told += entropy(whole)
        for same, size in sizes.items():
            if size:
                told -= size / (n - 1) * entropy([x / size for x in counts[same]])
    return -told / n


@pytest.mark.parametrize("settings", [{}, {"bins": 5}, {"slope": 2.0}])
def test_loss_equals_the_definition(settings):
    head = build(MIHash, **settings)
    found = head.loss(rows(), batch())["information"].item()
    expected = literal_loss(ROWS, head.config.bins, head.config.slope)
    assert found == pytest.approx(expected, abs=1e-10)


def test_gradient_is_that_of_the_definition():
    u, step = rows(grad=True), 1e-6
    build(MIHash).loss(u, batch())["information"].backward()
    for i, k in [(0, 0), (1, 3), (3, 5), (5, 7)]:
        moved = []
        for sign in (1, -1):
            shifted = [row.copy() for row in ROWS]
            shifted[i][k] += sign * step
            moved.append(literal_loss(shifted, 16))
        slope = (moved[0] - moved[1]) / (2 * step)
        assert u.grad[i, k].item() == pytest.approx(slope, abs=1e-7)


def test_perfect_codes_cost_less_than_random_ones():
    head, labels = build(MIHash), torch.arange(40) % 5
    torch.manual_seed(0)
    perfect = torch.randn(5, 8).sign().double()[labels] * 20
    costs = [total(head.loss(u, batch(labels))) for u in (perfect, torch.randn(40, 8).double())]
    assert costs[0] < costs[1] < 0


def test_distances_at_the_ends_are_counted():
    labels = [0, 0, 1, 1]
    u = torch.tensor([[30.0], [30.0], [-30.0], [-30.0]]).repeat(1, 8).double()
    told = -build(MIHash).loss(u, batch(labels))["information"].item()
    third = 1 / 3
    assert told == pytest.approx(-third * math.log2(third) - 2 * third * math.log2(2 * third))
    assert finite_with_gradient(build(MIHash), u, batch(labels))


@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(labels):
    head = build(MIHash, classes=6)
    assert finite_with_gradient(head, rows(), batch(labels))
    assert head.loss(rows(), batch(labels))["information"].item() == pytest.approx(0, abs=1e-12)


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(MIHash))
