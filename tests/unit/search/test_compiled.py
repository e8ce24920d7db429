"""Compiled kernels and the pure path: the same bits, whichever counts."""

import math
import sys
from itertools import permutations

import numpy as np
import pytest
import torch

from hashquant.codes import adc, placing
from hashquant.codes.adc import Entries
from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.kernels import PAIR_COST, count_pairs, placers
from hashquant.codes.placing import rank_by_placing
from hashquant.codes.product import pack_indices
from hashquant.machine import compiled
from hashquant.metrics.averageprecision import TIES, average_precisions
from hashquant.metrics.kernels import fold_gains
from hashquant.metrics.ties import TieGroups
from hashquant.search.evaluation import evaluate
from hashquant.search.exhaustive import Gallery, hamming_groups, table_groups

SHAPES = [(1, 1, 1), (3, 2, 2), (7, 501, 3), (33, 9000, 40), (5, 8193, 1)]


@pytest.fixture
def both_ways(monkeypatch):
    """Return a function that runs something pure and compiled, and returns both results."""

    def run(compute):
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "FROM_PAIRS", float("inf"))
            patch.setattr(compiled, "used", lambda: False)
            pure = compute()
        monkeypatch.setattr(compiled, "FROM_PAIRS", 0)
        assert compiled.compiled(count_pairs, 1) is not None
        assert compiled.compiled_too(fold_gains) is not None
        return pure, compute()

    return run


def drawn(shape, seed):
    queries, items, classes = shape
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (queries + items,), generator=g)
    labels[0] = labels[-1]  # at least one query has a relevant item
    return g, labels[:queries], labels[queries:]


def bits_of(groups):
    found = evaluate(groups, "any")
    values = {name: v.tobytes() for name, v in found.per_query.items()}
    return found.scores, found.curve, values


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [1, 7, 16, 33, 64, 65])
def test_hamming_counts_are_the_same(both_ways, shape, length):
    g, wanted, labels = drawn(shape, length)
    codes = pack_bits(torch.rand(sum(shape[:2]), length, generator=g) > 0.4)
    gallery = Gallery(codes[shape[0] :], labels, CodeBudget(length))
    pure, fast = both_ways(lambda: bits_of(hamming_groups(codes[: shape[0]], wanted, gallery)))
    assert fast == pure


