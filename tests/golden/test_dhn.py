"""DHN: the loss in plain loops, as the port and as the authors' code have it."""

import math

import pytest
import torch

from hashquant.errors import UsageError
from hashquant.methods.dhn import DHN
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

AUTHORS = {"normed": True, "weights": "positives", "quantized_by": "square", "cosine_scale": 4.0}
VARIANTS = [{}, {"weights": "both", "quantization": 0.0}, AUTHORS]


def literal(config, u):
    total = 0.0
    for i, j, same in pairs():
        theta = dot(u[i], u[j]) / 2
        if config.normed:
            theta = config.cosine_scale * dot(u[i], u[j]) / math.hypot(*u[i]) / math.hypot(*u[j])
        total += weigh(same, config.weights) * (math.log(1 + math.exp(theta)) - same * theta)
    gaps = [abs(x) - 1 for row in u for x in row]
    square = config.quantized_by == "square"
    cost = sum(gap**2 if square else math.log(math.cosh(gap)) for gap in gaps)
    return total / len(pairs()), config.quantization * cost / len(u) / BITS


@pytest.mark.parametrize("settings", VARIANTS)
def test_loss_and_gradient_equal_the_formula(settings):
    head, u = build(DHN, **settings), rows(squash=True).detach().requires_grad_()
    terms = head.loss(u, batch(LABELS))
    pair, quantization = literal(head.config, u.tolist())
    assert terms["pair"].item() == pytest.approx(pair, rel=1e-10)
    assert ("quantization" in terms) == bool(head.config.quantization)
    if "quantization" in terms:
        assert terms["quantization"].item() == pytest.approx(quantization, rel=1e-10)
    sum(terms.values()).backward()
    expected = gradient(lambda rows: sum(literal(head.config, rows)), u)
    torch.testing.assert_close(u.grad, expected, atol=1e-7, rtol=1e-6)


def test_codes_have_no_quantisation_loss():
    """With its bracket misplaced, log cosh(|z|) - 1, they would have one of its own."""
    codes = torch.tensor([[1.0, -1, 1, -1, 1], [-1.0, 1, 1, 1, -1]], dtype=torch.float64)
    assert build(DHN).loss(codes, batch([0, 1]))["quantization"].item() == pytest.approx(0)


def test_traps():
    for settings in VARIANTS:
        assert finite_in_every_case(build(DHN, **settings), squash=True)
        assert unlabelled_rows_change_nothing(build(DHN, **settings), squash=True)
    with pytest.raises(UsageError, match="quantized_by"):
        check(DHN.Config(quantized_by="cosh"), "")
