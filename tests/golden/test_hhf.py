"""HHF and HyP2: hinged pulls and pushes by their formulas, and the distance they stop at."""

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

from hashquant.errors import UsageError
from hashquant.methods.hhf import CODE_DISTANCES, HHF, code_distance
from hashquant.settings.reading import check

PRESENT = sorted(set(LABELS))


def cosines(head, embedding):
    """Return the cosine of each image with each proxy, by loops."""
    return [
        [
            sum(a * b for a, b in zip(row, p, strict=True)) / math.hypot(*row) / math.hypot(*p)
            for p in head.proxies.tolist()
        ]
        for row in embedding.tolist()
    ]


def literal_anchor(head, embedding, labels, counted, zeta):
    """Evaluate HHF's anchor variant: sums over classes of sums over their images."""
    cos, C, n = cosines(head, embedding), head.num_classes, len(labels)
    alpha, delta, beta = 16.0, 0.2, 0.001 * 85
    pull = push = quantization = 0.0
    for c in set(labels):
        images = [i for i in range(n) if labels[i] == c]
        inner = [math.exp(alpha * max(1 - delta - cos[i][c], 0)) - 1 for i in images]
        pull += math.log(1 + sum(inner)) / len(set(labels))
    for c in range(C):
        images = [i for i in range(n) if labels[i] != c]
        inner = [math.exp(alpha * max(cos[i][c] - zeta - delta, 0)) - 1 for i in images]
        push += math.log(1 + sum(inner)) / counted
    for row in embedding.tolist():
        quantization += beta * sum((x - math.copysign(1, x)) ** 2 for x in row) / n
    return {"pull": pull, "push": push, "quantization": quantization}


def literal_hyp2(head, embedding, labels, counted, zeta):
    """Evaluate HyP2: a mean over images with their own proxy, and one over those with others."""
    cos, n = cosines(head, embedding), len(labels)
    pull = sum(1 - cos[i][labels[i]] for i in range(n)) / n
    others = [max(x - zeta, 0) for i in range(n) for c, x in enumerate(cos[i]) if c != labels[i]]
    return {"pull": pull, "push": sum(others) / (n * (counted - 1))}


@pytest.mark.parametrize("zeta", [0.0, -0.6])
@pytest.mark.parametrize(("all_classes", "counted"), [(True, 5), (False, len(PRESENT))])
@pytest.mark.parametrize(("loss", "literal"), [("anchor", literal_anchor), ("hyp2", literal_hyp2)])
def test_loss_equals_the_formulas(loss, literal, all_classes, counted, zeta):
    head = build(HHF, loss=loss, all_classes=all_classes)
    head.nearest = zeta
    found = {name: term.item() for name, term in head.loss(rows(), batch()).items()}
    expected = literal(head, rows(), LABELS, counted, zeta)
    assert found == pytest.approx(expected, abs=1e-10)
    assert all(value > 0 for value in expected.values())


@pytest.mark.parametrize("loss", ["anchor", "hyp2"])
def test_gradient_is_that_of_finite_differences(loss):
    head, given = build(HHF, loss=loss), batch()
    head.nearest = -0.6
    assert torch.autograd.gradcheck(lambda x: total(head.loss(x, given)), rows(grad=True))


@pytest.mark.parametrize("loss", ["anchor", "hyp2"])
@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5]])
def test_loss_is_finite_of_one_class_and_of_one_image_a_class(loss, labels):
    assert finite_with_gradient(build(HHF, loss=loss, classes=6), rows(), batch(labels))
    only = build(HHF, loss=loss, classes=1)
    assert finite_with_gradient(only, rows(), batch([0] * 6))


def test_the_farthest_images_do_not_overflow():
    head = build(HHF).float()
    away = -head.proxies[LABELS].detach()
    assert finite_with_gradient(head, away.repeat(40, 1), batch(LABELS * 40))


@pytest.mark.parametrize("loss", ["anchor", "hyp2"])
def test_unlabelled_rows_are_left_out(loss):
    assert same_with_unlabelled_rows(build(HHF, loss=loss))


def test_hinges_stop_where_a_linear_code_can_be():
    assert all(len(known) == 14 for known in CODE_DISTANCES.values())
    assert all(list(known) == sorted(known, reverse=True) for known in CODE_DISTANCES.values())
    assert [code_distance(q, 530) for q in (24, 36, 48, 64)] == [8, 14, 20, 28]
    assert [code_distance(q, 2787) for q in (24, 36, 48, 64)] == [8, 12, 18, 26]
    assert build(HHF, bits=48, classes=2787).nearest == pytest.approx(1 - 36 / 48)


def test_other_lengths_take_the_gilbert_varshamov_bound():
    bounds = []
    for q, C in [(12, 10), (32, 2787), (64, 20000)]:
        ball = [sum(math.comb(q, j) for j in range(d)) for d in range(q + 1)]
        bounds.append(next(d for d in range(q + 1) if ball[d] >= 2**q / C))
    assert [code_distance(*each) for each in [(12, 10), (32, 2787), (64, 20000)]] == bounds


def test_unknown_losses_are_refused():
    with pytest.raises(UsageError, match="loss must be one of"):
        check(HHF.Config(loss="nca"), "")
