"""Search time: that faiss searches the same codes, and what is timed; never how long it takes."""

import faiss
import numpy as np
import pytest
import torch

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices, table_scores, unpack_indices
from hashquant.codes.real import pack_real
from hashquant.machine.threads import one_thread
from hashquant.search import latency
from hashquant.search.comparisons import StoredCodes
from hashquant.search.latency import enlarged, faiss_search, search_times

ITEMS, QUERIES, CLASSES = 50, 6, 5


def rng(seed):
    return torch.Generator().manual_seed(seed)


def labels(count):
    return torch.arange(count) % CLASSES


def binary(bits=36):
    gallery, query = (torch.randn(n, bits, generator=rng(n)) > 0 for n in (ITEMS, QUERIES))
    return StoredCodes("bits", CodeBudget(bits), pack_bits(gallery), labels(ITEMS),
                       pack_bits(query), labels(QUERIES))  # fmt: skip


def product(books=6, words=64, larger_is_closer=False):
    """Return codes, codebooks and the queries' vectors; tables are made of both."""
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    codebooks = torch.randn(books, words, 3, generator=rng(1))
    vectors = torch.randn(QUERIES, books, 3, generator=rng(2))
    gallery = pack_indices(torch.randint(words, (ITEMS, books), generator=rng(3)), budget)
    table = (vectors[:, :, None] - codebooks).square().sum(3)
    if larger_is_closer:
        table = torch.einsum("qms,mks->qmk", vectors, codebooks)
    codes = StoredCodes("table", budget, gallery, labels(ITEMS), gallery[:QUERIES],
                        labels(QUERIES), query_table=table, symmetric_table=None,
                        larger_is_closer=larger_is_closer)  # fmt: skip
    return codes, codebooks, vectors.flatten(1)


def real(size=8):
    def packed(count):
        return pack_real(torch.randn(count, size, generator=rng(count)))

    return StoredCodes("float", CodeBudget(32 * size), packed(ITEMS), labels(ITEMS),
                       packed(QUERIES), labels(QUERIES))  # fmt: skip


@pytest.mark.parametrize("larger", [False, True])
@pytest.mark.parametrize(("books", "words"), [(6, 64), (4, 16), (2, 256)])
def test_faiss_finds_our_adc_scores(books, words, larger):
    codes, codebooks, vectors = product(books, words, larger)
    ours = table_scores(codes.query_table, unpack_indices(codes.gallery, codes.budget)).numpy()
    found, places = faiss_search(codes, codebooks, vectors)(ITEMS)
    assert found == pytest.approx(np.take_along_axis(ours, places, 1), abs=1e-4)
    assert found == pytest.approx(np.sort(ours)[:, ::-1] if larger else np.sort(ours), abs=1e-4)


@pytest.mark.parametrize("bits", [16, 36])
def test_faiss_finds_our_hamming_distances(bits):
    codes = binary(bits)
    gallery, query = (torch.randn(n, bits, generator=rng(n)) > 0 for n in (ITEMS, QUERIES))
    ours = (query[:, None] != gallery).sum(2).numpy()
    found, places = faiss_search(codes, None, None)(ITEMS)
    assert found.tolist() == np.take_along_axis(ours, places, 1).tolist()
    assert found.tolist() == np.sort(ours).tolist()


def test_faiss_finds_cosines():
    codes = real()
    query, gallery = (torch.randn(n, 8, generator=rng(n)).numpy() for n in (QUERIES, ITEMS))
    length = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(gallery, axis=1)
    found, _ = faiss_search(codes, None, None)(ITEMS)
    assert found == pytest.approx(np.sort(query @ gallery.T / length)[:, ::-1], abs=1e-5)


def test_faiss_serves_no_other_codes():
    codes, codebooks, vectors = product()
    assert faiss_search(codes, None, vectors) is None
    assert faiss_search(codes, codebooks, None) is None
    assert faiss_search(codes, codebooks, vectors[:, 1:]) is None
    odd, codebooks, vectors = product(words=60)
    assert faiss_search(odd, codebooks, vectors) is None


