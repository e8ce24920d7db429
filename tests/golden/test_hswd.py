"""HSWD: each bit against sorted bits, on either host."""

import itertools
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

from hashquant.methods.hswd import HSWD


def least_cost(column, target):
    """Return the least mean squared distance over all assignments of values to bits."""
    return min(
        sum((u - r) ** 2 for u, r in zip(column, order, strict=True)) / len(column)
        for order in set(itertools.permutations(target))
    )


def literal_quantization(targets):
    columns = zip(*ROWS, strict=True)
    return np.mean([least_cost(c, t) for c, t in zip(columns, targets, strict=True)])


def literal_hashnet(alpha, beta):
    h = np.tanh(beta * np.array(ROWS))
    costs = {True: [], False: []}
    for i, j in itertools.permutations(range(6), 2):
        theta, same = alpha * float(h[i] @ h[j]), LABELS[i] == LABELS[j]
        costs[same].append(math.log1p(math.exp(theta)) - same * theta)
    return (np.mean(costs[True]) + np.mean(costs[False])) / 2


def test_half_the_values_of_a_bit_go_to_either_side():
    found = build(HSWD, target="half").loss(rows(), batch())["quantization"].item()
    expected = literal_quantization([[-1, -1, -1, 1, 1, 1]] * 8)
    assert found == pytest.approx(0.1 * expected, abs=1e-10)


def test_random_bits_are_matched_at_the_least_cost():
    head = build(HSWD)
    torch.manual_seed(3)
    drawn = 2 * torch.randint(2, (6, 8)) - 1
    torch.manual_seed(3)
    found = head.loss(rows(), batch())["quantization"].item()
    expected = literal_quantization(drawn.T.tolist())
    assert found == pytest.approx(0.1 * expected, abs=1e-10)


@pytest.mark.parametrize(("step", "beta"), [(0, 1.0), (9, 1.0), (10, math.sqrt(2)), (99, 10**0.5)])
def test_pairs_are_those_of_hashnet_with_growing_beta(step, beta):
    found = build(HSWD).loss(rows(), batch(step=step, steps=100))["pair"].item()
    assert found == pytest.approx(literal_hashnet(0.1, beta), abs=1e-10)


def test_classifier_reads_the_raw_values():
    head = build(HSWD, host="cehash")
    logits = np.array(ROWS) @ head.classify.weight.detach().numpy().T
    logits += head.classify.bias.detach().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    found = head.loss(rows(), batch())["class"].item()
    assert found == pytest.approx(-log_p[range(6), LABELS].mean(), abs=1e-10)


def test_perfect_halves_cost_nothing():
    u = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])[:, None].repeat(1, 8).double()
    assert build(HSWD, target="half").loss(u, batch())["quantization"].item() == 0


@pytest.mark.parametrize("host", ["hashnet", "cehash"])
@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(host, labels):
    assert finite_with_gradient(build(HSWD, classes=6, host=host), rows(), batch(labels))


@pytest.mark.parametrize("host", ["hashnet", "cehash"])
def test_unlabelled_rows_are_left_out(host):
    assert same_with_unlabelled_rows(build(HSWD, host=host, target="half"))
