"""PQN: the triplet loss on soft codes by plain loops, its start, codes and scores."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from hashquant.codes.family import CodeBudget
from hashquant.methods.pqn import PQN
from tests.golden.pairs import dot, gradient
from tests.golden.sixrows import (
    LABELS,
    batch,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
)


def build(books=2, words=8, **settings):
    """Return a head whose sub-vectors have eight values over all books."""
    torch.manual_seed(0)
    config = PQN.Config(size=8 // books, **settings)
    return PQN(config, CodeBudget(books * (words - 1).bit_length(), books, words), 8, 5).double()


def unit(row):
    return [v / math.sqrt(dot(row, row)) for v in row]


def literal(head, z):
    """Return the mean over all triplets of three different rows."""
    d, alpha = head.config.size, head.config.alpha
    books = [[unit(word) for word in book] for book in head.words.tolist()]
    soft = []
    for row in z:
        code = []
        for m, book in enumerate(books):
            part = row[m * d : (m + 1) * d]
            weights = [math.exp(alpha * dot(part, word)) for word in book]
            code += [
                sum(w * c[j] for w, c in zip(weights, book, strict=True)) / sum(weights)
                for j in range(d)
            ]
        soft.append(code)
    costs = [
        1 / (1 + math.exp(dot(z[a], soft[p]) - dot(z[a], soft[n])))
        for a in range(6) for p in range(6) for n in range(6)
        if a != p and LABELS[a] == LABELS[p] != LABELS[n]
    ]  # fmt: skip
    return sum(costs) / len(costs)


@pytest.mark.parametrize("settings", [{}, {"alpha": 3.0, "books": 4, "words": 4}])
def test_loss_and_gradient_equal_the_formula(settings):
    head, z = build(**settings), rows(grad=True)
    found = head.loss(z, batch())["triplet"]
    assert found.item() == pytest.approx(literal(head, z.tolist()), rel=1e-10)
    found.backward()
    expected = gradient(lambda moved: literal(head, moved), z)
    torch.testing.assert_close(z.grad, expected, atol=1e-7, rtol=1e-6)


def test_ten_of_squared_distances_is_twenty_of_cosines():
    head = build()
    z = normalize(rows().reshape(6, 2, 4), dim=2)
    squares = torch.cdist(z.transpose(0, 1), head.codebooks()).square().transpose(0, 1)
    cosines = head.config.alpha * head.query_table(z.flatten(1))
    torch.testing.assert_close((-10 * squares).softmax(2), cosines.softmax(2))


def test_words_start_from_kmeans_of_the_first_embeddings():
    assert [build().wants_embeddings(epoch, 5) for epoch in range(3)] == [True, False, False]
    assert not build(start="drawn").wants_embeddings(0, 5)
    head, z = build().float(), normalize(torch.randn(300, 2, 4), dim=2)
    drawn = head.words.detach().clone()
    head.on_embeddings(z[:7].flatten(1), torch.zeros(7, dtype=torch.int64), 0)
    assert torch.equal(head.words, drawn)  # seven images cannot start eight words
    head.on_embeddings(z.flatten(1), torch.zeros(300, dtype=torch.int64), 0)
    torch.testing.assert_close(head.words.norm(dim=2), torch.ones(2, 8))
    near = [head.query_table(z.flatten(1)).amax(2).mean()]
    head.words.data = drawn
    assert near[0] > head.query_table(z.flatten(1)).amax(2).mean() + 0.05


def test_words_differ_after_a_step():
    head = build()
    before = head.words.detach().clone()
    head.loss(rows(), batch())["triplet"].backward()
    torch.optim.SGD(head.parameters(), 0.1).step()
    assert bool((head.words != before).all())


def test_codes_and_scores_are_cosines_of_unit_parts():
    head = build().float()
    z = head(torch.randn(20, 8))
    parts = z.reshape(20, 2, 4)
    torch.testing.assert_close(parts.norm(dim=2), torch.ones(20, 2))
    books, codes = head.codebooks(), head.assign(z)
    for row, code in zip(parts, codes, strict=True):
        assert code.tolist() == [int((books[m] @ row[m]).argmax()) for m in range(2)]
    words = torch.cat([books[m][codes[:, m]] for m in range(2)], dim=1)
    table = head.query_table(z)
    found = sum(table[:, m, codes[:, m]] for m in range(2))
    torch.testing.assert_close(found, z @ words.T)


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(build(), rows()[: len(labels)], batch(labels))
    assert same_with_unlabelled_rows(build())
