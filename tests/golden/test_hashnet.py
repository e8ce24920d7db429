"""HashNet: the loss in plain loops, with both readings of alpha, and beta's growth."""

import math

import pytest
import torch

from hashquant.errors import UsageError
from hashquant.methods.hashnet import HashNet
from hashquant.settings.reading import check
from tests.golden.pairs import (
    BITS,
    LABELS,
    batch,
    build,
    dot,
    finite_in_every_case,
    gradient,
    pairs,
    rows,
    unlabelled_rows_change_nothing,
    weigh,
)


def literal(head, z, beta, kind, alpha=10 / BITS):
    h = [[math.tanh(beta * x) for x in row] for row in z]
    total = share = 0.0
    for i, j, same in pairs():
        theta, w = alpha * dot(h[i], h[j]), weigh(same, kind)
        total += w * (math.log1p(math.exp(theta)) - same * theta)
        share += w
    return total / share


@pytest.mark.parametrize("kind", ["both", "positives", "none"])
@pytest.mark.parametrize("step", [0, 7])
def test_loss_and_gradient_equal_the_formula(kind, step):
    head, z = build(HashNet, weights=kind), rows()
    beta = math.sqrt(1 + 0.005 * 10000 * step / 20)
    found = head.loss(z, batch(LABELS, step=step, steps=20))["pair"]
    assert found.item() == pytest.approx(literal(head, z.tolist(), beta, kind), rel=1e-10)
    found.backward()
    expected = gradient(lambda rows: literal(head, rows, beta, kind), z)
    torch.testing.assert_close(z.grad, expected, atol=1e-7, rtol=1e-6)


def test_alpha_of_the_ports_is_a_setting():
    head, z = build(HashNet, inner_scale=0.1 * BITS, growth=0.0), rows()
    found = head.loss(z, batch(LABELS, step=3, steps=4))["pair"].item()
    assert found == pytest.approx(literal(head, z.tolist(), 1.0, "both", alpha=0.1), rel=1e-10)


@pytest.mark.parametrize("near", [14.9, 15.1])
def test_alpha_stands_in_both_terms(near):
    """The first upload forgot it in the second: a slope of -0.8 below d = 15, none above."""
    head, q = (
        HashNet(HashNet.Config(growth=0.0), HashNet.budget_for(HashNet.Config(), 48), 8, 4),
        48,
    )
    h = math.sqrt(near / q)
    z = torch.full((2, q), math.atanh(h), dtype=torch.float64, requires_grad=True)
    head.loss(z, batch([1, 1]))["pair"].backward()
    slope = 10 / q * (1 / (1 + math.exp(-10 / q * near)) - 1)  # of the cost by d = <h_i, h_j>
    assert -0.02 < slope < 0
    torch.testing.assert_close(z.grad, torch.full_like(z, slope * h * (1 - h * h)))


def test_beta_grows_with_the_share_of_the_run_or_with_its_steps():
    middle = batch(LABELS, step=50, steps=100)
    assert build(HashNet).sharpness(middle) == pytest.approx(math.sqrt(26))
    assert build(HashNet, iterations=0).sharpness(middle) == pytest.approx(math.sqrt(1.25))
    assert build(HashNet, growth=0.0).sharpness(middle) == 1.0


def test_codes_do_not_depend_on_beta():
    z = build(HashNet).float()(torch.randn(50, 8))
    assert bool(((torch.tanh(7.14 * z) > 0) == (z > 0)).all())


def test_traps():
    assert finite_in_every_case(build(HashNet))
    assert unlabelled_rows_change_nothing(build(HashNet))
    with pytest.raises(UsageError, match="weights"):
        check(HashNet.Config(weights="half"), "")