@pytest.mark.parametrize("width", [0, 1, 2, 7, 64, 1000])
@pytest.mark.parametrize("most", [1, 4])  # items a group
def test_average_precisions_are_the_same(both_ways, width, most):
    g = torch.Generator().manual_seed(width)
    size = torch.randint(1, most + 1, (5, width), generator=g)
    size[0, width // 2 :] = 0  # padding
    relevant = torch.minimum(torch.randint(0, most + 1, (5, width), generator=g), size)
    gallery_size = int(size.sum(dim=1).max()) + 3 if width else 3
    ahead = torch.where(size > 0, size.cumsum(1) - size, gallery_size)
    groups = TieGroups(
        ahead, size, relevant.cumsum(1) - relevant, relevant, relevant.sum(dim=1), gallery_size
    )
    wanted = {0: TIES, 1: ("worst",), gallery_size // 2 + 1: TIES}
    pure, fast = both_ways(lambda: [x.tolist() for x in average_precisions(groups, wanted)])
    assert fast == pure


@pytest.mark.parametrize("from_pairs", [0, float("inf")])
def test_ties_are_worth_the_mean_of_all_their_orders(monkeypatch, from_pairs):
    monkeypatch.setattr(compiled, "FROM_PAIRS", from_pairs)
    values = torch.tensor([0, 1, 1, 2, 3, 255, 255], dtype=torch.uint8).unsqueeze(1)
    relevant = [1, 0, 1, 0, 1, 1, 0]
    gallery = Gallery(values, torch.tensor(relevant), CodeBudget(8))
    query, wanted = torch.zeros(1, 1, dtype=torch.uint8), torch.tensor([1])
    found = evaluate(hamming_groups(query, wanted, gallery), "any").per_query["ap"]
    distance = [int(v).bit_count() for v in values]  # 0 and 8: both ends
    totals = []
    for order in permutations(range(7)):
        hits, total = 0, 0.0
        for rank, i in enumerate(sorted(order, key=distance.__getitem__), start=1):
            hits += relevant[i]
            total += relevant[i] * hits / rank
        totals.append(total / sum(relevant))
    assert found.tolist() == pytest.approx([math.fsum(totals) / len(totals)], abs=1e-14)


@pytest.mark.parametrize("from_pairs", [0, float("inf")])
def test_the_order_of_the_gallery_changes_no_bit(monkeypatch, from_pairs):
    monkeypatch.setattr(compiled, "FROM_PAIRS", from_pairs)
    g, wanted, labels = drawn((9, 700, 5), 3)
    order = torch.randperm(700, generator=g)
    codes = torch.randint(256, (709, 2), generator=g).to(torch.uint8)
    tables = torch.randn(9, 2, 256, generator=g)
    for budget in (CodeBudget(16), CodeBudget(16, 2, 256)):
        found = []
        for place in (torch.arange(700), order):
            gallery = Gallery(codes[9:][place], labels[place], budget)
            groups = (
                table_groups(tables, wanted, gallery, larger_is_closer=True)
                if budget.subspaces
                else hamming_groups(codes[:9], wanted, gallery)
            )
            found.append(bits_of(groups))
        assert found[0] == found[1]


def table_case(shape, books, words, seed, used):
    g, wanted, labels = drawn(shape, seed)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    indices = torch.randint(used, (shape[1], books), generator=g)
    tables = torch.randn(shape[0], books, words, generator=g)
    return tables, wanted, Gallery(pack_indices(indices, budget), labels, budget)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("books", [1, 3, 8])
@pytest.mark.parametrize(("words", "used"), [(256, 256), (16, 16), (256, 3), (512, 512)])
def test_table_counts_are_the_same(both_ways, shape, books, words, used):
    tables, wanted, gallery = table_case(shape, books, words, books, used)
    pure, fast = both_ways(
        lambda: bits_of(table_groups(tables, wanted, gallery, larger_is_closer=True))
    )
    assert fast == pure


def test_a_query_with_more_relevant_items_than_16_bits_count(both_ways):
    tables, wanted, gallery = table_case((2, 70_000, 1), 4, 256, 1, 256)
    pure, fast = both_ways(
        lambda: bits_of(table_groups(tables, wanted, gallery, larger_is_closer=False))
    )
    assert fast == pure


def test_many_values_in_each_of_few_bins_are_placed_too(both_ways, monkeypatch):
    monkeypatch.setattr(placing, "MOST_BINS", 1 << 3)
    for used in (256, 3):  # 3: equal codes are merged, entries have weights
        tables, wanted, gallery = table_case((9, 5000, 4), 4, 256, 1, used)
        pure, fast = both_ways(
            lambda case=(tables, wanted, gallery): bits_of(
                table_groups(*case, larger_is_closer=True)
            )
        )
        assert fast == pure


@pytest.mark.parametrize("used", [256, 3])  # 3: equal codes tie, or are merged as entries
@pytest.mark.parametrize("shape", SHAPES)
def test_others_are_merged_with_many_relevant_items(both_ways, monkeypatch, shape, used):
    tables, wanted, gallery = table_case(shape, 4, 256, 1, used)
    monkeypatch.setattr(placing, "MERGED_FROM", 0)
    monkeypatch.setattr(placing, "BLOCK", 700)
    for merged in (1.0, 0.0):
        monkeypatch.setattr(adc, "MERGE_BELOW", merged)
        pure, fast = both_ways(
            lambda: bits_of(table_groups(tables, wanted, gallery, larger_is_closer=True))
        )
        assert fast == pure


def test_scores_that_crowd_at_one_end_are_placed_too(both_ways):
    tables, wanted, gallery = table_case((9, 5000, 4), 4, 256, 1, 256)
    sharp = (40 * tables).softmax(dim=2)
    for crowded in (sharp, -sharp, 1e-300 * tables.double(), torch.zeros_like(tables)):
        pure, fast = both_ways(
            lambda held=crowded: bits_of(table_groups(held, wanted, gallery, larger_is_closer=True))
        )
        assert fast == pure


def test_two_distances_a_word_are_counted_at_once():
    count = compiled.compiled(count_pairs, compiled.FROM_PAIRS)
    words = np.array([0b000, 0b001, 0b111], dtype=np.uint64)
    pairs = np.array([[0b000, 0b111]], dtype=np.uint64)
    joint = np.zeros((1, 16), dtype=np.uint32)
    ends = np.array([[0], [3]])
    count(words, pairs, ends[0], ends[1], 4, joint)
    assert joint.reshape(4, 4).nonzero()[0].tolist() == [0, 1, 3]  # distances to 000
    assert joint.reshape(4, 4).nonzero()[1].tolist() == [3, 2, 0]  # distances to 111


def written(groups):
    row = np.full((4, len(groups)), -1)
    groups.write(row)
    return row.tolist()


@pytest.mark.parametrize("unit", [1.0, 1e-12])  # far apart; nearer than bins can tell
def test_scores_are_counted_between_and_at_the_values(unit):
    table = np.array([[-unit, 0, unit / 2, unit, 2 * unit, 3 * unit, 4 * unit, 1.0, 8.0]])
    relevant = np.array([[1], [3], [4], [4], [7]], dtype=np.uint8)
    table[0, 7] += 4 * unit  # the last value in both cases
    others = np.array([[0], [2], [4], [5], [5], [7], [8]], dtype=np.uint8)
    entries = Entries(np.concatenate([others[:3], relevant, others[3:]]))
    kernels = placers(compiled.FROM_PAIRS)
    (found,) = rank_by_placing(table[np.newaxis], entries, np.array([[3, 8]]), kernels)
    ahead, size, ahead_relevant, relevant = written(found)
    assert ahead == [1, 3, 4, 9]  # one is before 0, one between 0 and a unit
    assert size == [1, 1, 3, 2]
    assert ahead_relevant == [0, 1, 2, 4]
    assert relevant == [1, 1, 2, 1]


def test_weighted_entries_count_as_often_as_they_weigh():
    entries = Entries(np.array([[0], [1], [2]], dtype=np.uint8), np.array([5, 2, 7]))
    kernels = placers(compiled.FROM_PAIRS)
    table = np.array([[[1.0, 2.0, 2.0]]])
    (found,) = rank_by_placing(table, entries, np.array([[1, 2]]), kernels)
    assert written(found) == [[5], [9], [0], [2]]


def test_small_searches_stay_pure():
    assert compiled.compiled(count_pairs, compiled.FROM_PAIRS - 1) is None
    assert placers(compiled.FROM_PAIRS // PAIR_COST) is not None
    assert placers(compiled.FROM_PAIRS // PAIR_COST - 1) is None


def test_without_numba_the_pure_path_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled._machine_code.cache_clear()
    assert compiled.compiled(count_pairs, compiled.FROM_PAIRS) is None
    assert not compiled.used()
    compiled._machine_code.cache_clear()


def test_nowhere_to_keep_machine_code_is_no_failure(monkeypatch):
    numba = pytest.importorskip("numba")
    plain = numba.njit

    def read_only(*arguments, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return plain(*arguments, **options)

    monkeypatch.setattr(numba, "njit", read_only)
    compiled._machine_code.cache_clear()
    assert compiled.compiled(count_pairs, compiled.FROM_PAIRS) is not None
    compiled._machine_code.cache_clear()
