"""Search on the edges: one item, equal codes, both ends, empty classes, bad input."""

import pytest
import torch

from hashquant.codes.binary import asymmetric_table, pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.errors import HashQuantError
from hashquant.metrics.averageprecision import average_precision
from hashquant.search.exhaustive import Gallery, hamming_groups, table_groups

BITS = CodeBudget(16)
BOOKS = CodeBudget(16, 2, 256)


def codes(*values):
    return torch.tensor([[v >> 8, v & 255] for v in values], dtype=torch.uint8)


def labels(*values):
    return torch.tensor(values)


def test_a_gallery_is_put_in_order_of_class():
    gallery = Gallery(codes(1, 2, 3, 4), labels(7, 3, 7, 3), BITS)
    assert gallery.labels.tolist() == [3, 3, 7, 7]
    assert sorted(gallery.codes[:2, 1].tolist()) == [2, 4]
    assert len(gallery) == 4


def test_a_gallery_in_order_is_not_copied():
    held = codes(1, 2)
    assert Gallery(held, labels(0, 1), BITS).codes.data_ptr() == held.data_ptr()


@pytest.mark.parametrize("budget", [BITS, BOOKS])
def test_a_gallery_of_one_item(budget):
    gallery = Gallery(codes(0xFFFF), labels(0), budget)
    if budget is BITS:
        groups = next(hamming_groups(codes(0x0000), labels(0), gallery))
        assert groups.size[0, 16] == 1
    else:
        tables = torch.randn(1, 2, 256)
        groups = next(table_groups(tables, labels(0), gallery, larger_is_closer=False))
    assert average_precision(groups).tolist() == [1.0]


@pytest.mark.parametrize("budget", [BITS, BOOKS])
def test_equal_codes_tie_whatever_their_class(budget):
    gallery = Gallery(codes(*[513] * 10), labels(*[0, 1] * 5), budget)
    if budget is BITS:
        groups = next(hamming_groups(codes(513, 0), labels(0, 5), gallery))
    else:
        tables = torch.randn(2, 2, 256)
        groups = next(table_groups(tables, labels(0, 5), gallery, larger_is_closer=True))
    held = groups.relevant[0] > 0
    assert groups.size[0][held].tolist() == [10]
    assert groups.relevant[0][held].tolist() == [5]
    assert groups.total_relevant.tolist() == [5, 0]
    assert average_precision(groups)[1] == 0


def test_distances_at_both_ends():
    gallery = Gallery(codes(0x0000, 0xFFFF), labels(0, 0), BITS)
    groups = next(hamming_groups(codes(0x0000), labels(0), gallery))
    assert groups.size[0].tolist() == [1] + [0] * 15 + [1]
    assert groups.within_radius.tolist() == [[1, 1]]


def test_a_table_without_any_difference_ties_everything():
    gallery = Gallery(codes(1, 2, 3), labels(0, 0, 1), BOOKS)
    for value in (0.0, 5.0):
        tables = torch.full((1, 2, 256), value)
        groups = next(table_groups(tables, labels(0), gallery, larger_is_closer=True))
        assert groups.size[0].tolist() == [3]


def test_asymmetric_search_ranks_packed_bits_by_inner_product():
    bits = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]]).bool()
    gallery = Gallery(pack_bits(bits), labels(0, 1, 2), CodeBudget(3))
    table = asymmetric_table(torch.tensor([[0.5, -2.0, 0.1]]).repeat(3, 1))
    chunks = table_groups(table, labels(0, 1, 2), gallery, larger_is_closer=True)
    found = torch.cat([chunk.ahead for chunk in chunks]).flatten()
    assert found.tolist() == [2, 0, 1]  # inner products -1.4, 2.4, 1.4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Gallery(codes(1), labels(0, 1), BITS), "1 codes and 2 labels"),
        (lambda: Gallery(codes(1), labels(0), CodeBudget(24)), "must have 3 bytes"),
    ],
)  # fmt: skip
def test_a_bad_gallery_is_refused(call, said):
    with pytest.raises(HashQuantError, match=said):
        call()


def test_an_empty_gallery_is_refused():
    empty = torch.zeros(0, 2, dtype=torch.uint8)
    with pytest.raises(HashQuantError, match="at least one"):
        Gallery(empty, torch.zeros(0, dtype=torch.int64), BITS)


def test_bad_queries_are_refused_before_any_work():
    gallery = Gallery(codes(1, 2), labels(0, 1), BOOKS)
    binary = Gallery(codes(1, 2), labels(0, 1), BITS)
    good = torch.zeros(1, 2, 256)
    with pytest.raises(HashQuantError, match="query codes must have 2 bytes"):
        hamming_groups(codes(1)[:, :1], labels(0), binary)
    with pytest.raises(HashQuantError, match="label each"):
        hamming_groups(codes(1), labels(0, 1), binary)
    with pytest.raises(HashQuantError, match=r"\(2, 256\), got \(3, 256\)"):
        table_groups(torch.zeros(1, 3, 256), labels(0), gallery, larger_is_closer=True)
    with pytest.raises(HashQuantError, match="finite"):
        table_groups(good / 0, labels(0), gallery, larger_is_closer=True)
    with pytest.raises(HashQuantError, match="label each"):
        table_groups(good, labels(0, 1), gallery, larger_is_closer=True)


def test_repeated_codes_are_merged_and_counted():
    g = torch.Generator().manual_seed(1)
    indices = torch.randint(3, (500, 2), generator=g)
    wanted = torch.randint(4, (500,), generator=g)
    gallery = Gallery(pack_indices(indices, BOOKS), wanted, BOOKS)
    tables = torch.randn(4, 2, 256, generator=g)
    sizes = torch.zeros(4, dtype=torch.int64)
    for chunk in table_groups(tables, labels(0, 1, 2, 3), gallery, larger_is_closer=True):
        assert chunk.relevant.sum(1).tolist() == chunk.total_relevant.tolist()
        sizes += chunk.size.sum(1)
    assert sizes.tolist() == [500] * 4  # nine codes, each in every class
