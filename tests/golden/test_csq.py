"""CSQ: the loss by its formulas, in probabilities as the paper writes them."""

import math

import pytest
import torch
from golden.sixrows import (
    LABELS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)

from hashquant.methods.csq import CSQ


def literal_loss(head, embedding, labels):
    """Evaluate the three terms with loops over images, bits and pairs."""
    h = [[math.tanh(z) for z in row] for row in embedding.tolist()]
    centres, n, q = head.centers.tolist(), len(h), head.budget.bits
    center = quantization = pair = 0.0
    for row, label in zip(h, labels, strict=True):
        for value, bit in zip(row, centres[label], strict=True):
            p, t = (value + 1) / 2, (bit + 1) / 2
            center -= (t * math.log(p) + (1 - t) * math.log(1 - p)) / (n * q)
            quantization += (abs(value) - 1) ** 2 / (n * q)
    for i in range(n):
        for j in range(n):
            if i != j:
                theta = 10 / q * sum(a * b for a, b in zip(h[i], h[j], strict=True))
                s = labels[i] == labels[j]
                pair += (math.log(1 + math.exp(theta)) - s * theta) / (n * (n - 1))
    weights = head.config.pair_weight, head.config.quantization_weight
    return {"center": center, "pair": weights[0] * pair, "quantization": weights[1] * quantization}


@pytest.mark.parametrize("centers", ["hadamard", "bernoulli", "code"])
def test_loss_equals_the_formulas(centers):
    head = build(CSQ, centers=centers, pair_weight=0.2)
    found = head.loss(rows(), batch())
    assert {k: v.item() for k, v in found.items()} == pytest.approx(
        literal_loss(head, rows(), LABELS), abs=1e-10
    )


def test_gradient_of_the_center_term_is_probability_less_target():
    head, z = build(CSQ, quantization_weight=0.0), rows(grad=True)
    total(head.loss(z, batch())).backward()
    expected = 2 * (torch.sigmoid(2 * z) - (head.centers[LABELS] + 1) / 2) / z.numel()
    torch.testing.assert_close(z.grad, expected.detach(), rtol=0, atol=1e-10)


def test_terms_of_weight_nought_are_not_reported():
    assert list(build(CSQ).loss(rows(), batch())) == ["center", "quantization"]
    assert list(build(CSQ, quantization_weight=0.0).loss(rows(), batch())) == ["center"]


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5], [5]])
def test_loss_is_finite_without_positive_or_negative_pairs(labels):
    head = build(CSQ, classes=6, pair_weight=0.2)
    assert finite_with_gradient(head, rows()[: len(labels)], batch(labels))


def test_loss_is_finite_where_tanh_is_one():
    head = build(CSQ).float()
    assert finite_with_gradient(head, 60 * rows().float(), batch())


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(CSQ, pair_weight=0.2))


def test_the_head_has_two_hidden_layers_and_fixed_centres():
    head = build(CSQ, bits=24, features=12, trunk_rate=0.01)
    shapes = {name: tuple(weight.shape) for name, weight in head.named_parameters()}
    assert [shape for name, shape in shapes.items() if "weight" in name] == [
        (12, 12), (12, 12), (24, 12),
    ]  # fmt: skip
    assert torch.equal(head.hash_centers @ head.hash_centers.T, 24 * torch.eye(5).double())
    assert (head.rate_factors, build(CSQ).rate_factors) == ({"trunk": 0.01}, {})
