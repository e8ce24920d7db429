"""DTQ: triplets that violate the margin by plain loops, codes and words in turn, scores."""

import math

import pytest
import torch

from hashquant.codes.additive import sum_tables, sum_words
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import table_scores
from hashquant.codes.shallow import learn_pq
from hashquant.methods.dtq import DTQ
from hashquant.plugins.pairs import pairs_of
from hashquant.training.state import allocate
from tests.golden.pairs import dot, pairs
from tests.golden.sixrows import (
    LABELS,
    batch,
    finite_with_gradient,
    rows,
    total,
)

DEVICE = torch.device("cpu")


def build(books=2, words=8, images=8, **settings):
    """Return a head in float64 with an embedding of eight values, and codes that were drawn."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    head = DTQ(DTQ.Config(size=8, **settings), budget, 8, 5).double()
    allocate(head, images, 5, DEVICE)
    head.state["codes"].copy_(torch.randint(words, (images, books)))
    return head


def triplets(z, margin):
    """Return, of each pair (a, p) of one class, the costs of all triplets above 0."""
    square = [[math.dist(x, y) ** 2 for y in z] for x in z]
    others = [[n for n in range(6) if LABELS[n] != LABELS[a]] for a in range(6)]
    costs = [
        [square[a][p] - square[a][n] + margin for n in others[a]]
        for a, p, same in pairs(LABELS)
        if same
    ]
    return [[cost for cost in found if cost > 0] for found in costs]


def literal_lost(head, z):
    """Return the mean |z - z^|² of the codes that are kept."""
    books, codes = head.words.tolist(), head.state["codes"].tolist()
    coded = [[sum(books[m][k][j] for m, k in enumerate(code)) for j in range(8)] for code in codes]
    return sum(math.dist(x, y) ** 2 for x, y in zip(z, coded, strict=False)) / len(z)


@pytest.mark.parametrize("settings", [
    {"margin": 1e-9}, {}, {"margin": 4.0}, {"quantization_weight": 0.3, "books": 4},
])  # fmt: skip
def test_loss_is_the_mean_over_one_violating_triplet_a_pair(settings):
    head, z = build(**settings), rows(grad=True)
    costs = [found for found in triplets(z.tolist(), head.config.margin) if found]
    torch.manual_seed(1)
    drawn = [head.loss(z, batch())["triplet"].item() for _ in range(400)]
    assert min(drawn) >= sum(map(min, costs)) / max(len(costs), 1) - 1e-10
    assert max(drawn) <= sum(map(max, costs)) / max(len(costs), 1) + 1e-10
    expected = sum(sum(found) / len(found) for found in costs) / max(len(costs), 1)
    assert sum(drawn) / 400 == pytest.approx(expected, rel=0.05)
    lost = head.loss(z, batch())["quantization"].item()
    assert lost == pytest.approx(head.config.quantization_weight * literal_lost(head, z.tolist()))


def test_a_single_violating_triplet_and_its_gradient_equal_the_formula():
    head, z = build(margin=1.0, quantization_weight=0.0), torch.zeros(3, 8).double()
    z[1, 0], z[2, 1] = 0.5, 0.9
    z.requires_grad_()
    found = head.loss(z, batch([0, 0, 1]))
    assert list(found) == ["triplet"]
    # (0, 1): 0.25 - 0.81 + 1; (1, 0): 0.25 - 1.06 + 1
    assert found["triplet"].item() == pytest.approx((0.44 + 0.19) / 2, abs=1e-12)
    found["triplet"].backward()
    a, b, c = z.detach()
    expected = torch.stack([2 * (a - b) - (a - c), 2 * (b - a) - (b - c), (a - c) + (b - c)])
    torch.testing.assert_close(z.grad, expected, atol=1e-12, rtol=0)


def test_negatives_are_drawn_alike_from_those_that_violate():
    head, square = build(margin=2.0), torch.tensor([[0.0, 1.0, 2.0, 2.9, 3.0, 8.0]]).repeat(6, 1)
    given = pairs_of(torch.tensor([0, 0, 1, 1, 2, 2]))
    torch.manual_seed(0)
    found = [head._negatives(square, given) for _ in range(2000)]
    negative = torch.stack([n[0, 1] for n, _ in found])
    counts = torch.bincount(negative, minlength=6).tolist()
    assert (counts[0], counts[1], counts[4], counts[5]) == (0, 0, 0, 0)  # 3.0 is not below 1 + 2
    assert 900 < counts[2] < 1100
    assert 900 < counts[3] < 1100
    torch.manual_seed(0)
    assert torch.equal(head._negatives(square, given)[0], found[0][0])


def test_codes_and_words_are_fitted_to_all_images_before_every_epoch():
    head = build(words=16, images=300).float()
    assert all(head.wants_embeddings(epoch, 9) for epoch in range(9))
    z = torch.randn(300, 8, generator=torch.Generator().manual_seed(1)).tanh()
    labels, before = torch.zeros(300, dtype=torch.int64), head.words.clone()
    head.on_embeddings(z, labels, 0)
    assert bool((head.words != before).any())
    codes = head.state["codes"].long()
    assert codes.amin() >= 0
    marks = torch.nn.functional.one_hot(codes, 16).flatten(1).double()
    fit = torch.linalg.solve(marks.T @ marks + 1e-3 * torch.eye(32), marks.T @ z.double())
    torch.testing.assert_close(head.words.flatten(0, 1).double(), fit, atol=1e-5, rtol=0)

    def lost():
        return float((z - sum_words(head.state["codes"], head.words)).square().sum(1).mean())

    first = lost()
    head.on_embeddings(z, labels, 1)
    assert lost() < first  # better codes of these words, and better words of those


def test_words_start_from_those_of_product_codes_or_as_drawn(monkeypatch):
    monkeypatch.setattr("hashquant.api.solve_words", lambda x, codes, books, ridge: books)
    z = torch.randn(300, 8, generator=torch.Generator().manual_seed(1)).tanh()
    labels, heads = torch.zeros(300, dtype=torch.int64), []
    for images, epoch in ((300, 0), (15, 0), (300, 1)):
        heads.append(build(words=16, images=images).float())
        torch.manual_seed(2)
        heads[-1].on_embeddings(z[:images], labels[:images], epoch)
    torch.manual_seed(2)
    parts = learn_pq(z, 2, 16, int(torch.randint(2**31 - 1, ())))
    whole, drawn = torch.zeros(2, 16, 8), build(words=16).float().words
    whole[0, :, :4], whole[1, :, 4:] = parts[0], parts[1]
    assert torch.equal(heads[0].words, whole)
    assert torch.equal(heads[1].words, drawn)  # 15 images are too few for 16 words
    assert torch.equal(heads[2].words, drawn)  # a start is made once


def test_words_that_no_image_has_keep_their_value():
    head, z = build(words=16).float(), rows().float()
    before = head.words.clone()
    head.on_embeddings(torch.cat([z, z[:2]]), torch.zeros(8, dtype=torch.int64), 1)
    used = torch.zeros(2, 16, dtype=torch.bool)
    for code in head.state["codes"].tolist():
        used[[0, 1], code] = True
    assert torch.equal((head.words != before).any(2), used)


def test_scores_by_table_are_inner_products_with_sums_of_words():
    head = build(words=4)
    codes, table = head.assign(rows()), head.query_table(rows())
    books = head.words.tolist()
    decoded = [[sum(books[m][k][j] for m, k in enumerate(code)) for j in range(8)]
               for code in codes.tolist()]  # fmt: skip
    for q, row in enumerate(rows().tolist()):
        best = min(
            math.dist(row, [x + y for x, y in zip(books[0][i], books[1][j], strict=True)])
            for i in range(4)
            for j in range(4)
        )
        assert math.dist(row, decoded[q]) == pytest.approx(best)  # a beam of 5 of 4 words: all
        for i, code in enumerate(codes.tolist()):
            found = sum(table[q, m, k].item() for m, k in enumerate(code))
            assert found == pytest.approx(dot(row, decoded[i]), rel=1e-12)
    sums = sum_words(codes, head.words)
    own = table_scores(sum_tables(sums, head.words), codes).diagonal()
    torch.testing.assert_close(own, sums.square().sum(1), rtol=1e-12, atol=0)


def test_size_is_rounded_up():
    for bits, size in ((16, 64), (36, 66), (64, 64)):
        head = DTQ(DTQ.Config(), DTQ.budget_for(DTQ.Config(), bits), 16, 5)
        assert head(torch.randn(2, 16)).shape == (2, size)
        assert head.codebooks().shape == (head.budget.subspaces, head.budget.codewords, size)


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(build(), rows()[: len(labels)], batch(labels))
        terms = build(quantization_weight=0.0).loss(rows()[: len(labels)], batch(labels))
        assert total(terms).item() == 0  # no triplet
    same = torch.zeros(6, 8).double()
    assert finite_with_gradient(build(), same, batch())
    assert build().loss(same, batch())["triplet"].item() == 30
    head, more, costs = build(), torch.cat([rows(), 3 * rows()[:2]]), []
    for z, labels in ((rows(), LABELS), (more, [*LABELS, -1, -1])):
        torch.manual_seed(3)  # the same negatives are drawn
        costs.append(head.loss(z, batch(labels)))
    torch.testing.assert_close(costs[0], costs[1], rtol=1e-12, atol=0)
    head.state = {}  # as when a model is loaded: no code is known
    assert list(head.loss(rows(), batch())) == ["triplet"]
