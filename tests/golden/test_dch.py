"""DCH: the loss in plain loops, by squared distances and as the port has it."""

import math

import pytest
import torch

from hashquant.errors import UsageError
from hashquant.methods.dch import DCH
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

PORT = {"distance": "cosine", "weights": "both", "quantization": 0.1, "quantized_by": "cauchy"}
VARIANTS = [{}, {"quantization": 0.3}, PORT, {"gamma": 5.0, "weights": "none"}]


def distance(kind, a, b):
    if kind == "cosine":
        return BITS / 2 * (1 - dot(a, b) / math.hypot(*a) / math.hypot(*b)) + 0.001
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) + 0.001


def literal(config, u):
    found = [
        weigh(same, config.weights) * math.log(1 + (d / config.gamma if same else config.gamma / d))
        for i, j, same in pairs()
        for d in [distance(config.distance, u[i], u[j])]
    ]
    sizes = [[abs(x) for x in row] for row in u]
    if config.quantized_by == "cauchy":
        far = [distance(config.distance, row, [1.0] * BITS) for row in sizes]
        quantization = sum(math.log(1 + d / config.gamma) for d in far) / len(u)
    else:
        quantization = sum((x - 1) ** 2 for row in sizes for x in row) / len(u) / BITS
    return sum(found) / len(found), config.quantization * quantization


@pytest.mark.parametrize("settings", VARIANTS)
def test_loss_and_gradient_equal_the_formula(settings):
    head, u = build(DCH, **settings), rows(squash=True).detach().requires_grad_()
    terms = head.loss(u, batch(LABELS))
    pair, quantization = literal(head.config, u.tolist())
    assert terms["pair"].item() == pytest.approx(pair, rel=1e-10)
    assert ("quantization" in terms) == bool(head.config.quantization)
    if "quantization" in terms:
        assert terms["quantization"].item() == pytest.approx(quantization, rel=1e-10)
    sum(terms.values()).backward()
    expected = gradient(lambda rows: sum(literal(head.config, rows)), u)
    torch.testing.assert_close(u.grad, expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("distance", ["euclid", "cosine"])
def test_images_of_two_classes_with_one_code_have_a_finite_cost(distance, dtype):
    head = build(DCH, distance=distance)
    u = torch.full((4, BITS), 0.7, dtype=dtype, requires_grad=True)
    loss = head.loss(u, batch([0, 1, 2, 3]))["pair"]
    loss.backward()
    assert loss.item() == pytest.approx(math.log(1 + 20 / 0.001), rel=1e-3)
    assert bool(u.grad.isfinite().all())


def test_on_codes_the_ports_distance_is_hamming_and_a_quarter_of_the_authors():
    u = torch.tensor([[1.0, 1, 1, -1, -1], [1.0, -1, 1, 1, -1]], dtype=torch.float64)
    ours, ports = (build(DCH, distance=kind)._distance(u, u)[0, 1] for kind in ("euclid", "cosine"))
    assert ours.item() == pytest.approx(8.001)
    assert ports.item() == pytest.approx(2.001)


def test_traps():
    for settings in VARIANTS:
        assert finite_in_every_case(build(DCH, **settings), squash=True)
        assert unlabelled_rows_change_nothing(build(DCH, **settings), squash=True)
    with pytest.raises(UsageError, match="distance"):
        check(DCH.Config(distance="hamming"), "")
