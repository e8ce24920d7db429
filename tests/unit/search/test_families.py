"""Additive and decoded codes: both comparisons, and what is stored, counted, listed and timed."""

import numpy as np
import pytest
import torch

from hashquant.codes.additive import sum_tables, sum_words
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.errors import HashQuantError
from hashquant.search import comparisons, latency
from hashquant.search.comparisons import MissingCodesError, StoredCodes, evaluate_all
from hashquant.search.distributions import distributions
from hashquant.search.latency import enlarged, faiss_search, search_times
from hashquant.search.shortlist import shortlist
from tests.unit.search.test_comparisons import (
    BOOKS,
    ITEMS,
    QUERIES,
    cost,
    counted,
    labels,
    names,
    rng,
    searched,
    whole,
)


def additive():
    """Codes of 4 books of 64 words as long as the queries, of which few are used: scores tie."""
    books, vectors = whole(4, 64, 6, seed=5), whole(QUERIES, 6, seed=8)
    gallery = torch.randint(5, (ITEMS, 4), generator=rng(6))
    query = torch.randint(5, (QUERIES, 4), generator=rng(7))
    codes = StoredCodes(
        "additive", BOOKS, pack_indices(gallery, BOOKS), labels(ITEMS, 2),
        pack_indices(query, BOOKS), labels(QUERIES, 4),
        query_table=sum_tables(vectors, books).float(), codebooks=books, larger_is_closer=True,
    )  # fmt: skip
    return codes, sum_words(gallery, books), sum_words(query, books), vectors


def decoded(size=6):
    """Codes of 12 bits that stand for vectors of any length."""
    gallery, query = (torch.randint(16, (n, 1), generator=rng(n)) for n in (ITEMS, QUERIES))
    words, vectors = whole(16, size, seed=1), whole(QUERIES, size, seed=8)

    def packed(indices):
        return torch.cat([indices, 0 * indices], dim=1).to(torch.uint8)

    codes = StoredCodes(
        "decoded", CodeBudget(12), packed(gallery), labels(ITEMS, 2), packed(query),
        labels(QUERIES, 4), query_embedding=vectors, gallery_decoded=words[gallery[:, 0]],
        query_decoded=words[query[:, 0]],
    )  # fmt: skip
    return codes, codes.gallery_decoded, codes.query_decoded, vectors


MADE = pytest.mark.parametrize("made", [additive, decoded])


@MADE
def test_scores_are_inner_products_with_what_is_decoded(made):
    codes, gallery, query, vectors = made()
    assert names(codes) == ["adc", "sdc"]
    assert searched(codes, "adc") == counted(-vectors @ gallery.T, codes)
    assert searched(codes, "sdc") == counted(-query @ gallery.T, codes)


def test_a_table_of_own_words_gives_another_symmetric_score():
    codes, gallery, query, _ = additive()
    own = StoredCodes(
        "table", BOOKS, codes.gallery, codes.gallery_labels, codes.query, codes.query_labels,
        symmetric_table=codes.codebooks @ codes.codebooks.mT, larger_is_closer=True,
    )  # fmt: skip
    assert searched(own, "sdc") != counted(-query @ gallery.T, codes)


def test_tables_made_for_one_query_at_a_time_change_nothing(monkeypatch):
    codes = additive()[0]
    together = searched(codes, "sdc")
    monkeypatch.setattr(comparisons, "TABLE_BYTES", 1)
    assert searched(codes, "sdc") == together


@MADE
def test_stored_arrays_give_the_same_scores(made):
    codes = made()[0]
    again = StoredCodes.from_arrays(codes.arrays(), cost(codes), codes.query_labels)
    assert [e.scores for e in evaluate_all(again)] == [e.scores for e in evaluate_all(codes)]


def test_vectors_too_large_to_store_are_left_out(monkeypatch):
    monkeypatch.setattr(comparisons, "STORED_BYTES", 100)
    for made, left in ((additive, ()), (decoded, ())):
        codes = made()[0]
        arrays = codes.arrays()
        assert sorted(arrays) == ["gallery", "gallery_label", "larger_is_closer", "query"]
        again = StoredCodes.from_arrays(arrays, cost(codes), codes.query_labels)
        assert evaluate_all(again) == left
        with pytest.raises(MissingCodesError):
            distributions(again)
        with pytest.raises(MissingCodesError):
            shortlist(again, np.arange(2), 3)


