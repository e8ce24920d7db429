"""DQN: both terms by plain loops, when words are clustered anew, codes and scores."""

import math

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.methods.dqn import DQN
from tests.golden.pairs import dot, gradient, pairs, weigh
from tests.golden.sixrows import (
    LABELS,
    batch,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
)


def build(books=2, words=8, **settings):
    """Return a head in float64 with an embedding of eight values, its words taken for fitted."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    head = DQN(DQN.Config(size=8, **settings), budget, 8, 5).double()
    head.fitted.fill_(True)
    return head


def literal_codes(head, row):
    d = 8 // head.budget.subspaces
    return [
        min(range(len(book)), key=lambda k: math.dist(row[m * d : (m + 1) * d], book[k]))
        for m, book in enumerate(head.words.tolist())
    ]


def coded(head, row):
    return [v for m, k in enumerate(literal_codes(head, row)) for v in head.words[m, k].tolist()]


def literal(head, z):
    kind, found = head.config.weights, pairs(LABELS)
    cost = 0.0
    for i, j, same in found:
        cosine = dot(z[i], z[j]) / math.sqrt(dot(z[i], z[i]) * dot(z[j], z[j]))
        cost += weigh(same, kind, LABELS) * ((1 if same else -1) - cosine) ** 2 / len(found)
    square = sum(math.dist(row, coded(head, row)) ** 2 for row in z) / len(z)
    return cost, head.config.quantization_weight * square


@pytest.mark.parametrize("settings", [
    {}, {"weights": "both", "quantization_weight": 0.3}, {"weights": "positives", "books": 4},
])  # fmt: skip
def test_loss_and_gradient_equal_the_formula(settings):
    head, z = build(**settings), rows(grad=True)
    terms = head.loss(z, batch())
    for found, value in zip(terms.values(), literal(head, z.tolist()), strict=True):
        assert found.item() == pytest.approx(value, rel=1e-10)
    sum(terms.values()).backward()
    expected = gradient(lambda moved: sum(literal(head, moved)), z)
    torch.testing.assert_close(z.grad, expected, atol=1e-7, rtol=1e-6)


def test_words_are_clustered_every_two_epochs_and_before_the_last():
    asked = [epoch for epoch in range(8) if build().wants_embeddings(epoch, 8)]
    assert asked == [0, 2, 4, 6, 7]
    every = build(refit_epochs=5)
    assert [epoch for epoch in range(8) if every.wants_embeddings(epoch, 8)] == [0, 5, 7]


def test_clustered_words_are_the_means_of_their_images():
    head = build(words=4).float()
    head.fitted.fill_(False)
    spread = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 2)  # four in each sub-vector
    z = corners[torch.arange(400) % 4].repeat(1, 4) + 0.05 * spread
    before, labels = head.words.clone(), torch.zeros(400, dtype=torch.int64)
    assert head.loss(z, batch([0, 1]))["quantization"].item() == 0  # no words yet
    head.on_embeddings(z[:3], labels[:3], 0)
    assert torch.equal(head.words, before)  # three images are too few for four words
    assert not bool(head.fitted)
    head.on_embeddings(z, labels, 0)
    assert bool((head.words != before).any(dim=2).all())
    assert bool(head.fitted)
    codes = head.assign(z)
    for m in range(2):
        for k in range(4):
            mine = z.reshape(400, 2, 4)[codes[:, m] == k, m]
            torch.testing.assert_close(head.words[m, k], mine.mean(dim=0), atol=1e-5, rtol=0)
    assert head.loss(z, batch([0, 1]))["quantization"].item() > 0


def test_codes_are_the_nearest_words_and_scores_inner_products():
    head = build()
    table, codes = head.query_table(rows()), head.assign(rows())
    for q, row in enumerate(rows().tolist()):
        for i, item in enumerate(rows().tolist()):
            assert codes[i].tolist() == literal_codes(head, item)
            found = sum(table[q, m, k] for m, k in enumerate(codes[i].tolist()))
            assert found.item() == pytest.approx(dot(row, coded(head, item)), rel=1e-12)


def test_size_is_rounded_up():
    for bits, size in ((16, 300), (24, 300), (64, 304)):
        head = DQN(DQN.Config(), DQN.budget_for(DQN.Config(), bits), 16, 5)
        assert head(torch.randn(2, 16)).shape == (2, size)


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(build(weights="both"), rows()[: len(labels)], batch(labels))
    assert same_with_unlabelled_rows(build())
    assert finite_with_gradient(build(), torch.zeros(6, 8).double(), batch())
