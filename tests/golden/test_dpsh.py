"""DPSH: the loss in plain loops, within a batch and against the bank of all images."""

import dataclasses
import math

import pytest
import torch

from hashquant.errors import UsageError
from hashquant.methods.dpsh import DPSH
from hashquant.settings.reading import check
from hashquant.training.state import allocate
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


def cost(same, a, b):
    theta = dot(a, b) / 2
    return math.log(1 + math.exp(theta)) - same * theta


def banked(images=9, **settings):
    head = build(DPSH, against="bank", **settings)
    allocate(head, images, 4, torch.device("cpu"))
    return head


@pytest.mark.parametrize("kind", ["none", "both"])
def test_loss_and_gradient_equal_the_formula(kind):
    head, u = build(DPSH, weights=kind), rows()

    def literal(u):
        pair = sum(weigh(same, kind) * cost(same, u[i], u[j]) for i, j, same in pairs())
        quantization = sum((x - math.copysign(1, x)) ** 2 for row in u for x in row)
        return pair / len(pairs()) + 0.1 * quantization / len(u) / BITS

    found = sum(head.loss(u, batch(LABELS)).values())
    assert found.item() == pytest.approx(literal(u.tolist()), rel=1e-10)
    found.backward()
    torch.testing.assert_close(u.grad, gradient(literal, u), atol=1e-7, rtol=1e-6)


def test_the_bank_compares_with_every_image_that_was_seen_but_the_same():
    head, u = banked(), rows().detach()
    first = dataclasses.replace(batch([3, 0, 1]), indices=torch.tensor([6, 7, 2]))
    old = u.flip(0)[:3]
    head.loss(old, first)  # row 8 is never seen, row 2 is seen again below
    u.requires_grad_()
    found = head.loss(u, batch(LABELS))["pair"]
    others = [*u.tolist(), *old[:2].half().tolist()]
    others[:6] = u.detach().half().tolist()
    labels = [*LABELS, 3, 0]
    costs = [
        cost(LABELS[i] == labels[j], u[i].tolist(), others[j])
        for i in range(6) for j in range(8) if i != j
    ]  # fmt: skip
    assert found.item() == pytest.approx(sum(costs) / len(costs), rel=1e-10)
    found.backward()  # the stored side has none
    stored = torch.tensor(others, dtype=torch.float64)[1:]
    same = torch.tensor([LABELS[0] == label for label in labels[1:]]).double()
    slope = (torch.sigmoid(stored @ u.detach()[0] / 2) - same) @ stored / 2
    torch.testing.assert_close(u.grad[0], slope / len(costs))


def test_a_batch_that_is_all_there_is_costs_the_same_with_a_bank():
    u, half = rows().detach(), rows().detach().half().double()
    alone = build(DPSH).loss(half, batch(LABELS))["pair"]
    torch.testing.assert_close(banked().loss(half, batch(LABELS))["pair"], alone)
    assert banked().loss(u, batch(LABELS))["pair"].item() == pytest.approx(alone.item(), abs=1e-3)


def test_traps():
    for head in (build(DPSH), build(DPSH, weights="both")):
        assert finite_in_every_case(head)
        assert unlabelled_rows_change_nothing(head)
    assert finite_in_every_case(banked())
    assert unlabelled_rows_change_nothing(banked(images=12))
    with pytest.raises(UsageError, match="against"):
        check(DPSH.Config(against="all"), "")