@pytest.mark.parametrize("kind", ["bits", "table", "float"])
def test_what_is_timed_is_said(kind, monkeypatch):
    monkeypatch.setattr(latency, "SEARCH_ITEMS", 1000)
    codes, codebooks, vectors = product() if kind == "table" else (binary(), None, None)
    times = search_times(real() if kind == "float" else codes, codebooks, vectors)
    assert sorted(times) == ["search_items", "search_ms_faiss", "search_ms_kernel",
                             "search_queries", "search_threads"]  # fmt: skip
    assert (times["search_items"], times["search_queries"], times["search_threads"]) == (
        1000,
        32,
        1,
    )
    assert min(times.values()) > 0


def test_without_faiss_only_the_kernel_is_timed(monkeypatch):
    monkeypatch.setattr(latency, "SEARCH_ITEMS", 1000)
    assert "search_ms_faiss" not in search_times(product()[0])


def test_times_are_those_of_one_query(monkeypatch):
    clock = iter(float(i * i) for i in range(12))  # calls of 1, 5, 9, 13 and 17 seconds
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(clock))
    calls = []
    assert latency._milliseconds(lambda: calls.append(1)) == 9000
    assert len(calls) == 1 + latency.REPEATS


def relevant(codes):
    return [(codes.gallery_labels == wanted).sum().item() for wanted in codes.query_labels]


def items(codes):
    """Each code with its class in the data set, whatever copy it is of."""
    classes = (codes.gallery_labels % CLASSES).tolist()
    return {(*code, label) for code, label in zip(codes.gallery.tolist(), classes, strict=True)}


def test_a_small_gallery_is_repeated_with_classes_of_its_own(monkeypatch):
    monkeypatch.setattr(latency, "SEARCH_ITEMS", 170)
    codes = binary()
    large = enlarged(codes, torch.arange(32) % QUERIES)
    assert len(large.gallery) == 170
    assert len(large.query) == 32
    assert relevant(large) == [relevant(codes)[i % QUERIES] for i in range(32)]
    assert len(large.gallery_labels.unique()) == 4 * CLASSES
    assert bool((large.gallery_labels.diff() >= 0).all())
    assert items(large) <= items(codes)


def test_a_large_gallery_is_thinned_evenly(monkeypatch):
    monkeypatch.setattr(latency, "SEARCH_ITEMS", 10)
    codes = binary()
    small = enlarged(codes, torch.arange(2))
    order = torch.arange(0, ITEMS, ITEMS // 10)
    kept = sorted(codes.gallery[order].tolist())
    assert sorted(small.gallery.tolist()) == kept


def test_long_embeddings_are_searched_among_fewer(monkeypatch):
    monkeypatch.setattr(latency, "FLOAT_BYTES", 40 * 32)
    assert len(enlarged(real(), torch.arange(2)).gallery) == 40
    assert len(enlarged(binary(), torch.arange(2)).gallery) == latency.SEARCH_ITEMS


def threads():
    return torch.get_num_threads(), faiss.omp_get_max_threads()


@pytest.fixture
def three_threads():
    """Three threads for both, which may share one setting."""
    before = threads()
    torch.set_num_threads(3)
    faiss.omp_set_num_threads(3)
    yield
    faiss.omp_set_num_threads(before[1])
    torch.set_num_threads(before[0])


@pytest.mark.usefixtures("three_threads")
def test_one_thread_searches_and_the_others_are_put_back(monkeypatch):
    seen = []
    monkeypatch.setattr(latency, "SEARCH_ITEMS", 100)
    monkeypatch.setattr(latency, "_milliseconds", lambda call: seen.append(threads()) or 1.0)
    search_times(binary())
    assert seen == [(1, 1), (1, 1)]
    assert threads() == (3, 3)


@pytest.mark.usefixtures("three_threads")
def test_threads_are_put_back_after_a_failure():
    def fail():
        with one_thread():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert threads() == (3, 3)
