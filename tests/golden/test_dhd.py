"""DHD: proxies, bit likelihoods and the distillation by their formulas."""

import math

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

from hashquant.methods.dhd import DHD

STUDENT = torch.tensor(ROWS, dtype=torch.float64).flip(0).tanh()


def rows():
    return raw().tanh()


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


def literal_loss(head, x, student):
    config, proxies = head.config, head.proxies.detach().numpy()
    proxy = 0.0
    for row, label in zip(x, LABELS, strict=True):
        logits = [cosine(row, p) / config.temperature for p in proxies]
        proxy -= (logits[label] - math.log(sum(map(math.exp, logits)))) / 6

    def entropy(p, b):
        return -(math.log(p) if b else math.log(1 - p))

    bits = 0.0
    for value in np.array(x).flatten():
        plus, minus = (
            math.exp(-((value - pole) ** 2) / (2 * config.deviation**2)) for pole in (1, -1)
        )
        bits += (entropy(plus, value > 0) + entropy(minus, value <= 0)) / 48
    follows = np.mean([1 - cosine(s, t) for s, t in zip(student, x, strict=True)])
    return {
        "proxy": proxy,
        "bits": config.bit_weight * bits,
        "distillation": config.distillation_weight * follows,
    }


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.5, "deviation": 0.8}])
def test_loss_equals_the_formulas(settings):
    head = build(DHD, **settings)
    found = head.loss(rows(), batch(second=STUDENT))
    expected = literal_loss(head, rows().tolist(), STUDENT.tolist())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, abs=1e-10), name


def test_the_student_follows_a_teacher_that_stands_still():
    teacher, student = rows().requires_grad_(), STUDENT.clone().requires_grad_()
    build(DHD).loss(teacher, batch(second=student))["distillation"].backward()
    assert teacher.grad is None
    assert bool(student.grad.any())


def test_one_view_has_no_distillation():
    head = build(DHD, two_views=False)
    assert head.views == ()
    assert set(head.loss(rows(), batch())) == {"proxy", "bits"}
    assert len(build(DHD).views) == 2


def test_values_at_the_poles_and_at_zero_are_finite():
    at = torch.tensor([[-1.0, 1.0, 0.0, 1e-9, -1e-9, 0.5, 1.0, -1.0]], dtype=torch.float64)
    assert finite_with_gradient(build(DHD), at.repeat(6, 1), batch())


@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(labels):
    assert finite_with_gradient(build(DHD, classes=6), rows(), batch(labels, second=STUDENT))
    assert finite_with_gradient(build(DHD, classes=1), rows(), batch([0] * 6))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(DHD), second=torch.cat([STUDENT, -STUDENT[:2]]))


def test_the_trunk_has_a_rate_of_its_own_where_one_is_set():
    assert not build(DHD).rate_factors
    assert build(DHD, trunk_rate=0.05).rate_factors == {"trunk": 0.05}
