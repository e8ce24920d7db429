"""Search and scores against brute force: chunks, order and monotone maps change nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hashquant.codes import adc, binary
from hashquant.codes.binary import pack_bits, signs
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices, table_scores
from hashquant.metrics.averageprecision import average_precision
from hashquant.metrics.ties import groups_of_scores
from hashquant.search import exhaustive
from hashquant.search.evaluation import evaluate
from hashquant.search.exhaustive import Gallery, hamming_groups, table_groups
from hashquant.search.ondevice import score_chunks

seeds = st.integers(0, 2**31)


def shapes():
    """(queries, items, classes): few classes tie a lot, many leave some queries without items."""
    return st.tuples(st.integers(1, 12), st.integers(1, 90), st.integers(1, 12))


def fields(groups):
    """What a chunk says, without padding: per query the groups with relevant items."""
    for chunk in groups:
        for q in range(len(chunk.ahead)):
            held = chunk.relevant[q] > 0
            rows = (chunk.ahead, chunk.size, chunk.ahead_relevant, chunk.relevant)
            yield [x[q][held].tolist() for x in rows], int(chunk.total_relevant[q])


def brute(scores, labels, wanted):
    """The same by counting every pair."""
    for row, label in zip(scores, wanted, strict=True):
        relevant = labels == label
        values = row[relevant].unique()  # in order
        columns = [
            [int((row < v).sum()) for v in values],
            [int((row == v).sum()) for v in values],
            [int((row[relevant] < v).sum()) for v in values],
            [int((row[relevant] == v).sum()) for v in values],
        ]
        yield columns, int(relevant.sum())


def binary_case(seed, shape, length):
    queries, items, classes = shape
    g = torch.Generator().manual_seed(seed)
    bits = torch.rand(queries + items, length, generator=g) > 0.4
    labels = torch.randint(classes, (queries + items,), generator=g)
    packed = pack_bits(bits)
    return packed[:queries], labels[:queries], packed[queries:], labels[queries:]


def product_case(seed, shape, books, words):
    queries, items, classes = shape
    g = torch.Generator().manual_seed(seed)
    tables = torch.randn(queries, books, words, generator=g)
    indices = torch.randint(words, (items, books), generator=g)
    labels = torch.randint(classes, (queries + items,), generator=g)
    return tables, labels[:queries], indices, labels[queries:]


@given(seeds, shapes(), st.sampled_from([1, 7, 16, 24, 48, 64, 65, 127, 128, 255, 256, 300]))
def test_hamming_groups_are_counts_of_every_pair(seed, shape, length):
    codes, wanted, items, labels = binary_case(seed, shape, length)
    gallery = Gallery(items, labels, CodeBudget(length))
    distance = (length - signs(codes, length) @ signs(items, length).T) / 2
    truth = list(brute(distance, labels, wanted))
    assert list(fields(hamming_groups(codes, wanted, gallery))) == truth
    assert list(fields(exhaustive._device_chunks(codes, wanted, gallery, 5000))) == truth
    chunk = next(hamming_groups(codes, wanted, gallery))
    assert chunk.within_radius[:, 0].tolist() == (distance <= 2)[: len(chunk.size)].sum(1).tolist()


@given(seeds, shapes(), st.integers(1, 4), st.sampled_from([2, 16, 256, 512]), st.booleans())
def test_table_groups_are_counts_of_every_pair(seed, shape, books, words, larger):
    tables, wanted, indices, labels = product_case(seed, shape, books, words)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    gallery = Gallery(pack_indices(indices, budget), labels, budget)
    scores = table_scores(-tables if larger else tables, indices)
    truth = list(brute(scores, labels, wanted))
    found = table_groups(tables, wanted, gallery, larger_is_closer=larger)
    assert list(fields(found)) == truth
    signed = -tables if larger else tables
    assert list(fields(score_chunks(signed, wanted, gallery, 9000))) == truth


def evaluations(case, budget, memory=exhaustive.MEMORY_BYTES):
    queries, wanted, items, labels = case
    gallery = Gallery(items, labels, budget)
    if not budget.subspaces:
        groups = hamming_groups(queries, wanted, gallery, memory_bytes=memory)
    else:
        groups = table_groups(queries, wanted, gallery, larger_is_closer=True, memory_bytes=memory)
    found = evaluate(groups, "any")
    return found.scores, found.curve, [v.tolist() for v in found.per_query.values()]


def both_cases(seed):
    codes, wanted, items, labels = binary_case(seed, (11, 300, 7), 12)
    yield (codes, wanted, items, labels), CodeBudget(12)
    tables, wanted, indices, labels = product_case(seed, (11, 300, 7), 3, 16)
    budget = CodeBudget(12, 3, 16)
    yield (tables, wanted, pack_indices(indices, budget), labels), budget


@pytest.mark.parametrize("seed", range(4))
def test_permuting_the_gallery_changes_no_bit(seed):
    for (queries, wanted, items, labels), budget in both_cases(seed):
        order = torch.randperm(len(items), generator=torch.Generator().manual_seed(seed))
        before = evaluations((queries, wanted, items, labels), budget)
        assert evaluations((queries, wanted, items[order], labels[order]), budget) == before


@pytest.mark.parametrize("seed", range(4))
def test_chunks_of_queries_and_blocks_of_items_change_no_bit(seed, monkeypatch):
    for case, budget in both_cases(seed):
        whole = evaluations(case, budget)
        assert evaluations(case, budget, memory=1) == whole
        for module, name, value in [
            (binary, "BLOCK", 37), (binary, "STRIP", 10), (binary, "TOGETHER", 2),
            (binary, "PAIRS_FROM", 8), (adc, "BLOCK", 41), (adc, "STRIP", 9),
            (exhaustive, "_CHUNK", 3), (adc, "MERGE_BELOW", 0.0),
        ]:  # fmt: skip
            monkeypatch.setattr(module, name, value)
            assert evaluations(case, budget) == whole, name
        monkeypatch.setattr(adc, "MERGE_BELOW", 1.0)
        assert evaluations(case, budget) == whole
        monkeypatch.undo()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_bit_and_leave_torch_as_it_was(threads):
    before = torch.get_num_threads()
    for case, budget in both_cases(9):
        alone = evaluations(case, budget)
        try:
            torch.set_num_threads(threads)
            assert evaluations(case, budget) == alone
            assert evaluations(case, budget, memory=1) == alone  # fewer queries than threads
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)


@given(seeds)
def test_a_monotone_map_of_the_scores_changes_nothing(seed):
    g = torch.Generator().manual_seed(seed)
    scores = torch.randint(-9, 9, (5, 40), generator=g).double()
    slices = torch.tensor([[0, 3], [3, 10], [0, 40], [7, 7], [39, 40]])
    plain, mapped = (groups_of_scores(s, slices) for s in (scores, scores.exp() + 3))
    for cutoff in (0, 10):
        assert torch.equal(average_precision(plain, cutoff), average_precision(mapped, cutoff))


@pytest.mark.parametrize("items", [1, 2, (1 << 16) - 1, (1 << 16) + 1, (1 << 18) + 3])
@pytest.mark.parametrize("length", [16, 64])
def test_long_galleries_are_counted_whole(items, length):
    rng = np.random.default_rng(items)
    codes = torch.from_numpy(rng.integers(0, 256, (items, length // 8), dtype=np.uint8))
    query = torch.cat([codes[:1], ~codes[:1], codes[-1:]])
    bounds = np.array([[0, items], [items // 2, items], [0, 0]])
    total, relevant = binary.distance_counts(query.numpy(), codes.numpy(), bounds, length)
    for i, (low, high) in enumerate(bounds):
        distance = np.unpackbits(codes.numpy() ^ query[i].numpy(), axis=1).sum(axis=1)
        assert np.array_equal(total[i], np.bincount(distance, minlength=length + 1))
        wanted = np.bincount(distance[low:high], minlength=length + 1)
        assert np.array_equal(relevant[i], wanted)
    assert total[0, 0] > 0
    assert total[1, length] > 0
