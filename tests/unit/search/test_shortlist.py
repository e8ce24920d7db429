"""The first results against a plain sort, and what happens among equal scores."""

import numpy as np
import pytest
import torch

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices, table_scores
from hashquant.codes.real import pack_real
from hashquant.search.comparisons import MissingCodesError, StoredCodes
from hashquant.search.shortlist import shortlist, spread_queries

ITEMS, QUERIES = 50, 6
CHOSEN = np.array([4, 1])


def rng(seed):
    return torch.Generator().manual_seed(seed)


LABELS = (
    torch.randint(3, (ITEMS,), generator=rng(1)),
    torch.randint(3, (QUERIES,), generator=rng(2)),
)


def product(larger):
    budget = CodeBudget(24, 4, 64)
    gallery = torch.randint(64, (ITEMS, 4), generator=rng(3))
    table = torch.randn(QUERIES, 4, 64, generator=rng(4))
    codes = StoredCodes("table", budget, pack_indices(gallery, budget), LABELS[0],
                        pack_indices(gallery[:QUERIES], budget), LABELS[1], query_table=table,
                        larger_is_closer=larger)  # fmt: skip
    return codes, table_scores(table, gallery).numpy()


@pytest.mark.parametrize("larger", [False, True])
def test_scores_by_table_are_sorted_from_near_to_far(larger):
    codes, scores = product(larger)
    found = shortlist(codes, CHOSEN, 10)
    for row, query in enumerate(CHOSEN):
        order = np.argsort(-scores[query] if larger else scores[query])[:10]
        np.testing.assert_array_equal(found.items[row], order)
        np.testing.assert_array_equal(found.scores[row], scores[query, order])
        right = LABELS[0].numpy()[order] == int(LABELS[1][query])
        np.testing.assert_array_equal(found.right[row], right)
    assert not found.tied.any()


def test_cosines_are_sorted_from_large_to_small():
    gallery, query = (
        torch.randn(ITEMS, 5, generator=rng(5)),
        torch.randn(QUERIES, 5, generator=rng(6)),
    )
    codes = StoredCodes("float", CodeBudget(160), pack_real(gallery), LABELS[0], pack_real(query),
                        LABELS[1])  # fmt: skip
    cosine = torch.nn.functional.cosine_similarity(query[:, None], gallery, dim=2).numpy()
    found = shortlist(codes, CHOSEN, 10)
    np.testing.assert_array_equal(found.items, np.argsort(-cosine[CHOSEN])[:, :10])
    np.testing.assert_allclose(found.scores[0], cosine[4][found.items[0]], atol=1e-6)


def hashed(bits=12):
    gallery, query = (torch.randn(n, bits, generator=rng(n)) > 0 for n in (ITEMS, QUERIES))
    codes = StoredCodes("bits", CodeBudget(bits), pack_bits(gallery), LABELS[0], pack_bits(query),
                        LABELS[1])  # fmt: skip
    return codes, (query[:, None] != gallery).sum(dim=2).numpy()


def test_hamming_distances_rise_and_ties_are_marked():
    codes, distance = hashed()
    found = shortlist(codes, CHOSEN, 10)
    for row, query in enumerate(CHOSEN):
        scores = distance[query][found.items[row]]
        np.testing.assert_array_equal(found.scores[row], scores)
        np.testing.assert_array_equal(scores, np.sort(distance[query])[:10])
        often = np.array([(distance[query] == score).sum() > 1 for score in scores])
        np.testing.assert_array_equal(found.tied[row], often)
    assert found.tied.any()
    assert len(set(found.items[0])) == 10


def test_equal_items_stand_in_one_random_order_for_all():
    codes, _ = hashed()
    codes.gallery.fill_(255)
    found = shortlist(codes, CHOSEN, ITEMS)
    assert found.tied.all()
    np.testing.assert_array_equal(found.items[0], found.items[1])
    assert sorted(found.items[0]) == list(range(ITEMS))
    assert list(found.items[0]) != sorted(found.items[0])
    np.testing.assert_array_equal(found.items, shortlist(codes, CHOSEN, ITEMS).items)


def test_a_gallery_shorter_than_the_list_is_shown_whole():
    assert shortlist(hashed()[0], CHOSEN, 80).items.shape == (2, ITEMS)


def test_missing_tables_are_named():
    codes, _ = product(larger=False)
    object.__setattr__(codes, "query_table", None)
    with pytest.raises(MissingCodesError, match="no query_table"):
        shortlist(codes, CHOSEN, 10)


def test_queries_are_the_middles_of_equal_parts():
    ap = np.array([0.6, 0.2, np.nan, 0.1, 0.5, 0.3, 0.4])
    assert ap[spread_queries(ap, 3)].tolist() == [0.2, 0.4, 0.6]
    assert ap[spread_queries(ap, 2)].tolist() == [0.2, 0.5]
    assert spread_queries(ap, 99).tolist() == [3, 1, 5, 6, 4, 0]
