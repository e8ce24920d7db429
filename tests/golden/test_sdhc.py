"""SDH-C: the four terms by their formulas."""

import numpy as np
import pytest
import torch
from golden.sixrows import (
    LABELS,
    ROWS,
    batch,
    build,
    finite_with_gradient,
    same_with_unlabelled_rows,
)
from golden.sixrows import rows as raw

from hashquant.methods.sdhc import SDHC


def rows():
    return raw().tanh()


def literal_loss(head):
    u = np.tanh(ROWS)
    logits = u @ head.classify.weight.detach().numpy().T + head.classify.bias.detach().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    W = head.hash.weight.detach().numpy()
    return {
        "class": -np.mean([log_p[i, label] for i, label in enumerate(LABELS)]),
        "quantization": 1e-3 * np.mean((u - np.sign(u)) ** 2),
        "variance": -1e-3 * np.trace(u.T @ u) / 2 / 8 / 6,
        "independence": 1e-3 * np.mean((W @ W.T - np.eye(8)) ** 2),
    }


def test_loss_equals_the_formulas():
    head = build(SDHC)
    found, expected = head.loss(rows(), batch()), literal_loss(head)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, abs=1e-10), name


def test_independent_rows_cost_nothing_where_equal_ones_do():
    head = build(SDHC)
    with torch.no_grad():
        head.hash.weight.copy_(torch.eye(8))
        best = head.loss(rows(), batch())["independence"].item()
        head.hash.weight.copy_(torch.eye(8)[:1].expand(8, 8))
        equal = head.loss(rows(), batch())["independence"].item()
    assert best == 0
    assert equal > 0


@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(labels):
    assert finite_with_gradient(build(SDHC, classes=6), rows(), batch(labels))
    assert finite_with_gradient(build(SDHC, classes=1), rows(), batch([0] * 6))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(SDHC))