@pytest.mark.parametrize(
    ("made", "name", "wrong", "said"),
    [
        (additive, "codebooks", lambda a: a[:3], r"codebooks must be floating of .*\(4, 64, 6\)"),
        (additive, "codebooks", lambda a: a[0, 0, 0], r"codebooks must be .* got float32 of"),
        (decoded, "gallery_decoded", lambda a: a[1:], r"gallery_decoded must be .*\(60, 6\)"),
        (decoded, "query_decoded", lambda a: a[:, 1:], r"query_decoded must be .*\(7, 6\)"),
        (decoded, "query_embedding", lambda a: a[:, 1:], r"gallery_decoded must be .*\(60, 5\)"),
        (decoded, "gallery_decoded", lambda a: a > 0, "gallery_decoded must be floating"),
    ],
)
def test_arrays_that_do_not_fit_are_named(made, name, wrong, said):
    codes = made()[0]
    arrays = codes.arrays()
    arrays[name] = wrong(arrays[name])
    with pytest.raises(HashQuantError, match=said):
        StoredCodes.from_arrays(arrays, cost(codes), codes.query_labels)


@MADE
def test_pairs_are_counted_between_the_smallest_and_the_largest_score(made):
    codes, gallery, _, vectors = made()
    found, scores = distributions(codes), (vectors @ gallery.T).numpy()
    assert (str(found["comparison"]), bool(found["larger_is_closer"])) == ("adc", True)
    same = (codes.query_labels[:, None] == codes.gallery_labels).numpy()
    assert (found["same"].sum(), found["different"].sum()) == (same.sum(), (~same).sum())
    assert found["edges"][0] <= scores.min() <= found["edges"][1]
    assert found["edges"][-2] - 1e-6 <= scores.max() <= found["edges"][-1] + 0.1
    if made is decoded:
        expected, _ = np.histogram(scores[same], found["edges"])
        assert np.abs(found["same"] - expected).sum() <= 4  # whole numbers on edges


@MADE
def test_the_first_results_are_those_of_the_largest_scores(made):
    codes, gallery, _, vectors = made()
    found = shortlist(codes, np.arange(3), 5)
    scores = (vectors @ gallery.T).numpy()[:3]
    assert found.scores.tolist() == pytest.approx(np.sort(scores)[:, ::-1][:, :5])


def test_faiss_finds_our_additive_scores():
    codes, gallery, _, vectors = additive()
    found, places = faiss_search(codes, codes.codebooks, vectors)(ITEMS)
    ours = (vectors @ gallery.T).numpy()
    assert found == pytest.approx(np.take_along_axis(ours, places, 1), abs=1e-4)
    assert found == pytest.approx(np.sort(ours)[:, ::-1], abs=1e-4)
    assert faiss_search(codes, codes.codebooks, vectors[:, 1:]) is None


def test_what_faiss_cannot_search_is_timed_by_our_ranking_alone(monkeypatch):
    monkeypatch.setattr(latency, "SEARCH_ITEMS", 500)
    codes = decoded()[0]
    times = search_times(codes, None, codes.query_embedding)
    assert sorted(times) == ["search_items", "search_ms_kernel", "search_queries", "search_threads"]
    codes, _, _, vectors = additive()
    assert search_times(codes, codes.codebooks, vectors)["search_ms_faiss"] > 0


def test_decoded_items_are_searched_among_as_many_as_fit(monkeypatch):
    monkeypatch.setattr(latency, "FLOAT_BYTES", 40 * 4 * 6)
    codes = decoded()[0]
    large = enlarged(codes, torch.arange(2))
    assert len(large.gallery) == len(large.gallery_decoded) == 40
    vectors = dict(zip(codes.gallery[:, 0].tolist(), codes.gallery_decoded.tolist(), strict=True))
    for byte, vector in zip(large.gallery[:, 0].tolist(), large.gallery_decoded, strict=True):
        assert vector.tolist() == vectors[byte]
