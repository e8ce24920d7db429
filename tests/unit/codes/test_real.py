"""Embeddings without a code: unit float32 bytes, and cosines that are whole numbers of 2^-52."""

import math

import numpy as np
import pytest
import torch

from hashquant.codes.family import CodeBudget, Real
from hashquant.codes.real import cosine_scores, pack_real, unpack_real
from hashquant.errors import HashQuantError
from hashquant.metrics.averageprecision import average_precision
from hashquant.search.exhaustive import Gallery, cosine_groups


def rng(seed):
    return torch.Generator().manual_seed(seed)


def units(count, size, seed=0):
    return unpack_real(pack_real(torch.randn(count, size, generator=rng(seed))))


def groups_of(query, wanted, items, labels, **options):
    """Return every query's groups that hold relevant items, as plain numbers."""
    gallery = Gallery(items, labels, Real().budget(items.shape[1] // 4))
    return [
        [row for row in zip(*(part.tolist() for part in one), strict=True) if row[3]]
        for chunk in cosine_groups(query, wanted, gallery, **options)
        for one in zip(chunk.ahead, chunk.size, chunk.ahead_relevant, chunk.relevant, strict=True)
    ]


def test_bytes_are_those_of_the_unit_vector():
    packed = pack_real(torch.tensor([[3.0, -4.0], [0.0, 0.0], [0.0, 7.0]]))
    assert packed.dtype == torch.uint8
    expected = np.array([[0.6, -0.8], [0, 0], [0, 1]], dtype="f4").view(np.uint8)
    assert packed.numpy().tolist() == expected.tolist()
    assert packed.shape[1] == Real().budget(2).code_bytes == 8


@pytest.mark.parametrize("scale", [2.0**-140, 2.0**-20, 2.0**100])
def test_length_does_not_matter_even_where_its_square_is_no_float32(scale):
    x = torch.tensor([[1.0, 2.0, -3.0]])
    assert torch.equal(pack_real(scale * x), pack_real(x))


def test_bf16_and_rows_out_of_order_are_taken():
    x = torch.randn(6, 4, generator=rng(1))
    assert torch.equal(pack_real(x.T.contiguous().T), pack_real(x))
    assert torch.equal(pack_real(x.bfloat16()), pack_real(x.bfloat16().float()))


def test_a_cosine_is_the_whole_number_that_python_counts():
    query, items = units(3, 40, seed=1), units(5, 40, seed=2)
    found = cosine_scores(query, items)
    assert found.dtype == torch.float64
    for i, row in enumerate(query.tolist()):
        for j, item in enumerate(items.tolist()):
            whole = sum(round(a * 2**26) * round(b * 2**26) for a, b in zip(row, item, strict=True))
            assert int(found[i, j].item() * 2**52) == whole


def test_cosines_are_near_the_unrounded_ones():
    query, items = units(20, 512, seed=1), units(30, 512, seed=2)
    # Each of 2·512 roundings moves a component of a unit vector by at most 2^-27, hence the sum
    # by at most 2^-27 · (|q|_1 + |g|_1) <= 2^-26 · sqrt(512), to first order.
    error = (cosine_scores(query, items) - query.double() @ items.double().T).abs().max()
    assert 0 < error < 1.001 * 2**-26 * math.sqrt(512)


def test_order_of_components_and_chunks_change_no_bit():
    query, items = units(8, 300, seed=3), units(50, 300, seed=4)
    whole = cosine_scores(query, items)
    order = torch.randperm(300, generator=rng(5))
    assert torch.equal(cosine_scores(query[:, order], items[:, order]), whole)
    alone = [[cosine_scores(q[None], g[None]) for g in items] for q in query]
    assert torch.equal(torch.cat([torch.cat(row, dim=1) for row in alone]), whole)
    halves = cosine_scores(query[:, :150], items[:, :150])
    assert torch.equal(halves + cosine_scores(query[:, 150:], items[:, 150:]), whole)
    single = query.double() @ items.double().T  # what is not rounded does depend on the order
    assert not torch.equal(query[:, order].double() @ items[:, order].double().T, single)


def test_search_by_hand():
    items = pack_real(torch.tensor([[2.0, 0], [1, 1], [0, 3], [-1, 0], [5, 5]]))
    labels, query = torch.tensor([0, 0, 1, 0, 1]), pack_real(torch.tensor([[9.0, 0.0]]))
    # The angles are 0, 45, 90, 180 and 45 degrees: class 0 stands at ranks 1, 2 or 3, and 5.
    assert groups_of(query, torch.tensor([0]), items, labels) == [
        [(0, 1, 0, 1), (1, 2, 1, 1), (4, 1, 2, 1)]
    ]
    gallery = Gallery(items, labels, CodeBudget(64))
    found = average_precision(next(cosine_groups(query, torch.tensor([0]), gallery)))
    assert found.tolist() == pytest.approx([(1 + (2 / 2 + 2 / 3) / 2 + 3 / 5) / 3])


def test_equal_embeddings_tie_and_nothing_is_at_a_right_angle_to_all():
    items = pack_real(torch.tensor([[1.0, 2.0, 3.0]] * 4 + [[0.0] * 3]))
    query = pack_real(torch.tensor([[0.1, -0.7, 0.3], [0.0, 0.0, 0.0]]))
    found = groups_of(query, torch.tensor([0, 0]), items, torch.tensor([0, 1, 0, 1, 1]))
    cosine = 0.1 - 1.4 + 0.9  # below 0: the zero vector comes first
    assert cosine < 0
    assert found == [[(1, 4, 0, 2)], [(0, 5, 0, 2)]]


def test_neither_chunks_nor_the_order_of_the_gallery_change_a_group():
    query, items = (pack_real(torch.randn(n, 9, generator=rng(n))) for n in (11, 200))
    items[:50] = items[50:100]  # ties
    labels, wanted = (torch.randint(4, (n,), generator=rng(n)) for n in (200, 11))
    whole = groups_of(query, wanted, items, labels)
    assert len(whole) == 11
    order = torch.randperm(200, generator=rng(7))
    for memory in (1, 9 * 32 * 7, 200 * 64 * 3):
        assert groups_of(query, wanted, items, labels, memory_bytes=memory) == whole
        moved = groups_of(query, wanted, items[order], labels[order], memory_bytes=memory)
        assert moved == whole


def test_a_query_without_relevant_items_scores_nothing():
    items = pack_real(torch.eye(2))
    gallery = Gallery(items, torch.tensor([0, 1]), CodeBudget(64))
    groups = next(cosine_groups(items, torch.tensor([5, 1]), gallery))
    assert average_precision(groups).tolist() == [0.0, 1.0]
    assert groups.total_relevant.tolist() == [0, 1]


def test_bytes_that_are_no_unit_embeddings_are_refused():
    items = pack_real(torch.eye(2))
    gallery, labels = Gallery(items, torch.tensor([0, 1]), CodeBudget(64)), torch.tensor([0, 1])
    for bad in (torch.full((2, 2), 0.9), torch.full((2, 2), torch.nan)):
        packed = bad.view(torch.uint8)
        with pytest.raises(HashQuantError, match="zero or of length 1"):
            cosine_groups(packed, labels, gallery)
        with pytest.raises(HashQuantError, match="zero or of length 1"):
            cosine_groups(items, labels, Gallery(packed, labels, CodeBudget(64)))
    with pytest.raises(HashQuantError, match="query codes must have 8 bytes"):
        cosine_groups(items[:, :4], labels, gallery)
    with pytest.raises(HashQuantError, match="label each"):
        cosine_groups(items, labels[:1], gallery)
