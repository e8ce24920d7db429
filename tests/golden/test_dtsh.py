"""DTSH: the loss over all triplets in plain loops, with and without the half."""

import math

import pytest
import torch

from hashquant.methods.dtsh import DTSH
from tests.golden.pairs import (
    BITS,
    LABELS,
    batch,
    build,
    dot,
    finite_in_every_case,
    gradient,
    rows,
    unlabelled_rows_change_nothing,
)

PORTS = {"half": False, "margin": 5 / BITS, "quantization": 1 / BITS}


def literal(config, u):
    costs = []
    for a, p, n in torch.cartesian_prod(*[torch.arange(6)] * 3).tolist():
        if a != p and LABELS[a] == LABELS[p] != LABELS[n]:
            scale = 0.5 if config.half else 1
            t = scale * (dot(u[a], u[p]) - dot(u[a], u[n])) - config.margin * BITS
            costs.append(math.log(1 + math.exp(t)) - t)
    quantization = sum((x - math.copysign(1, x)) ** 2 for row in u for x in row) / len(u)
    return sum(costs) / len(costs), config.quantization * quantization


@pytest.mark.parametrize("settings", [{}, PORTS])
def test_loss_and_gradient_equal_the_formula(settings):
    head, u = build(DTSH, **settings), rows()
    terms = head.loss(u, batch(LABELS))
    for found, value in zip(terms.values(), literal(head.config, u.tolist()), strict=True):
        assert found.item() == pytest.approx(value, rel=1e-10)
    sum(terms.values()).backward()
    expected = gradient(lambda rows: sum(literal(head.config, rows)), u)
    torch.testing.assert_close(u.grad, expected, atol=1e-7, rtol=1e-6)


def test_the_margin_is_half_the_bits_or_five():
    u = torch.zeros(3, BITS, dtype=torch.float64)
    for settings, margin in (({}, BITS / 2), (PORTS, 5.0)):
        found = build(DTSH, **settings).loss(u, batch([0, 0, 1]))["triplet"].item()
        assert found == pytest.approx(math.log(1 + math.exp(margin)))


def test_the_anchor_alone_can_have_a_gradient():
    labels = [0, 0, 1]  # the third row is nobody's anchor: it has no other of its class
    for alone in (False, True):
        u = rows().detach()[:3].requires_grad_()
        build(DTSH, anchor_only=alone).loss(u, batch(labels))["triplet"].backward()
        assert bool(u.grad[2].any()) != alone
        assert bool(u.grad[:2].any())


def test_traps():
    for settings in ({}, PORTS, {"anchor_only": True, "quantization": 0.0}):
        assert finite_in_every_case(build(DTSH, **settings))
        assert unlabelled_rows_change_nothing(build(DTSH, **settings))
