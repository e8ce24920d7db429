"""DSH: the loss in plain loops, each pair once."""

import pytest
import torch

from hashquant.errors import UsageError
from hashquant.methods.dsh import DSH
from hashquant.settings.reading import check
from tests.golden.pairs import (
    BITS,
    LABELS,
    batch,
    build,
    finite_in_every_case,
    gradient,
    pairs,
    rows,
    unlabelled_rows_change_nothing,
    weigh,
)


def literal(config, h):
    n, total = len(h), 0.0
    for i, j, same in pairs():
        if i < j:
            d2 = sum((x - y) ** 2 for x, y in zip(h[i], h[j], strict=True))
            cost = d2 if same else max(config.margin * BITS - d2, 0)
            total += weigh(same, config.weights) * cost
    binary = sum(abs(abs(x) - 1) for row in h for x in row) / n
    return total / (n * (n - 1)), config.regularization * binary


@pytest.mark.parametrize("settings", [{}, {"margin": 1.0, "weights": "both"}])
def test_loss_and_gradient_equal_the_formula(settings):
    head, h = build(DSH, **settings), rows()
    terms = head.loss(h, batch(LABELS))
    for found, value in zip(terms.values(), literal(head.config, h.tolist()), strict=True):
        assert found.item() == pytest.approx(value, rel=1e-10)
    sum(terms.values()).backward()
    expected = gradient(lambda rows: sum(literal(head.config, rows)), h)
    torch.testing.assert_close(h.grad, expected, atol=1e-7, rtol=1e-6)


def test_codes_of_two_classes_half_the_bits_apart_cost_nothing():
    codes = torch.tensor([[1.0, 1, 1, 1], [1.0, 1, -1, -1]], dtype=torch.float64)
    head = DSH(DSH.Config(), DSH.budget_for(DSH.Config(), 4), 8, 4)
    assert [term.item() for term in head.loss(codes, batch([0, 1])).values()] == [0, 0]
    assert head.loss(codes, batch([0, 0]))["pair"].item() == 4  # half of 8


def test_traps():
    for settings in ({}, {"regularization": 0.0}, {"weights": "positives"}):
        assert finite_in_every_case(build(DSH, **settings))
        assert unlabelled_rows_change_nothing(build(DSH, **settings))
    with pytest.raises(UsageError, match="weights"):
        check(DSH.Config(weights="all"), "")
