"""DDQH: divide-and-encode unit by unit, the loss by its formulas, and what each switch changes."""

import pytest
from golden.classified import cross_entropy
from golden.sixrows import (
    LABELS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
)

from hashquant.methods.ddqh import DDQH, Divide


def literal_loss(head, h, labels):
    loss, _ = cross_entropy(head.classify, h.tolist(), labels)
    off = sum(abs(abs(value) - 1) for row in h.tolist() for value in row)
    return {"class": loss, "quantization": head.config.quantization_weight * off / h.numel()}


def test_loss_equals_the_formulas():
    head, h = build(DDQH), rows().tanh()
    found = {name: term.item() for name, term in head.loss(h, batch()).items()}
    assert found == pytest.approx(literal_loss(head, h, LABELS), abs=1e-10)


def test_each_bit_is_a_sum_of_four_units_of_its_own():
    layer = Divide(2).double()
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    for units, found in zip(rows().tolist(), layer(rows()).tolist(), strict=True):
        for bit in range(2):
            mine = units[4 * bit : 4 * bit + 4]
            expected = sum(a * b for a, b in zip(mine, weight[bit], strict=True)) + bias[bit]
            assert found[bit] == pytest.approx(expected, abs=1e-10)


def layers(**settings):
    return [type(layer).__name__ for layer in build(DDQH, **settings).hash]


def test_switches_change_one_layer_each():
    block = ["Linear", "BatchNorm1d", "ReLU"]
    assert layers() == [*block, "Divide", "BatchNorm1d", "Tanh"]
    assert layers(bnq=False) == [*block, "Divide", "Tanh"]  # DDH
    assert layers(divide=False) == [*block, "Linear", "BatchNorm1d", "Tanh"]


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5], [5]])
def test_loss_is_finite_with_one_class_and_with_one_image_a_class(labels):
    head = build(DDQH, classes=6)
    assert finite_with_gradient(head, rows()[: len(labels)].tanh(), batch(labels))


def test_loss_is_finite_where_tanh_is_one():
    assert finite_with_gradient(build(DDQH).float(), rows().float().sign(), batch())


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(DDQH))
