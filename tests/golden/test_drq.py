"""DRQ: margin, triplets and words' errors by plain loops, one book's bytes, codes by prefix."""

import pytest
import torch

from hashquant.codes.additive import sum_words
from hashquant.codes.family import CodeBudget
from hashquant.methods.drq import DRQ, FREE_SIZE, MARGIN_SIZE
from hashquant.runs.examination import cost
from hashquant.training.network import Network
from tests.golden.levels import literal_levels, literal_margin, literal_words
from tests.golden.pairs import dot, pairs
from tests.golden.sixrows import LABELS, ROWS, batch, finite_with_gradient, total

SIZE = FREE_SIZE + MARGIN_SIZE


def build(books=2, words=4, **settings):
    """Return a head in float64 whose levels differ in their factors."""
    torch.manual_seed(0)
    config = DRQ.Config(**{"start": "normal", **settings})
    head = DRQ(config, CodeBudget(books * (words - 1).bit_length(), books, words), 8, 5).double()
    head.words.data.mul_(50)
    head.factors.data.copy_(0.8 ** torch.arange(books))
    return head


def rows(count=6):
    """Return embeddings of the six rows, each beside a shuffled multiple of it."""
    x = torch.tensor(ROWS[:count], dtype=torch.float64)
    return torch.cat([x * (1 + 0.1 * i) for i in range(SIZE // 8)], dim=1).roll(3, 0) / 16


def literal_triplets(x, labels, margin):
    """Return the mean cost over pairs of one class, semi-hard negatives first."""
    unit = torch.nn.functional.normalize(x, dim=1).tolist()
    d = [[sum((a - b) ** 2 for a, b in zip(u, v, strict=True)) for v in unit] for u in unit]
    costs = []
    for a, p, same in pairs(labels):
        others = [d[a][n] for n in range(len(labels)) if labels[n] != labels[a]]
        if same and others:
            beyond = [o for o in others if o > d[a][p]]
            costs.append(max(0.0, margin + d[a][p] - (min(beyond) if beyond else max(others))))
    return sum(costs) / max(len(costs), 1)


@pytest.mark.parametrize(
    ("settings", "epoch", "levels"),
    [({}, 0, 2), ({"triplet_margin": 0.3, "scale": 1.0, "joint_weight": 2.0, "books": 3}, 3, 3),
     ({"hard_weight": 0.5}, 2, 1)],
)  # fmt: skip
def test_loss_equals_the_formulas(settings, epoch, levels):
    head, x = build(**settings), rows()
    config, books = head.config, head.codebooks().tolist()
    expected = {
        "margin": literal_margin(
            x[:, FREE_SIZE:].tanh().tolist(), LABELS, head.prototypes.tolist(), "violated"
        ),
        "triplet": literal_triplets(x, LABELS, config.triplet_margin),
        "words": literal_words(x.tolist(), books, config, levels),
    }
    found = head.loss(x, batch(epoch=epoch, epochs=4 if epoch else 1))
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-10), name


def test_each_path_has_its_own_gradient():
    head, x = build(), rows().requires_grad_()
    head.loss(x, batch())["words"].backward()
    assert x.grad is None
    trained = {name for name, weight in head.named_parameters() if weight.grad is not None}
    assert trained == {"words", "factors"}
    assert bool(head.words.grad.any(dim=1).all())
    before = [head.words.detach().clone(), head.factors.detach().clone()]
    torch.optim.SGD(head.parameters(), 0.1).step()
    assert not any(
        torch.equal(a, b) for a, b in zip(before, (head.words, head.factors), strict=True)
    )
    other, x = build(), rows().requires_grad_()
    terms = other.loss(x, batch())
    (terms["margin"] + terms["triplet"]).backward()
    assert other.words.grad is None
    assert bool(x.grad.any(dim=1).all())


def test_beginnings_of_a_code_are_the_levels_of_training():
    head, x = build(books=8), rows()
    codes, books = head.assign(x), head.codebooks().detach()
    for i, row in enumerate(x.tolist()):
        code, _, hards = literal_levels(row, books.tolist(), 10.0)
        assert codes[i].tolist() == code
        for level in (1, 3, 8):
            decoded = sum_words(codes[i : i + 1, :level], books[:level])[0].tolist()
            assert decoded == pytest.approx(hards[level - 1], abs=1e-12)
    shorter = build(books=3)
    shorter.words.data.copy_(head.words.data)
    shorter.factors.data.copy_(head.factors.data[:3])
    assert torch.equal(shorter.assign(x), codes[:, :3])
    found = sum(head.query_table(x)[0, m, k] for m, k in enumerate(codes[4].tolist()))
    item = sum_words(codes[4:5], books)[0].tolist()
    assert found.item() == pytest.approx(dot(x[0].tolist(), item), rel=1e-10)


def test_one_book_and_a_factor_a_level_are_stored():
    for books in (2, 8):
        found = cost(Network(torch.nn.Identity(), build(books=books, words=16).float()))
        assert found.codebook_bytes == 16 * 512 * 4 + 4 * books
        assert (found.query_form, found.subspaces) == ("additive", books)


def test_book_and_factors_start_from_kmeans_of_embeddings_and_residuals():
    head = DRQ(DRQ.Config(), CodeBudget(12, 3, 16), 8, 5)
    assert [head.wants_embeddings(e, 4) for e in range(4)] == [False, False, True, False]
    x = head(torch.randn(200, 8, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(x.norm(dim=1), torch.ones(200))
    drawn = head.words.detach().clone()
    head.on_embeddings(x[:15], torch.zeros(15, dtype=torch.int64), 2)
    assert torch.equal(head.words, drawn)  # fewer images than words
    assert torch.equal(head.factors, torch.ones(3))
    head.on_embeddings(x, torch.zeros(200, dtype=torch.int64), 2)
    first, second, third = head.factors.tolist()
    assert (first, third) == (1.0, pytest.approx(second**2))
    codes, books = head.assign(x), head.codebooks()
    lost = [(x - sum_words(codes[:, :m], books[:m])).square().sum(1).mean() for m in (1, 2, 3)]
    assert 1 > lost[0] > lost[1] > lost[2]


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        head = build()
        assert finite_with_gradient(head, rows(len(labels)), batch(labels))
        if len(labels) != 6:  # no pair of one class
            assert head.loss(rows(len(labels)), batch(labels))["triplet"] == 0
    assert build().loss(rows(), batch([1] * 6))["triplet"] == 0  # no image of another
    alone, more = build().loss(rows(), batch()), torch.cat([rows(), 3 * rows(2)])
    whole = build().loss(more, batch([*LABELS, -1, -1]))
    assert all(torch.allclose(whole[name], term, rtol=1e-12) for name, term in alone.items())
    assert bool(total(alone).isfinite())
    assert not torch.allclose(
        build(normalise=False).float()(torch.ones(1, 8)).norm(), torch.ones(1)
    )
