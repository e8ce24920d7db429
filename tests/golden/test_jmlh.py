"""JMLH: the loss of bits drawn by their probabilities, and the gradient that goes to these."""

import math

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

from hashquant.errors import UsageError
from hashquant.methods.jmlh import JMLH
from hashquant.settings.reading import check


def literal(head, embedding, labels, thresholds):
    """Return both terms and the gradient for z, image by image and bit by bit."""
    n, scale = len(labels), head.config.divergence_weight
    p = [[1 / (1 + math.exp(-z)) for z in row] for row in embedding.tolist()]
    codes = [
        [float(a > t) for a, t in zip(row, limits, strict=True)]
        for row, limits in zip(p, thresholds, strict=True)
    ]
    loss, slope = cross_entropy(head.classify, codes, labels)
    divergence = 0.0
    for i, row in enumerate(p):
        for k, a in enumerate(row):
            divergence += scale * (a * math.log(2 * a) + (1 - a) * math.log(2 * (1 - a))) / n
            slope[i][k] = a * (1 - a) * (slope[i][k] + scale * math.log(a / (1 - a)) / n)
    return {"class": loss, "divergence": divergence}, slope


def larger_weights(**settings):
    head = build(JMLH, **settings)
    torch.nn.init.normal_(head.classify.weight)
    return head


@pytest.mark.parametrize("threshold", ["drawn", "half"])
def test_loss_and_gradient_equal_the_formulas(threshold):
    head, z = larger_weights(threshold=threshold, divergence_weight=0.2), rows(grad=True)
    torch.manual_seed(5)
    drawn = torch.rand_like(rows()).tolist() if threshold == "drawn" else [[0.5] * 8] * 6
    expected, slope = literal(head, rows(), LABELS, drawn)
    torch.manual_seed(5)
    found = head.loss(z, batch())
    total(found).backward()
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, abs=1e-10)
    torch.testing.assert_close(z.grad, torch.tensor(slope, dtype=z.dtype), rtol=0, atol=1e-10)


def test_in_evaluation_mode_bits_are_the_codes_and_nothing_is_drawn():
    head = larger_weights().eval()
    state = torch.get_rng_state()
    found = {name: term.item() for name, term in head.loss(rows(), batch()).items()}
    assert torch.equal(state, torch.get_rng_state())
    expected, _ = literal(head, rows(), LABELS, [[0.5] * 8] * 6)
    assert found == pytest.approx(expected, abs=1e-10)


def test_divergence_is_finite_where_probabilities_are_rounded_to_0_and_1():
    head = build(JMLH).float()
    assert finite_with_gradient(head, 500 * rows().float(), batch())
    term = head.loss(500 * rows().float(), batch())["divergence"]
    assert term.item() == pytest.approx(0.1 * 8 * math.log(2), rel=1e-6)


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5], [5]])
def test_loss_is_finite_with_one_class_and_with_one_image_a_class(labels):
    head = build(JMLH, classes=6)
    assert finite_with_gradient(head, rows()[: len(labels)], batch(labels))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(JMLH, threshold="half"))


def test_without_the_divergence_there_is_one_term_and_unknown_thresholds_are_refused():
    assert list(build(JMLH, divergence_weight=0.0).loss(rows(), batch())) == ["class"]
    with pytest.raises(UsageError, match="threshold"):
        check(JMLH.Config(threshold="0.5"), "")
