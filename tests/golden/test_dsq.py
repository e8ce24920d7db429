"""DSQ: four terms by plain loops, codes and words of one target, centres, scores."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from hashquant.codes.additive import sum_tables, sum_words
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import table_scores
from hashquant.codes.shallow import learn_rq
from hashquant.methods.dsq import DSQ
from hashquant.training.state import allocate
from tests.golden.classified import cross_entropy
from tests.golden.pairs import dot
from tests.golden.sixrows import (
    LABELS,
    batch,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)

WEIGHTS = {"quantization_weight": 0.7, "center_weight": 0.4, "center_quantization_weight": 0.2}


def build(books=2, words=8, images=8, **settings):
    """Return a head in float64 with an embedding of eight values, and codes that were drawn."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    head = DSQ(DSQ.Config(size=8, **settings), budget, 8, 5).double()
    allocate(head, images, 5, torch.device("cpu"))
    head.state["codes"].copy_(torch.randint(words, (images, books)))
    return head


def spread(count, *, seed=1):
    """Return unit vectors."""
    return normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def decoded(words, codes):
    books = words.tolist()
    return [[sum(books[m][k][j] for m, k in enumerate(code)) for j in range(8)]
            for code in codes.tolist()]  # fmt: skip


@pytest.mark.parametrize("settings", [
    {}, WEIGHTS | {"scale": 1.0}, WEIGHTS | {"books": 4, "scale": 3.0},
])  # fmt: skip
def test_loss_and_gradients_equal_the_formula(settings):
    head, z = build(**settings), normalize(rows(), dim=1).requires_grad_()
    of, phi, points = head.config, head.centers.tolist(), z.tolist()
    coded = decoded(head.words, head.state["codes"])[:6]
    scaled = [[of.scale * v for v in row] for row in points]
    ce, slope = cross_entropy(head.classify, scaled, LABELS)
    squares = [
        (of.center_weight, points, [phi[y] for y in LABELS]),
        (of.quantization_weight, points, coded),
        (of.center_quantization_weight, [phi[y] for y in LABELS], coded),
    ]
    expected = {"class": ce}
    for name, (weight, a, b) in zip(
        ("center", "quantization", "center_quantization"), squares, strict=True
    ):
        expected[name] = weight * sum(math.dist(x, y) ** 2 for x, y in zip(a, b, strict=True)) / 6
    found = head.loss(z, batch())
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-10), name
    total(found).backward()
    pulled = torch.zeros(5, 8).double()
    for i, y in enumerate(LABELS):
        own = [
            of.scale * slope[i][j]
            + of.center_weight * 2 / 6 * (points[i][j] - phi[y][j])
            + of.quantization_weight * 2 / 6 * (points[i][j] - coded[i][j])
            for j in range(8)
        ]
        assert z.grad[i].tolist() == pytest.approx(own, rel=1e-10)
        for j in range(8):
            pulled[y, j] += of.center_weight * 2 / 6 * (phi[y][j] - points[i][j])
            pulled[y, j] += of.center_quantization_weight * 2 / 6 * (phi[y][j] - coded[i][j])
    torch.testing.assert_close(head.centers.grad, pulled, rtol=1e-10, atol=1e-12)
    assert not bool(head.centers.grad[3].any())  # class 3 is absent


def test_a_weight_of_zero_leaves_its_term_out_and_the_others_as_they_were():
    z, whole = normalize(rows(), dim=1), build(**WEIGHTS).loss(normalize(rows(), dim=1), batch())
    for weight in WEIGHTS:
        left = build(**WEIGHTS | {weight: 0.0}).loss(z, batch())
        assert left.keys() == whole.keys() - {weight.removesuffix("_weight")}
        torch.testing.assert_close(left, {name: whole[name] for name in left})


