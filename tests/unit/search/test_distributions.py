"""Counts of distances and of code use, against numpy on every pair."""

import numpy as np
import pytest
import torch

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices, table_scores
from hashquant.codes.real import pack_real
from hashquant.search import distributions as module
from hashquant.search.comparisons import MissingCodesError, StoredCodes
from hashquant.search.distributions import BINS, distributions

ITEMS, QUERIES = 300, 40
BOOKS = CodeBudget(24, 4, 64)


def rng(seed):
    return torch.Generator().manual_seed(seed)


def labels(count, seed):
    """Four classes out of order, of which the queries know one that has no item."""
    return torch.randint(5 if count == QUERIES else 4, (count,), generator=rng(seed))


def binary(bits=36):
    gallery, query = (torch.randn(n, bits, generator=rng(n)) > 0 for n in (ITEMS, QUERIES))
    codes = StoredCodes("bits", CodeBudget(bits), pack_bits(gallery), labels(ITEMS, 1),
                        pack_bits(query), labels(QUERIES, 2))  # fmt: skip
    return codes, gallery, query


def product(larger=False):
    """Codes that use the first 40 of 64 codewords, with tables of random floats."""
    gallery = torch.randint(40, (ITEMS, 4), generator=rng(3))
    query = torch.randint(40, (QUERIES, 4), generator=rng(4))
    codes = StoredCodes(
        "table", BOOKS, pack_indices(gallery, BOOKS), labels(ITEMS, 1), pack_indices(query, BOOKS),
        labels(QUERIES, 2), query_table=torch.randn(QUERIES, 4, 64, generator=rng(5)),
        larger_is_closer=larger,
    )  # fmt: skip
    return codes, gallery


def same_class(codes):
    return (codes.query_labels[:, None] == codes.gallery_labels).numpy()


def agree(found, scores, codes):
    """Compare with numpy's histogram of all scores (q, n)."""
    same = same_class(codes)
    for name, wanted in (("same", scores[same]), ("different", scores[~same])):
        expected, _ = np.histogram(wanted, found["edges"])
        np.testing.assert_array_equal(found[name], expected)
    assert found["same"].sum() == same.sum() > 0
    assert found["same"].sum() + found["different"].sum() == QUERIES * ITEMS


def test_hamming_distances_have_a_bin_each():
    codes, gallery, query = binary()
    distance = (query[:, None] != gallery).sum(dim=2).numpy()
    found = distributions(codes)
    agree(found, distance, codes)
    assert (found["comparison"], len(found["same"])) == ("hamming", 37)
    assert not found["larger_is_closer"]
    np.testing.assert_array_equal(found["ones"], gallery.sum(dim=0))


@pytest.mark.parametrize("larger", [False, True])
def test_scores_by_table_fill_equal_bins_from_the_smallest_to_the_largest(larger):
    codes, gallery = product(larger)
    scores = table_scores(codes.query_table, gallery).numpy()
    found = distributions(codes)
    agree(found, scores, codes)
    edges = found["edges"]
    assert (found["comparison"], bool(found["larger_is_closer"])) == ("adc", larger)
    np.testing.assert_allclose(np.diff(edges), (edges[-1] - edges[0]) / BINS)
    cell = (edges[1] - edges[0]) / 4  # of 65,536 over all that the tables allow
    assert edges[0] <= scores.min() < edges[0] + cell
    assert scores.max() <= edges[-1] < scores.max() + (edges[-1] - edges[0]) / 16
    use = np.stack([np.bincount(book, minlength=64) for book in gallery.T.numpy()])
    np.testing.assert_array_equal(found["codeword_use"], use)


def test_cosines_are_counted_within_minus_one_and_one():
    gallery, query = (torch.randn(n, 6, generator=rng(n)) for n in (ITEMS, QUERIES))
    gallery[:QUERIES] = query  # cosines of exactly 1 belong to the last bin
    codes = StoredCodes("float", CodeBudget(32 * 6), pack_real(gallery), labels(ITEMS, 1),
                        pack_real(query), labels(QUERIES, 2))  # fmt: skip
    unit = [torch.nn.functional.normalize(x.double(), dim=1).numpy() for x in (query, gallery)]
    found = distributions(codes)
    agree(found, np.clip(unit[0] @ unit[1].T, -1, 1), codes)
    assert (found["edges"][0], found["edges"][-1], len(found["same"])) == (-1, 1, BINS)
    assert found["larger_is_closer"]


def test_chunks_and_threads_do_not_change_a_count(monkeypatch):
    made = [binary()[0], product()[0]]
    before = [distributions(codes) for codes in made]
    for name, value in {"_CHUNK": 7, "STRIP": 11, "_BLOCK": 13}.items():
        monkeypatch.setattr(module, name, value)
    for codes, wanted in zip(made, before, strict=True):
        found = distributions(codes)
        assert list(found) == list(wanted)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_equal_scores_everywhere_are_counted_in_one_bin():
    codes, _ = product()
    codes.query_table.fill_(0.25)
    found = distributions(codes)
    assert found["same"][0] == same_class(codes).sum()
    assert found["different"][1:].sum() == 0
    assert found["edges"][0] == 1.0


def test_tables_that_were_not_stored_are_named():
    codes, _ = product()
    object.__setattr__(codes, "query_table", None)
    with pytest.raises(MissingCodesError, match="no query_table"):
        distributions(codes)
