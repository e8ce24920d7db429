"""Our scores against scikit-learn's and faiss's."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.metrics.averageprecision import average_precision
from hashquant.search.exhaustive import Gallery, hamming_groups, table_groups

pytestmark = pytest.mark.slow
BUDGET = CodeBudget(32, 4, 256)


def product_case(items=3000, queries=40):
    g = torch.Generator().manual_seed(5)
    words = torch.randn(4, 256, 8, generator=g)
    indices = torch.randint(256, (items, 4), generator=g)
    labels = torch.randint(10, (items,), generator=g).sort().values
    query = torch.randn(queries, 4, 8, generator=g)
    wanted = torch.arange(queries) % 10
    return words, indices, labels, query, wanted


def our_ap(groups):
    return torch.cat([average_precision(chunk) for chunk in groups]).numpy()


def test_average_precision_is_scikit_learns_where_nothing_ties():
    words, indices, labels, query, wanted = product_case()
    tables = torch.einsum("qms,mks->qmk", query.double(), words.double())
    gallery = Gallery(pack_indices(indices, BUDGET), labels, BUDGET)
    ours = our_ap(table_groups(tables, wanted, gallery, larger_is_closer=True))
    for i, table in enumerate(tables):
        scores = sum(table[m, indices[:, m]] for m in range(4)).numpy()
        assert len(np.unique(scores)) == len(scores)
        theirs = average_precision_score((labels == wanted[i]).numpy(), scores)
        assert ours[i] == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("bits", [16, 64])
def test_hamming_counts_are_those_of_faiss(bits):
    faiss = pytest.importorskip("faiss")
    g = torch.Generator().manual_seed(bits)
    codes = pack_bits(torch.rand(2000, bits, generator=g) > 0.5)
    query = pack_bits(torch.rand(30, bits, generator=g) > 0.5)
    index = faiss.IndexBinaryFlat(bits)
    index.add(codes.numpy())
    distances, _ = index.search(query.numpy(), len(codes))
    gallery = Gallery(codes, torch.zeros(len(codes), dtype=torch.int64), CodeBudget(bits))
    chunks = hamming_groups(query, torch.zeros(30, dtype=torch.int64), gallery)
    sizes = torch.cat([chunk.size for chunk in chunks]).numpy()
    for row, size in zip(distances, sizes, strict=True):
        assert np.array_equal(np.bincount(row, minlength=bits + 1), size)


def test_adc_ranks_are_those_of_faiss():
    faiss = pytest.importorskip("faiss")
    words, indices, labels, query, wanted = product_case()
    index = faiss.IndexPQ(32, 4, 8, faiss.METRIC_L2)
    faiss.copy_array_to_vector(words.numpy().ravel(), index.pq.centroids)
    faiss.copy_array_to_vector(indices.to(torch.uint8).numpy().ravel(), index.codes)
    index.is_trained, index.ntotal = True, len(indices)
    _, found = index.search(query.reshape(-1, 32).numpy(), len(indices))
    tables = (query[:, :, None] - words[None]).square().sum(dim=3)
    gallery = Gallery(pack_indices(indices, BUDGET), labels, BUDGET)
    ours = our_ap(table_groups(tables, wanted, gallery, larger_is_closer=False))
    for i, order in enumerate(found):
        hits = (labels == wanted[i]).numpy()[order]
        ranks = np.flatnonzero(hits) + 1
        theirs = (np.arange(1, len(ranks) + 1) / ranks).mean()
        assert ours[i] == pytest.approx(theirs, abs=1e-5)  # faiss sums in float32
