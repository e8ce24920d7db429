"""Distill-VQ: its cross entropy by plain loops, whom gradients reach, its start, labels unread."""

import dataclasses
import math

import pytest
import torch
from torch.nn.functional import normalize

from hashquant.codes.family import CodeBudget
from hashquant.methods.distillvq import DistillVQ
from tests.golden.frozen import begin
from tests.golden.pairs import dot
from tests.golden.sixrows import LABELS, batch, finite_with_gradient, rows, total


def build(books=2, words=8, **settings):
    """Return a head in float64 whose embedding is not what its teacher knows."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    head = DistillVQ(DistillVQ.Config(**settings), budget, 8, 5).double()
    with torch.no_grad():
        head.rotation += 0.2 * torch.randn(8, 8).double()
    return head


def given(labels=LABELS, features=None):
    """Return a batch with the embeddings that the teacher compares."""
    features = rows()[: len(labels)] if features is None else features
    return dataclasses.replace(batch(labels), features=features)


def embed(head, x):
    return normalize(x, dim=1) @ head.rotation


def softmax(scores):
    most = max(scores)
    return [math.exp(s - most) / sum(math.exp(t - most) for t in scores) for s in scores]


def nearest(x, book):
    return min(book, key=lambda c: sum((a - b) ** 2 for a, b in zip(x, c, strict=True)))


def literal(head, features, z, candidates, temperature):
    """Return the mean over images of the cross entropy over the nearest others."""
    unit = [[v / math.sqrt(dot(x, x)) for v in x] for x in features]
    books, costs = head.words.tolist(), []
    d = len(books[0][0])
    coded = [
        [v for m in range(len(books)) for v in nearest(x[m * d : m * d + d], books[m])] for x in z
    ]
    for i, x in enumerate(unit):
        cosines = {j: dot(x, y) for j, y in enumerate(unit) if j != i}
        found = sorted(cosines, key=lambda j: -cosines[j])[:candidates]
        teacher = softmax([cosines[j] / temperature for j in found])
        student = softmax([dot(z[i], coded[j]) / temperature for j in found])
        costs.append(-sum(p * math.log(s) for p, s in zip(teacher, student, strict=True)))
    return sum(costs) / len(costs)


@pytest.mark.parametrize("candidates", [64, 3, 1])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_loss_equals_the_formula(candidates, temperature):
    head = build(candidates=candidates, temperature=temperature)
    z = embed(head, rows())
    expected = literal(head, rows().tolist(), z.tolist(), candidates, temperature)
    found = head.loss(z, given())["distill"].item()
    assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_a_perfect_code_costs_the_teachers_entropy():
    head = build(books=1, words=8)
    unit = normalize(rows(), dim=1)
    with torch.no_grad():
        head.words[0, :6] = unit
        head.words[0, 6:] = 9.0
    taught = (unit @ unit.T / 0.05).fill_diagonal_(-math.inf).softmax(dim=1)
    entropy = -(taught * taught.clamp_min(1e-300).log()).sum(dim=1).mean()
    torch.testing.assert_close(head.loss(unit, given())["distill"], entropy)


def test_one_step_moves_all_words_and_the_rotation():
    head = build()
    before = [p.detach().clone() for p in head.parameters()]
    head.loss(embed(head, rows()), given())["distill"].backward()
    torch.optim.SGD(head.parameters(), 0.1).step()
    moved = [now != then for now, then in zip(head.parameters(), before, strict=True)]
    assert all(bool(part.any(dim=-1).all()) for part in moved)  # the choice passes to all words
    kept = build(rotation_rate=0.0)
    assert [name for name, p in kept.named_parameters() if p.requires_grad] == ["words"]
    assert (kept.rate_factors, head.rate_factors) == ({}, {"rotation": 0.1})


def test_straight_through_gradient_is_that_of_the_soft_choice():
    head, z, soft = build(), rows(grad=True), rows(grad=True)
    weight = torch.linspace(-1, 1, 48).double().reshape(6, 8)
    (head._coded(z) * weight).sum().backward()
    parts = soft.reshape(6, 2, 1, 4)
    p = (-(parts - head.words).square().sum(dim=3)).softmax(dim=2)
    (torch.einsum("nmk,mks->nms", p, head.words).flatten(1) * weight).sum().backward()
    torch.testing.assert_close(z.grad, soft.grad)


def test_it_starts_as_opq_is_or_as_drawn():
    head = DistillVQ(DistillVQ.Config(rounds=2), CodeBudget(8, 2, 16), 8, 5)
    drawn = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    begin(head, drawn, torch.arange(64) % 5)
    unit, z = normalize(drawn, dim=1), head(drawn)
    torch.testing.assert_close(z @ z.T, unit @ unit.T)  # no cosine changes
    words = torch.stack([head.words[m][i] for m, i in enumerate(head.assign(z).T)], dim=1)
    assert (z - words.flatten(1)).square().sum(1).mean() < 0.4
    few = begin(build(), rows(), LABELS)  # fewer images than words
    assert torch.equal(few.words, build().words)
    wide = DistillVQ(DistillVQ.Config(), DistillVQ.budget_for(None, 36), 64, 5)
    assert (wide(drawn.repeat(1, 8)).shape, wide.words.shape) == ((64, 66), (6, 64, 11))


def test_traps_and_labels_are_not_read():
    head = build()
    plain = head.loss(rows(), given())["distill"]
    for labels in ([1] * 6, [0, 1, 2, 3, 4, 0], [-1] * 6, [0, 1, -1, -1, -1, -1]):
        assert torch.equal(head.loss(rows(), given(labels))["distill"], plain)
        assert finite_with_gradient(head, rows(), given(labels))
    assert finite_with_gradient(head, rows()[:1], given([2]))
    assert total(head.loss(rows()[:1], given([2]))).item() == 0
    more = torch.cat([rows(), rows().flip(1)])  # unlabelled rows are learned from too
    whole = head.loss(more, given([*LABELS, *[-1] * 6], more))["distill"]
    assert whole.item() == pytest.approx(literal(head, more.tolist(), more.tolist(), 64, 0.05))
    alike = torch.ones(6, 8).double()
    assert finite_with_gradient(head, alike, given(features=alike))
