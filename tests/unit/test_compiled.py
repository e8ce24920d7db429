"""Compiled kernels and the pure path: the same bits, whichever counts."""

import sys

import numpy as np
import pytest
import torch

from hashquant import environment
from hashquant.codes import compiled
from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.evaluation import evaluate
from hashquant.search import Gallery, hamming_groups, table_groups

SHAPES = [(1, 1, 1), (3, 2, 2), (7, 501, 3), (33, 9000, 40), (5, 8193, 1)]


@pytest.fixture
def both_ways(monkeypatch):
    """Return a function that runs something pure and compiled, and returns both results."""

    def run(compute):
        monkeypatch.setattr(compiled, "FROM_PAIRS", float("inf"))
        pure = compute()
        monkeypatch.setattr(compiled, "FROM_PAIRS", 0)
        assert compiled.compiled(compiled.count_pairs, 1) is not None
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


def test_scores_that_crowd_at_one_end_are_placed_too(both_ways):
    tables, wanted, gallery = table_case((9, 5000, 4), 4, 256, 1, 256)
    sharp = (40 * tables).softmax(dim=2)
    for crowded in (sharp, -sharp, 1e-300 * tables.double(), torch.zeros_like(tables)):
        pure, fast = both_ways(
            lambda held=crowded: bits_of(table_groups(held, wanted, gallery, larger_is_closer=True))
        )
        assert fast == pure


def test_two_distances_a_word_are_counted_at_once():
    count = compiled.compiled(compiled.count_pairs, compiled.FROM_PAIRS)
    words = np.array([0b000, 0b001, 0b111], dtype=np.uint64)
    pairs = np.array([[0b000, 0b111]], dtype=np.uint64)
    joint = np.zeros((1, 16), dtype=np.uint32)
    ends = np.array([[0], [3]])
    count(words, pairs, ends[0], ends[1], 4, joint)
    assert joint.reshape(4, 4).nonzero()[0].tolist() == [0, 1, 3]  # distances to 000
    assert joint.reshape(4, 4).nonzero()[1].tolist() == [3, 2, 0]  # distances to 111


def test_small_searches_stay_pure():
    assert compiled.compiled(compiled.count_pairs, compiled.FROM_PAIRS - 1) is None


def test_without_numba_the_pure_path_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled._machine_code.cache_clear()
    assert compiled.compiled(compiled.count_pairs, compiled.FROM_PAIRS) is None
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
    assert compiled.compiled(compiled.count_pairs, compiled.FROM_PAIRS) is not None
    compiled._machine_code.cache_clear()


def test_versions_name_numba_where_it_counted(monkeypatch):
    monkeypatch.setattr(compiled, "used", lambda: False)
    assert "numba" not in environment.versions()
    monkeypatch.setattr(compiled, "used", lambda: True)
    assert "numba" in environment.versions()
