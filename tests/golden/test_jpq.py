"""JPQ: the weighed pairs by plain loops, codes that stay, words and queries that move."""

import math

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.methods.jpq import JPQ
from hashquant.runs.examination import cost
from hashquant.training.network import Network
from tests.golden.frozen import begin
from tests.golden.pairs import dot
from tests.golden.sixrows import (
    LABELS,
    batch,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)


def build(books=2, words=8, **settings):
    """Return a head in float64 whose queries and words are not those of its codes."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    head = JPQ(JPQ.Config(**settings), budget, 8, 5).double()
    with torch.no_grad():
        head.words += 0.2 * torch.randn(head.words.shape).double()
        head.adapt += 0.1 * torch.randn(head.adapt.shape).double()
    return head


def literal_codes(books, z):
    """Return each row's nearest words."""
    d = len(books[0][0])
    return [
        [
            min(range(len(book)), key=lambda k: sum(
                (a - b) ** 2 for a, b in zip(row[m * d : m * d + d], book[k], strict=True)
            ))
            for m, book in enumerate(books)
        ]
        for row in z
    ]  # fmt: skip


def literal(head, z, codes, labels, *, top, cutoff, queries=LABELS):
    """Return the cost, ranking every coded image but the query's own for every query."""
    scale, adapt, books = head.config.scale, head.adapt.T.tolist(), head.words.tolist()
    coded = [[v for m, k in enumerate(code) for v in books[m][k]] for code in codes]
    total = weights = 0.0
    for q, row in enumerate(z):
        asked = [value + dot(row, column) for value, column in zip(row, adapt, strict=True)]
        scores = {i: dot(asked, x) for i, x in enumerate(coded) if i != q and labels[i] >= 0}
        found = sorted(scores, key=lambda i: -scores[i])[:top]
        for i, right in enumerate(found, 1):
            for j, wrong in enumerate(found, 1):
                if labels[right] == queries[q] != labels[wrong]:
                    gains = [1 / rank if rank <= cutoff else 0 for rank in (i, j)]
                    weight = abs(gains[0] - gains[1])
                    apart = scale * (scores[wrong] - scores[right])
                    total, weights = total + weight * math.log1p(math.exp(apart)), weights + weight
    return total / weights


@pytest.mark.parametrize("top", [200, 4])
@pytest.mark.parametrize("cutoff", [10, 2, 1])
def test_loss_equals_the_formula(top, cutoff):
    head = build(words=32, top=top, cutoff=cutoff, scale=2.0)
    z = rows().tolist()
    codes = literal_codes(head.coding.tolist(), z)
    assert len(set(map(tuple, codes))) == 6  # no two images tie
    expected = literal(head, z, codes, LABELS, top=top, cutoff=cutoff)
    assert head.loss(rows(), batch())["rank"].item() == pytest.approx(expected, rel=1e-10)


def test_queries_search_all_training_images_but_themselves():
    head = build(words=64, scale=2.0)
    x = torch.cat([rows(), rows().flip(1), -rows()])
    labels = [*LABELS, 3, 3, 0, -1, 4, 1, 2, 2, 0, -1, 1, 4]
    begin(head, x, labels)
    assert torch.equal(head.state["labels"], torch.tensor(labels))
    codes = head.state["codes"].tolist()
    for tied in [i for i, code in enumerate(codes) if codes.index(code) < i]:  # in what order?
        labels[tied] = head.state["labels"][tied] = -1
    assert labels.count(-1) < 5
    z = torch.nn.functional.normalize(x, dim=1)[:6]
    expected = literal(head, z.tolist(), codes, labels, top=200, cutoff=10)
    assert head.loss(z, batch())["rank"].item() == pytest.approx(expected, rel=1e-10)
    head.state["labels"].fill_(-1)
    assert head.loss(z, batch())["rank"].item() == 0


def test_a_pool_is_a_part_of_the_training_images():
    head = begin(build(words=16, pool=5), torch.randn(40, 8), [0, 1, 2, 3] * 10)
    codes, labels, drawn = head._gallery(rows(), batch())
    assert len(codes) == len(labels) == len(set(drawn.tolist())) == 5
    assert torch.equal(codes, head.state["codes"][drawn].long())
    assert torch.equal(labels, drawn % 4)


def test_one_step_moves_words_and_queries_and_no_code():
    head = build(scale=0.1)
    before, codes = [p.detach().clone() for p in head.parameters()], head.assign(rows())
    head.loss(rows(), batch())["rank"].backward()
    torch.optim.SGD(head.parameters(), 0.1).step()
    words, adapt = (now != then for now, then in zip(head.parameters(), before, strict=True))
    assert bool(adapt.any())
    met = torch.zeros(2, 8, dtype=torch.bool)
    met[[0, 1] * 6, codes.flatten()] = True
    assert torch.equal(words.any(dim=2), met)
    assert torch.equal(head.assign(rows()), codes)
    assert not torch.equal(head.codebooks(), head.coding)


def test_it_starts_as_opq_is_and_keeps_two_sets_of_words():
    head = JPQ(JPQ.Config(rounds=2), CodeBudget(8, 2, 16), 8, 5)
    drawn = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    begin(head, drawn, torch.arange(64) % 5)
    unit, z = torch.nn.functional.normalize(drawn, dim=1), head(drawn)
    torch.testing.assert_close(z @ z.T, unit @ unit.T)  # no cosine changes
    assert torch.equal(head.words, head.coding)
    assert torch.equal(head.query_embedding(z), z)
    books, codes = head.words.tolist(), head.assign(z).tolist()
    assert codes == head.state["codes"].tolist() == literal_codes(books, z.tolist())
    asked = head.query_table(head.query_embedding(z))
    for q, row in enumerate(z[:3].tolist()):
        stands_for = [v for m, k in enumerate(codes[5]) for v in books[m][k]]
        found = sum(asked[q, m, k] for m, k in enumerate(codes[5]))
        assert found.item() == pytest.approx(dot(row, stands_for), abs=1e-6)
    network = Network(torch.nn.Identity(), head)
    assert cost(network).codebook_bytes == 2 * 4 * head.words.numel() == 2 * 4 * 2 * 16 * 4
    wide = JPQ(JPQ.Config(), JPQ.budget_for(JPQ.Config(), 36), 64, 5)
    assert (wide(drawn.repeat(1, 8)).shape, wide.words.shape) == ((64, 66), (6, 64, 11))


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(build(), rows()[: len(labels)], batch(labels))
        assert total(build().loss(rows()[: len(labels)], batch(labels))).item() == 0
    assert same_with_unlabelled_rows(build())
    assert finite_with_gradient(build(), rows(), batch([-1] * 6))
    assert finite_with_gradient(build(), torch.ones(6, 8).double(), batch())
