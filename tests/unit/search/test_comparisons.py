"""Both comparisons of both families against plain sums over reconstructed codes."""

import numpy as np
import pytest
import torch

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.codes.real import pack_real
from hashquant.errors import HashQuantError
from hashquant.records.record import Cost
from hashquant.search import comparisons
from hashquant.search.comparisons import MissingCodesError, StoredCodes, evaluate_all, merged

ITEMS, QUERIES, CLASSES = 60, 7, 4
BOOKS = CodeBudget(24, 4, 64)


def rng(seed):
    return torch.Generator().manual_seed(seed)


def labels(count, seed):
    return torch.randint(CLASSES, (count,), generator=rng(seed))


def whole(*shape, seed, most=3):
    """Small whole numbers, whose sums and products are exact in float32."""
    return torch.randint(-most, most + 1, shape, generator=rng(seed)).float()


def binary(bits=36):
    query = whole(QUERIES, bits, seed=3)
    return StoredCodes(
        "bits", CodeBudget(bits), pack_bits(whole(ITEMS, bits, seed=1) > 0), labels(ITEMS, 2),
        pack_bits(query > 0), labels(QUERIES, 4), query_embedding=query,
    )  # fmt: skip


def product(larger_is_closer=False):
    """Codes of 4 books of 64 whole codewords, of which few are used, so that scores tie."""
    books = whole(4, 64, 3, seed=5)
    gallery = torch.randint(5, (ITEMS, 4), generator=rng(6))
    query = torch.randint(5, (QUERIES, 4), generator=rng(7))
    vectors = whole(QUERIES, 4, 3, seed=8)
    if larger_is_closer:
        table, symmetric = torch.einsum("qms,mks->qmk", vectors, books), books @ books.mT
    else:
        table = (vectors[:, :, None] - books).square().sum(3)
        symmetric = (books[:, :, None] - books[:, None]).square().sum(3)
    codes = StoredCodes(
        "table", BOOKS, pack_indices(gallery, BOOKS), labels(ITEMS, 2), pack_indices(query, BOOKS),
        labels(QUERIES, 4), query_table=table, symmetric_table=symmetric,
        larger_is_closer=larger_is_closer,
    )  # fmt: skip
    place = torch.arange(4)
    return codes, books[place, gallery].flatten(1), books[place, query].flatten(1), vectors


def real(size=6):
    def packed(count, seed):
        return pack_real(torch.randn(count, size, generator=rng(seed)))

    return StoredCodes(
        "float", CodeBudget(32 * size), packed(ITEMS, 1), labels(ITEMS, 2), packed(QUERIES, 3),
        labels(QUERIES, 4),
    )  # fmt: skip


def counted(distances, codes):
    """Return each query's groups as plain counting finds them: smaller distances are nearer."""
    found = []
    for row, wanted in zip(distances, codes.query_labels, strict=True):
        mine = codes.gallery_labels == wanted
        values = sorted({float(value) for value in row[mine]})
        found.append([
            (int((row < v).sum()), int((row == v).sum()), int((row[mine] < v).sum()),
             int((row[mine] == v).sum())) for v in values
        ])  # fmt: skip
    return found


def searched(codes, comparison):
    """Return each query's groups that hold relevant items, as `rankings` finds them."""
    chunks = next(groups for name, groups in codes.rankings() if name == comparison)
    return [
        [row for row in zip(*(part.tolist() for part in query), strict=True) if row[3]]
        for chunk in chunks
        for query in zip(chunk.ahead, chunk.size, chunk.ahead_relevant, chunk.relevant, strict=True)
    ]


def names(codes):
    return [name for name, _ in codes.rankings()]


def test_every_family_has_its_comparisons_headline_first():
    assert names(binary()) == ["hamming", "asymmetric-hamming"]
    assert names(product()[0]) == ["adc", "sdc"]
    assert names(real()) == ["cosine"]


@pytest.mark.parametrize("bits", [16, 36])
def test_asymmetric_hamming_is_the_inner_product_of_embedding_and_signs(bits):
    codes = binary(bits)
    signs = torch.where(whole(ITEMS, bits, seed=1) > 0, 1.0, -1.0)
    products = codes.query_embedding @ signs.T
    assert searched(codes, "asymmetric-hamming") == counted(-products, codes)


def test_hamming_counts_differing_signs():
    codes = binary()
    far = (codes.query_embedding[:, None] > 0) != (whole(ITEMS, 36, seed=1) > 0)
    assert searched(codes, "hamming") == counted(far.sum(2), codes)


def test_sdc_is_the_distance_of_reconstructed_codewords():
    codes, gallery, query, _ = product()
    distances = (query[:, None] - gallery).square().sum(2)
    assert searched(codes, "sdc") == counted(distances, codes)


def test_sdc_is_the_inner_product_where_larger_is_closer():
    codes, gallery, query, _ = product(larger_is_closer=True)
    assert searched(codes, "sdc") == counted(-query @ gallery.T, codes)