def test_codes_and_words_lower_both_of_their_terms_together():
    head, z = build(words=16, images=300, **WEIGHTS).float(), spread(300)
    labels = torch.arange(300) % 5
    labels[7] = -1  # hidden: it is coded by itself
    assert all(head.wants_embeddings(epoch, 9) for epoch in range(9))
    head.on_embeddings(z, labels, 0)
    codes, phi = head.state["codes"].long(), head.centers.detach()
    t = [
        [(0.7 * a + 0.2 * b) / 0.9 for a, b in zip(row, phi[y].tolist(), strict=True)]
        if y >= 0
        else row
        for row, y in zip(z.tolist(), labels.tolist(), strict=True)
    ]
    t = torch.tensor(t).double()
    marks = torch.nn.functional.one_hot(codes, 16).flatten(1).double()
    fit = torch.linalg.solve(marks.T @ marks + 1e-3 * torch.eye(32), marks.T @ t)
    torch.testing.assert_close(head.words.flatten(0, 1).double(), fit, atol=1e-5, rtol=0)
    seen, known = labels >= 0, labels.clamp_min(0)

    def cost(words, codes):
        coded = sum_words(codes, words)
        own, of_class = (z - coded).square().sum(1), (phi[known] - coded).square().sum(1)
        return float((0.7 * own + 0.2 * of_class)[seen].sum())

    best = cost(head.words, codes)
    for seed in range(5):  # no other words, no code with another word, costs less
        moved = 0.01 * torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(seed))
        assert cost(head.words + moved, codes) > best
    head.on_embeddings(z, labels, 1)
    assert cost(head.words, head.state["codes"]) < best


def test_targets_without_either_term_are_the_embedding():
    z, labels = spread(6), torch.tensor(LABELS)
    assert torch.equal(build(quantization_weight=0.0, center_quantization_weight=0.0)
                       .float()._target(z, labels), z)  # fmt: skip
    head = build(quantization_weight=0.0).float()
    torch.testing.assert_close(head._target(z, labels), head.centers[labels])


def test_words_start_from_those_of_residuals_or_as_drawn(monkeypatch):
    monkeypatch.setattr("hashquant.api.solve_words", lambda x, codes, books, ridge: books)
    z, labels, heads = spread(300), torch.full((300,), -1), []
    for images, epoch in ((300, 0), (15, 0), (300, 1)):
        heads.append(build(words=16, images=images).float())
        torch.manual_seed(2)
        heads[-1].on_embeddings(z[:images], labels[:images], epoch)
    torch.manual_seed(2)
    learned = learn_rq(z, 2, 16, int(torch.randint(2**31 - 1, ())), beam=1)
    drawn = build(words=16).float().words
    assert torch.equal(heads[0].words, learned)
    assert torch.equal(heads[1].words, drawn)  # 15 images are too few for 16 words
    assert torch.equal(heads[2].words, drawn)  # a start is made once


def test_searched_codes_are_of_the_embedding_alone_and_scores_inner_products():
    head, z = build(words=4), normalize(rows(), dim=1)
    codes, table = head.assign(z), head.query_table(z)
    books, coded = head.words.tolist(), decoded(head.words, codes)
    with torch.no_grad():
        head.centers.add_(9)
    assert torch.equal(head.assign(z), codes)
    for q, row in enumerate(z.tolist()):
        best = min(
            math.dist(row, [x + y for x, y in zip(books[0][i], books[1][j], strict=True)])
            for i in range(4)
            for j in range(4)
        )
        assert math.dist(row, coded[q]) == pytest.approx(best)  # a beam of 5 of 4 words: all
        for i, code in enumerate(codes.tolist()):
            found = sum(table[q, m, k].item() for m, k in enumerate(code))
            assert found == pytest.approx(dot(row, coded[i]), rel=1e-12)
    sums = sum_words(codes, head.words)
    own = table_scores(sum_tables(sums, head.words), codes).diagonal()
    torch.testing.assert_close(own, sums.square().sum(1), rtol=1e-12, atol=0)


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(build(), rows()[: len(labels)], batch(labels))
    assert same_with_unlabelled_rows(build())
    assert finite_with_gradient(build(), torch.zeros(6, 8).double(), batch())
    head = build().float()
    torch.testing.assert_close(head(spread(9)).norm(dim=1), torch.ones(9))
    head.state = {}  # as when a model is loaded: no code is known
    assert list(head.loss(rows().float(), batch())) == ["class", "center"]
