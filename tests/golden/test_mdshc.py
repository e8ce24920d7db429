"""MDSHC: the likelihood for or against each class, and pairs with the bank, by their formulas."""

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

from hashquant.methods.mdshc import MDSHC, log_complement

#: A bank of eight images: the batch's six, one of class 4 and one that was not seen.
BANK_LABELS = [*LABELS, 4, -1]


def cosine_of(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def literal_class_term(head, embedding, labels):
    """Evaluate the mean over images and classes, with loops, and give its weight back."""
    q, C, loss = head.budget.bits, head.num_classes, 0.0
    for row, label in zip(embedding.tolist(), labels, strict=True):
        odds = [math.exp(math.sqrt(q) * cosine_of(row, c)) for c in head.centers.tolist()]
        for c in range(C):
            p = odds[c] / sum(odds)
            loss -= math.log(p) if c == label else math.log(1 - p)
    return loss / len(labels) / (C if head.config.over_classes else 1)


def with_bank(**settings):
    """Return a head whose bank holds eighths, which float16 keeps exactly."""
    head = build(MDSHC, **settings)
    bank = torch.round(torch.cat([rows(), rows()[:2]]) * 8) / 8
    head.state = {"bank": bank.half(), "label": torch.tensor(BANK_LABELS)}
    return head, bank


@pytest.mark.parametrize("over_classes", [False, True])
@pytest.mark.parametrize("centers", ["hadamard", "bernoulli", "code"])
def test_class_term_equals_the_formula(centers, over_classes):
    head = build(MDSHC, centers=centers, over_classes=over_classes)
    u = rows().tanh()
    found = head.loss(u, batch())
    assert list(found) == ["center", "quantization"]
    expected = literal_class_term(head, u, LABELS)
    assert found["center"].item() == pytest.approx(expected, abs=1e-10)
    error = sum((abs(x) - 1) ** 2 for row in u.tolist() for x in row) / 48
    assert found["quantization"].item() == pytest.approx(1e-4 * error, abs=1e-10)


def test_pair_term_equals_the_formula():
    head, bank = with_bank(pair_weight=2.0)
    twin = bank[:6]
    found = head.loss(rows(), batch(teacher=twin, epoch=9, epochs=20))
    costs = [
        math.log(1 + math.exp((1 - cosine_of(rows()[i].tolist(), bank[j].tolist())) / 2))
        for i in range(6)
        for j in range(8)
        if i != j and LABELS[i] == BANK_LABELS[j]
    ]
    assert len(costs) == 6
    assert found["pair"].item() == pytest.approx(2 * sum(costs) / 6, abs=1e-10)


def test_bank_keeps_the_average_and_the_pair_term_waits():
    head, _ = with_bank()
    terms = head.loss(rows(), batch(teacher=2 * torch.round(rows() * 8), epoch=8, epochs=20))
    assert "pair" not in terms
    assert torch.equal(head.state["bank"][:6].double(), 2 * torch.round(rows() * 8))
    assert head.state["label"].tolist() == BANK_LABELS
    spec = head.training_state(8, 5)
    assert (spec["bank"].shape, spec["label"].fill, head.average_decay) == ((8, 8), -1, 0.9)


def test_without_the_pair_term_nothing_is_kept():
    head = build(MDSHC, pair_weight=0.0)
    assert (dict(head.training_state(8, 5)), head.average_decay) == ({}, 0.0)


def test_pairs_move_the_batch_and_not_the_bank():
    head, bank = with_bank()
    u = rows(grad=True)
    term = head.loss(u, batch(teacher=bank[:6], epoch=9, epochs=20))["pair"]
    (slope,) = torch.autograd.grad(term, u)
    moved = slope.abs().sum(dim=1) > 0
    assert moved.tolist() == [LABELS.count(c) > 1 for c in LABELS]


def test_complement_of_a_certain_class_stays_finite():
    logits = torch.tensor([[90.0, -90.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    found = log_complement(logits)
    assert found[0].tolist() == pytest.approx([-90.0, 0.0, 0.0], abs=1e-6)
    assert found[1].tolist() == pytest.approx([math.log(2 / 3)] * 3, abs=1e-6)
    found.sum().backward()
    assert bool(logits.grad.isfinite().all())


def test_gradient_is_that_of_finite_differences():
    head, given = build(MDSHC), batch()
    assert torch.autograd.gradcheck(lambda u: total(head.loss(u, given)), rows(grad=True))


@pytest.mark.parametrize("classes", [1, 6])
@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5]])
def test_loss_is_finite_of_one_class_and_of_one_image_a_class(classes, labels):
    head, _ = with_bank(classes=classes)
    head.state["label"].fill_(-1)
    labels = [label % classes for label in labels]
    assert finite_with_gradient(head, rows(), batch(labels, epoch=9, epochs=20))


def test_unlabelled_rows_are_left_out():
    head, _ = with_bank()
    assert same_with_unlabelled_rows(head, epoch=9, epochs=20)
    assert head.state["label"].tolist() == BANK_LABELS
