"""Exact algebra of codes, for any code."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hashquant.codes.adc import bin_count, coarse_table, exact_scores
from hashquant.codes.binary import (
    asymmetric_table,
    binarise,
    distance_counts,
    distance_counts_by_product,
    pack_bits,
    signs,
    unpack_bits,
)
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices, table_scores, unpack_indices

seeds = st.integers(0, 2**31)
lengths = st.integers(1, 300)


def random_bits(seed, n, length):
    return torch.rand(n, length, generator=torch.Generator().manual_seed(seed)) > 0.5


@given(seeds, st.integers(0, 9), lengths)
def test_packed_bits_come_back(seed, n, length):
    bits = random_bits(seed, n, length)
    packed = pack_bits(bits)
    assert packed.shape == (n, (length + 7) // 8)
    assert torch.equal(unpack_bits(packed, length), bits)
    assert np.array_equal(packed.numpy(), np.packbits(bits.numpy(), axis=1))


@given(seeds, st.integers(0, 9), st.integers(1, 9), st.integers(1, 11))
def test_packed_indices_come_back(seed, n, books, width):
    budget = CodeBudget(books * width, books, 2**width)
    g = torch.Generator().manual_seed(seed)
    indices = torch.randint(2**width, (n, books), generator=g)
    packed = pack_indices(indices, budget)
    assert packed.shape == (n, budget.code_bytes)
    assert torch.equal(unpack_indices(packed, budget), indices)


@given(seeds, lengths)
def test_hamming_distance_is_half_of_length_minus_inner_product(seed, length):
    a, b = random_bits(seed, 2, length).float() * 2 - 1
    wanted = int((length - a @ b) / 2)
    query, item = pack_bits((a > 0)[None]), pack_bits((b > 0)[None])
    bounds = torch.tensor([[0, 1]])
    total, relevant = distance_counts(query.numpy(), item.numpy(), bounds.numpy(), length)
    by_product = distance_counts_by_product(query, item, bounds, length, 1 << 20)
    for counts in (total, relevant, by_product[0].numpy(), by_product[1].numpy()):
        assert np.flatnonzero(counts[0]).tolist() == [wanted]


@given(seeds, st.integers(1, 70))
def test_asymmetric_table_scores_are_inner_products(seed, length):
    g = torch.Generator().manual_seed(seed)
    query = torch.randn(3, length, generator=g)
    packed = pack_bits(binarise(torch.randn(5, length, generator=g)))
    scores = table_scores(asymmetric_table(query), packed.long())
    wanted = query.double() @ signs(packed, length).double().T
    torch.testing.assert_close(scores, wanted, rtol=1e-5, atol=1e-5)


@given(seeds, st.integers(1, 6), st.integers(1, 5))
def test_table_score_is_brute_force_on_reconstructed_vectors(seed, books, size):
    g = torch.Generator().manual_seed(seed)
    codebooks = torch.randn(books, 8, size, generator=g, dtype=torch.float64)
    query = torch.randn(4, books, size, generator=g, dtype=torch.float64)
    indices = torch.randint(8, (9, books), generator=g)
    items = torch.stack([codebooks[m, indices[:, m]] for m in range(books)], dim=1)
    tables = torch.einsum("qms,mks->qmk", query, codebooks)
    inner = torch.einsum("qms,nms->qn", query, items)
    torch.testing.assert_close(table_scores(tables, indices), inner, rtol=0, atol=1e-12)
    squared = (query[:, None] - items[None]).square().sum(dim=(2, 3))
    tables = (query[:, :, None] - codebooks[None]).square().sum(dim=3)
    torch.testing.assert_close(table_scores(tables, indices), squared, rtol=0, atol=1e-12)


@given(seeds, st.integers(1, 12))
def test_equal_codes_have_equal_scores_to_the_bit(seed, books):
    g = torch.Generator().manual_seed(seed)
    tables = torch.randn(2, books, 16, generator=g)
    indices = torch.randint(16, (1, books), generator=g).repeat(50, 1)
    scores = table_scores(tables, indices)
    assert (scores == scores[:, :1]).all()
    for table, row in zip(tables, scores, strict=True):
        assert np.array_equal(exact_scores(table.double().numpy(), indices.numpy()), row.numpy())


@given(
    seeds,
    st.integers(1, 20),
    st.sampled_from([0.0, 1e-300, 1e-9, 1.0, 1e9, 1e200]),
    st.sampled_from([0.0, 1.0, -1e6, 1e12]),
    st.floats(1, 60),
)
def test_coarse_bins_two_apart_are_in_the_order_of_the_exact_scores(
    seed, books, scale, offset, sharpness
):
    rng = np.random.default_rng(seed)
    table = rng.random((books, 16)) ** sharpness * scale + offset
    indices = rng.integers(0, 16, (200, books))
    count = bin_count(10**6, 10**6, books)
    bins = exact_scores(coarse_table(table, count), indices).astype(np.int64)
    assert bins.min() >= 0
    assert bins.max() < count
    scores = exact_scores(table, indices)
    order = np.argsort(scores)
    highest = np.maximum.accumulate(bins[order])
    assert (highest - bins[order] < 2).all()
