"""MoPQ: both matchings by plain loops, whom their gradients reach, codes and scores."""

import math

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.methods.mopq import MoPQ
from tests.golden.pairs import dot, pairs
from tests.golden.sixrows import (
    LABELS,
    batch,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)


def build(books=2, words=8, **settings):
    """Return a head in float64 with an embedding of eight values."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    return MoPQ(MoPQ.Config(size=8, **settings), budget, 8, 5).double()


def literal_codes(head, z):
    """Return each row's words, as indices and side by side."""
    books, codes, coded = head.words.tolist(), [], []
    d = len(books[0][0])
    for row in z:
        parts = [row[m * d : (m + 1) * d] for m in range(len(books))]
        if head.config.assignment == "l2":
            near = [[-sum((a - b) ** 2 for a, b in zip(x, c, strict=True)) for c in book]
                    for x, book in zip(parts, books, strict=True)]  # fmt: skip
        else:
            near = [[dot(x, c) for c in book] for x, book in zip(parts, books, strict=True)]
        codes.append([values.index(max(values)) for values in near])
        coded.append([v for book, k in zip(books, codes[-1], strict=True) for v in book[k]])
    return codes, coded


def literal_matching(scale, queries, keys):
    costs = []
    for i, j, same in pairs(LABELS):
        if same:
            own = math.exp(scale * dot(queries[i], keys[j]))
            others = [
                math.exp(scale * dot(queries[i], keys[n]))
                for n in range(6)
                if LABELS[n] != LABELS[i]
            ]
            costs.append(-math.log(own / (own + sum(others))))
    return sum(costs) / len(costs)


SETTINGS = [{}, {"assignment": "ip", "scale": 2.0, "reconstruction_weight": 0.5, "books": 4}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_loss_equals_the_formulas(settings):
    head = build(**settings)
    z = torch.nn.functional.normalize(rows(), dim=1)
    _, coded = literal_codes(head, z.tolist())
    square = sum((a - b) ** 2 for x, y in zip(z.tolist(), coded, strict=True)
                 for a, b in zip(x, y, strict=True)) / 6  # fmt: skip
    expected = {
        "float": literal_matching(head.config.scale, z.tolist(), z.tolist()),
        "coded": literal_matching(head.config.scale, z.tolist(), coded),
        "reconstruction": head.config.reconstruction_weight * square,
    }
    found = head.loss(z, batch())
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-10), name


@pytest.mark.parametrize("assignment", ["l2", "ip"])
def test_gradient_reaches_the_embedding_and_the_chosen_words_alone(assignment):
    head, z = build(assignment=assignment), rows(grad=True)
    head.loss(z, batch())["coded"].backward()
    assert bool(z.grad.any(dim=1).all())
    chosen = torch.zeros(2, 8, dtype=torch.bool)
    for code in head.assign(z).tolist():
        chosen[[0, 1], code] = True
    assert torch.equal(head.words.grad.any(dim=2), chosen)
    before = head.words.detach().clone()
    torch.optim.SGD(head.parameters(), 0.1).step()
    assert torch.equal((head.words != before).any(dim=2), chosen)


def test_straight_through_gradient_is_that_of_the_soft_choice():
    head, z = build(), rows(grad=True)
    weight = torch.linspace(-1, 1, 48).double().reshape(6, 8)
    (head._coded(z) * weight).sum().backward()
    soft = rows(grad=True)
    p = head._closeness(soft).softmax(dim=2)
    (torch.einsum("nmk,mks->nms", p, head.words).flatten(1) * weight).sum().backward()
    torch.testing.assert_close(z.grad, soft.grad)


@pytest.mark.parametrize("settings", SETTINGS)
def test_codes_and_scores(settings):
    head = build(**settings)
    codes, coded = literal_codes(head, rows().tolist())
    assert head.assign(rows()).tolist() == codes
    table = head.query_table(rows())
    for q, row in enumerate(rows().tolist()):
        for i, code in enumerate(codes):
            found = sum(table[q, m, k] for m, k in enumerate(code))
            assert found.item() == pytest.approx(dot(row, coded[i]), rel=1e-12)


def test_size_is_rounded_up_and_words_may_start_from_kmeans():
    head = MoPQ(MoPQ.Config(start="kmeans"), MoPQ.budget_for(MoPQ.Config(), 36), 16, 5)
    z = head(torch.randn(300, 16))
    assert (z.shape, head.words.shape) == ((300, 132), (6, 64, 22))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(300))
    assert not MoPQ.wants_embeddings(build(), 0, 5)
    assert [head.wants_embeddings(epoch, 5) for epoch in range(3)] == [True, False, False]

    def lost():
        words = torch.stack([head.words[m][i] for m, i in enumerate(head.assign(z).T)], dim=1)
        return (z - words.flatten(1)).square().sum(1).mean()

    before = lost()
    head.on_embeddings(z.detach(), torch.zeros(300, dtype=torch.int64), 0)
    assert lost() < 0.5 * before


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(build(), rows()[: len(labels)], batch(labels))
        if len(labels) != 6:  # no pair of one class
            terms = build(reconstruction_weight=0.0).loss(rows()[: len(labels)], batch(labels))
            assert total(terms).item() == 0
    assert same_with_unlabelled_rows(build())
    assert torch.equal(build(normalise=False).float()(torch.ones(1, 8)).norm(dim=1) == 1,
                       torch.tensor([False]))  # fmt: skip
