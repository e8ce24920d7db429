"""RQ: sums of words of unit embeddings, scored by inner product, for 64 and 256 words a book."""

import pytest
import torch
from torch.nn.functional import normalize

from hashquant.codes.product import unpack_indices
from hashquant.plugins.registry import load_method
from hashquant.training.coding import encode_embedding, quantization_error, reconstructed


def fitted(bits, size=16, count=300, name="rq", **settings):
    cls = load_method(name)
    config = cls.Config(**settings)
    torch.manual_seed(0)
    head = cls(config, cls.budget_for(config, bits), size, 3).eval()
    features = torch.randn(count, size, generator=torch.Generator().manual_seed(1))
    head.fit(features, torch.zeros(count, dtype=torch.int64))
    return head, features


@pytest.mark.parametrize(("bits", "words"), [(24, 64), (16, 256)])
def test_a_score_by_table_is_the_inner_product_with_the_sum_of_words(bits, words):
    head, features = fitted(bits)
    codes = encode_embedding(head, head(features[:20]))
    indices, books = unpack_indices(codes, head.budget), head.codebooks()
    assert books.shape == (head.budget.subspaces, words, 16)
    queries = head(torch.randn(5, 16, generator=torch.Generator().manual_seed(2)))
    table = head.query_table(queries)
    for q in range(5):
        for code in indices.tolist():
            decoded = [sum(float(books[m, k, j]) for m, k in enumerate(code)) for j in range(16)]
            wanted = sum(a * b for a, b in zip(queries[q].tolist(), decoded, strict=True))
            found = sum(float(table[q, m, k]) for m, k in enumerate(code))
            assert found == pytest.approx(wanted, abs=1e-5)


def test_a_sum_stands_nearer_than_a_product_code_of_as_many_bits():
    lost = []
    for name in ("rq", "pq"):
        head, features = fitted(24, name=name)
        embedding = head(features)
        codes = encode_embedding(head, embedding)
        lost.append(quantization_error(head, embedding, reconstructed(head, codes)).mean())
    assert lost[0] < 0.95 * lost[1]


def test_a_wider_beam_finds_nearer_sums():
    greedy, features = fitted(24, beam=1)
    wide = type(greedy)(greedy.Config(beam=20), greedy.budget, 16, 3)
    wide.load_state_dict(greedy.state_dict())
    lost = []
    for head in (greedy, wide):
        codes = encode_embedding(head, head(features))
        unit = normalize(features, dim=1)
        lost.append(quantization_error(head, unit, reconstructed(head, codes)).mean())
    assert lost[1] < lost[0]
