"""Every family: a score is ⟨q, x̂⟩ to 1e-12 in float64; neither order nor chunks change a bit."""

from functools import partial

import pytest
import torch

from hashquant.codes import adc, binary, decoded
from hashquant.codes.additive import sum_tables, sum_words
from hashquant.codes.binary import asymmetric_table, pack_bits, signs
from hashquant.codes.decoded import inner_scores, vector_scales
from hashquant.codes.family import CodeBudget, Real
from hashquant.codes.product import pack_indices, table_scores, unpack_indices
from hashquant.codes.real import GRID, cosine_scores, pack_real, unpack_real
from hashquant.search import comparisons, exhaustive
from hashquant.search.comparisons import StoredCodes, evaluate_all

ITEMS, QUERIES, SIZE = 90, 5, 24
BOOKS = CodeBudget(24, 4, 64)
FAMILIES = ("bits", "product", "distances", "additive", "decoded", "float")


def drawn(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(count):
    return torch.randint(5, (count,), generator=torch.Generator().manual_seed(count))


def made(form):
    """Return stored codes of a family, the scores that are searched by, and those by hand."""
    asked, labelled = drawn(QUERIES, SIZE, seed=1), (labels(ITEMS), labels(QUERIES))
    if form == "bits":
        asked = (asked * 1024).round() / 1024  # sums of eight are exact in the float32 table
        packed, own = pack_bits(drawn(ITEMS, SIZE, seed=2) > 0), pack_bits(asked > 0)
        codes = StoredCodes("bits", CodeBudget(SIZE), packed, labelled[0], own, labelled[1],
                            query_embedding=asked.float())  # fmt: skip
        found = table_scores(asymmetric_table(asked.float()), packed.long())
        return codes, found, asked @ signs(packed, SIZE).double().T
    if form == "float":
        packed, own = pack_real(drawn(ITEMS, SIZE, seed=2)), pack_real(asked)
        codes = StoredCodes("float", Real().budget(SIZE), packed, labelled[0], own, labelled[1])
        q, x = (unpack_real(part).double() for part in (own, packed))
        found = cosine_scores(q.float(), x.float())
        return codes, found, (q * GRID).round() @ (x * GRID).round().T / GRID**2
    if form == "decoded":
        items, asked = drawn(ITEMS, SIZE, seed=2).float(), asked.float()
        packed = torch.zeros(ITEMS, 3, dtype=torch.uint8)
        codes = StoredCodes("decoded", CodeBudget(24), packed, labelled[0], packed[:QUERIES],
                            labelled[1], query_embedding=asked, gallery_decoded=items,
                            query_decoded=items[:QUERIES])  # fmt: skip
        found = inner_scores(asked, items, float(vector_scales(items).amax()))
        return codes, found, asked.double() @ items.double().T
    size = SIZE if form == "additive" else SIZE // 4
    books = drawn(4, 64, size, seed=3)
    indices = torch.randint(64, (ITEMS, 4), generator=torch.Generator().manual_seed(2))
    packed = pack_indices(indices, BOOKS)
    place, stored = torch.arange(4), unpack_indices(packed, BOOKS)
    if form == "additive":
        table, items = sum_tables(asked, books), sum_words(stored, books)
    else:
        table, items = asked_of(form, asked, books), books[place, stored].flatten(1)
    wanted = asked @ items.T if form != "distances" else torch.cdist(asked, items).square()
    codes = StoredCodes("additive" if form == "additive" else "table", BOOKS, packed, labelled[0],
                        packed[:QUERIES], labelled[1], query_table=table,
                        symmetric_table=None if form == "additive" else books @ books.mT,
                        codebooks=books if form == "additive" else None,
                        larger_is_closer=form != "distances")  # fmt: skip
    return codes, table_scores(table, stored), wanted


def asked_of(form, asked, books):
    parts = asked.view(QUERIES, 4, -1)
    if form == "product":
        return torch.einsum("qms,mks->qmk", parts, books)
    return (parts[:, :, None] - books).square().sum(3)


def evaluated(codes):
    return [
        (found.scores, found.curve, [value.tolist() for value in found.per_query.values()])
        for found in evaluate_all(codes)
    ]


@pytest.mark.parametrize("form", FAMILIES)
def test_a_score_is_the_inner_product_with_the_decoded_item(form):
    _, found, wanted = made(form)
    assert found.dtype == torch.float64
    assert found.shape == (QUERIES, ITEMS)
    assert (found - wanted).abs().max() < 1e-12 * wanted.abs().max()
    assert wanted.std() > 0.1


@pytest.mark.parametrize("form", FAMILIES)
def test_a_gallery_in_another_order_is_scored_to_the_same_bits(form):
    codes = made(form)[0]
    order = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(5))
    moved = {
        "gallery": codes.gallery[order], "gallery_labels": codes.gallery_labels[order],
        "gallery_decoded": None if codes.gallery_decoded is None else codes.gallery_decoded[order],
    }  # fmt: skip
    assert evaluated(StoredCodes(**vars(codes) | moved)) == evaluated(codes)


@pytest.mark.parametrize("form", FAMILIES)
def test_chunks_of_any_size_give_the_same_bits(form, monkeypatch):
    codes = made(form)[0]
    whole = evaluated(codes)
    assert len(whole) == (1 if form == "float" else 2)
    monkeypatch.setattr(comparisons, "TABLE_BYTES", 1)
    assert evaluated(codes) == whole
    for name in ("hamming_groups", "table_groups", "cosine_groups", "inner_groups"):
        few = partial(getattr(exhaustive, name), memory_bytes=1)
        monkeypatch.setattr(comparisons, name, few)
    assert evaluated(codes) == whole
    for module, name, value in [
        (binary, "BLOCK", 37), (binary, "STRIP", 10), (adc, "BLOCK", 41), (adc, "STRIP", 9),
        (exhaustive, "_CHUNK", 3), (decoded, "_BLOCK", 31),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, value)
    assert evaluated(codes) == whole