@pytest.mark.parametrize("larger", [False, True])
def test_adc_compares_the_query_itself_with_codewords(larger):
    codes, gallery, _, vectors = product(larger)
    query = vectors.flatten(1)
    distances = -query @ gallery.T if larger else (query[:, None] - gallery).square().sum(2)
    assert searched(codes, "adc") == counted(distances, codes)


def test_cosine_compares_directions():
    codes = real()
    query, gallery = (torch.randn(n, 6, generator=rng(s)) for n, s in ((QUERIES, 3), (ITEMS, 1)))
    products = query @ gallery.T / gallery.norm(dim=1)  # a query's own length orders nothing
    assert searched(codes, "cosine") == counted(-products, codes)


@pytest.mark.parametrize("comparison", ["asymmetric-hamming", "sdc"])
def test_tables_made_for_one_query_at_a_time_change_nothing(comparison, monkeypatch):
    codes = binary() if comparison == "asymmetric-hamming" else product()[0]
    together = searched(codes, comparison)
    monkeypatch.setattr(comparisons, "TABLE_BYTES", 1)
    assert searched(codes, comparison) == together


def cost(codes):
    budget = codes.budget
    return Cost(budget.bits, budget.code_bytes, 0, codes.form, budget.subspaces,
                budget.codewords, 1, 1)  # fmt: skip


@pytest.mark.parametrize("codes", [binary(), product(True)[0], product()[0], real()])
def test_stored_arrays_give_the_same_scores(codes):
    again = StoredCodes.from_arrays(codes.arrays(), cost(codes), codes.query_labels)
    before, after = evaluate_all(codes), evaluate_all(again)
    assert [e.scores for e in before] == [e.scores for e in after]
    assert [e.curve for e in before] == [e.curve for e in after]


def test_large_tables_are_left_out_and_small_codes_never(monkeypatch):
    monkeypatch.setattr(comparisons, "STORED_BYTES", 100)
    assert sorted(binary().arrays()) == ["gallery", "gallery_label", "larger_is_closer", "query"]
    assert sorted(real().arrays()) == ["gallery_label", "larger_is_closer"]
    codes = product()[0]
    again = StoredCodes.from_arrays(codes.arrays(), cost(codes), codes.query_labels)
    assert evaluate_all(again) == ()


def test_what_is_left_of_a_product_code_is_compared():
    codes = product()[0]
    arrays = codes.arrays()
    del arrays["query_table"]
    again = StoredCodes.from_arrays(arrays, cost(codes), codes.query_labels)
    assert names(again) == ["sdc"]


@pytest.mark.parametrize(
    ("made", "lost"),
    [(binary(), "gallery"), (product()[0], "larger_is_closer"), (real(), "query")],
)
def test_missing_arrays_are_named(made, lost):
    arrays = made.arrays()
    del arrays[lost]
    with pytest.raises(MissingCodesError, match=f"no {lost} is stored"):
        StoredCodes.from_arrays(arrays, cost(made), made.query_labels)


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("gallery", lambda a: a[:-1], r"gallery must be uint8 of shape \(60, 3\).*\(59, 3\)"),
        ("gallery", lambda a: a.astype(np.int64), "gallery must be uint8 .* got int64"),
        ("gallery_label", lambda a: a[:, None], r"gallery_label must be int64 of shape \(60,\)"),
        ("query", lambda a: a[:, :2], r"query must be uint8 of shape \(7, 3\)"),
        ("query_table", lambda a: a[:3], r"query_table must be floating of shape \(7, 4, 64\)"),
        ("symmetric_table", lambda a: a[:, :5], r"symmetric_table must be .* \(4, 64, 64\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(name, wrong, said):
    codes = product()[0]
    arrays = codes.arrays()
    arrays[name] = wrong(arrays[name])
    with pytest.raises(HashQuantError, match=said):
        StoredCodes.from_arrays(arrays, cost(codes), codes.query_labels)


def test_an_unknown_form_is_named():
    codes = binary()
    strange = Cost(36, 5, 0, "bitts", 0, 0, 1, 1)
    with pytest.raises(HashQuantError, match="did you mean 'bits'"):
        StoredCodes.from_arrays(codes.arrays(), strange, codes.query_labels)


def test_merging_keeps_the_headline_and_names_the_other():
    adc, sdc = evaluate_all(product()[0])
    both = merged((adc, sdc))
    assert both.scores == adc.scores + sdc.scores
    assert [curve.comparison for curve in both.curves] == ["adc", "sdc"]
    assert list(both.per_query) == ["ap", "relevant", "precision@1", "ap_sdc"]
    assert both.per_query["ap"] is adc.per_query["ap"]
    assert both.per_query["ap_sdc"] is sdc.per_query["ap"]
    assert (both.queries, both.excluded) == (adc.queries, adc.excluded)


def test_merging_nothing_is_refused():
    with pytest.raises(HashQuantError, match="at least one comparison"):
        merged(())
