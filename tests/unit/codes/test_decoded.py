"""Decoded codes: bytes that hold their bits alone, and inner products without an error of order."""

import math
from fractions import Fraction

import pytest
import torch

from hashquant.codes.decoded import check_code, inner_scores, vector_scales
from hashquant.codes.family import CodeBudget, Decoded
from hashquant.errors import BudgetError, HashQuantError
from hashquant.metrics.averageprecision import average_precision
from hashquant.search.exhaustive import inner_groups


def rng(seed):
    return torch.Generator().manual_seed(seed)


def vectors(count, size, seed=0):
    """Return vectors whose lengths span three powers of ten."""
    lengths = torch.logspace(-2, 1, count)[:, None]
    return torch.randn(count, size, generator=rng(seed)) * lengths


def scores(query, items):
    return inner_scores(query, items, float(vector_scales(items).amax()))


def test_a_budget_is_all_its_bits():
    assert Decoded().budget(36) == CodeBudget(36)
    assert Decoded().budget(36).code_bytes == 5
    with pytest.raises(BudgetError):
        Decoded().budget(0)


def test_bytes_beyond_the_bits_are_refused():
    budget = CodeBudget(12)
    check_code(torch.tensor([[255, 0b11110000]], dtype=torch.uint8), budget, "m")
    for bad in (0b11111000, 0b00000001):
        with pytest.raises(HashQuantError, match="m: the last 4 bits of a code pad its 12 bits"):
            check_code(torch.tensor([[0, bad]], dtype=torch.uint8), budget, "m")
    with pytest.raises(HashQuantError, match=r"uint8 of shape \(n, 2\).*got uint8 of \(1, 3\)"):
        check_code(torch.zeros(1, 3, dtype=torch.uint8), budget, "m")
    with pytest.raises(HashQuantError, match="got int64 of"):
        check_code(torch.zeros(1, 2, dtype=torch.int64), budget, "m")


@pytest.mark.parametrize("size", [1, 2, 37, 512])
def test_a_scale_is_a_power_of_two_just_above_the_length(size):
    x = vectors(50, size)
    found = vector_scales(x)
    ratio = found / x.double().norm(dim=1)
    assert bool(((ratio > 1) & (ratio < 2.1)).all())
    assert bool((found.log2() == found.log2().round()).all())
    order = torch.randperm(size, generator=rng(1))
    assert torch.equal(vector_scales(x[:, order]), found)
    assert float(vector_scales(torch.zeros(1, size))) < 1e-40


@pytest.mark.parametrize("size", [3, 64, 512])
def test_a_score_is_the_inner_product_to_1e_12(size):
    query, items = vectors(9, size, seed=1), vectors(40, size, seed=2)
    found = scores(query, items)
    longest = items.double().norm(dim=1).max()
    for i, q in enumerate(query):
        for j, x in enumerate(items):
            pairs = zip(q.tolist(), x.tolist(), strict=True)
            exact = float(sum(Fraction(a) * Fraction(b) for a, b in pairs))
            error = abs(found[i, j].item() - exact)
            assert error <= 1e-12 * math.hypot(*q.tolist()) * float(longest)


def test_neither_order_nor_chunks_change_a_bit():
    query, items = vectors(8, 300, seed=3), vectors(50, 300, seed=4)
    whole, scale = scores(query, items), float(vector_scales(items).amax())
    order = torch.randperm(300, generator=rng(5))
    assert torch.equal(scores(query[:, order], items[:, order]), whole)
    moved = torch.randperm(50, generator=rng(6))
    assert torch.equal(scores(query, items[moved]), whole[:, moved])
    alone = [[inner_scores(q[None], g[None], scale) for g in items] for q in query]
    assert torch.equal(torch.cat([torch.cat(row, dim=1) for row in alone]), whole)
    single = query.double() @ items.double().T
    assert not torch.equal(query[:, order].double() @ items[:, order].double().T, single)


@pytest.mark.parametrize("power", [-60, 60])
def test_lengths_of_any_size_are_taken(power):
    query, items = vectors(5, 20, seed=1), vectors(7, 20, seed=2)
    factor = 2.0**power
    assert torch.equal(scores(factor * query, items) / factor, scores(query, items))
    assert torch.equal(scores(query, factor * items) / factor, scores(query, items))


def groups_of(query, wanted, items, labels, **options):
    return [
        [row for row in zip(*(part.tolist() for part in one), strict=True) if row[3]]
        for chunk in inner_groups(query, wanted, items, labels, **options)
        for one in zip(chunk.ahead, chunk.size, chunk.ahead_relevant, chunk.relevant, strict=True)
    ]


def test_search_by_hand():
    items, labels = torch.tensor([[2.0, 0], [1, 1], [0, 3], [-1, 0], [1, 9]]), [0, 0, 1, 0, 1]
    query = torch.tensor([[3.0, 0.0]])
    # The products are 6, 3, 0, -3 and 3: class 0 stands at ranks 1, 2 or 3, and 5.
    assert groups_of(query, torch.tensor([0]), items, torch.tensor(labels)) == [
        [(0, 1, 0, 1), (1, 2, 1, 1), (4, 1, 2, 1)]
    ]
    found = next(inner_groups(query, torch.tensor([0]), items, torch.tensor(labels)))
    expected = (1 + (2 / 2 + 2 / 3) / 2 + 3 / 5) / 3
    assert average_precision(found).tolist() == pytest.approx([expected])


def test_chunks_and_the_order_of_the_gallery_change_no_group():
    query, items = vectors(11, 9, seed=1), vectors(200, 9, seed=2)
    items[:50] = items[50:100]  # ties
    labels, wanted = (torch.randint(4, (n,), generator=rng(n)) for n in (200, 11))
    whole = groups_of(query, wanted, items, labels)
    order = torch.randperm(200, generator=rng(7))
    for memory in (3, 9 * 96 * 7, 200 * 192 * 3):
        assert groups_of(query, wanted, items, labels, memory_bytes=memory) == whole
        assert groups_of(query, wanted, items[order], labels[order], memory_bytes=memory) == whole


def test_what_does_not_fit_is_refused():
    items, labels = torch.eye(3), torch.arange(3)
    with pytest.raises(HashQuantError, match="must have a label each and the queries' 2 values"):
        inner_groups(torch.zeros(1, 2), labels[:1], items, labels)
    with pytest.raises(HashQuantError, match="got 3 of 3 values and 2 labels"):
        inner_groups(items, labels, items, labels[:2])
    with pytest.raises(HashQuantError, match="must be finite"):
        inner_groups(items / 0, labels, items, labels)
    with pytest.raises(HashQuantError, match="at most 8192 values"):
        inner_scores(torch.zeros(1, 8193), torch.zeros(1, 8193), 1.0)
