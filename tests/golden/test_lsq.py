"""LSQ: words by faiss, codes by us: nearer than faiss's own, and of their image alone."""

import faiss
import pytest
import torch
from torch.nn.functional import normalize

from hashquant.codes.product import unpack_indices
from hashquant.codes.shallow import learn_lsq
from hashquant.machine.threads import one_thread
from hashquant.plugins.registry import load_method
from hashquant.training.coding import encode_embedding, quantization_error, reconstructed

SIZE = 32


def units(count, seed):
    draws = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, SIZE, generator=draws), dim=1)


@pytest.fixture(scope="module")
def head():
    """24 bits, learned on 1,000 vectors."""
    cls = load_method("lsq")
    torch.manual_seed(0)
    built = cls(cls.Config(), cls.budget_for(cls.Config(), 24), SIZE, 3).eval()
    built.fit(units(1000, 1), torch.zeros(1000, dtype=torch.int64))
    return built


@pytest.fixture(scope="module")
def theirs(head):
    """faiss's quantizer with the same words."""
    quantizer = faiss.LocalSearchQuantizer(SIZE, 4, 6)
    faiss.copy_array_to_vector(head.words.numpy().ravel(), quantizer.codebooks)
    quantizer.is_trained = True

    def encode(vectors):
        with one_thread():
            packed = quantizer.compute_codes(vectors.numpy())
        return torch.from_numpy(faiss.unpack_bitstrings(packed, 4, 6).astype("i8"))

    return encode


@pytest.mark.parametrize("seed", [1, 2])
def test_our_codes_stand_nearer_than_those_that_faiss_finds(head, theirs, seed):
    vectors = units(300, seed)  # those of the first were learned from
    lost = []
    for indices in (head.assign(vectors), theirs(vectors)):
        decoded = head.words.double()[torch.arange(4), indices].sum(1)
        lost.append(quantization_error(head, vectors, decoded).mean())
    assert lost[0] < lost[1]
    greedy = type(head)(head.Config(beam=1, sweeps=1), head.budget, SIZE, 3)
    greedy.words.copy_(head.words)
    codes = encode_embedding(greedy, vectors)
    assert lost[0] < quantization_error(greedy, vectors, reconstructed(greedy, codes)).mean()


def test_a_code_is_of_its_image_alone_and_faiss_s_is_not(head, theirs):
    vectors = units(300, 2)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(3))
    whole = head.assign(vectors)
    assert torch.equal(head.assign(vectors[order]), whole[order])
    assert torch.equal(torch.cat([head.assign(row[None]) for row in vectors[:40]]), whole[:40])
    assert (theirs(vectors)[order] != theirs(vectors[order])).any(1).float().mean() > 0.02


def test_threads_change_no_code(head):
    vectors, before = units(300, 2), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(encode_embedding(head, vectors))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)
    assert found[0].shape == (300, 3)


def test_a_score_by_table_is_the_inner_product_with_the_sum_of_words(head):
    codes = encode_embedding(head, units(20, 2))
    indices, queries = unpack_indices(codes, head.budget), units(5, 4)
    table = head.query_table(queries)
    for q in range(5):
        for code in indices.tolist():
            found = sum(float(table[q, m, k]) for m, k in enumerate(code))
            words = [head.words[m, k].tolist() for m, k in enumerate(code)]
            decoded = [sum(column) for column in zip(*words, strict=True)]
            wanted = sum(a * b for a, b in zip(queries[q].tolist(), decoded, strict=True))
            assert found == pytest.approx(wanted, abs=1e-5)


def test_words_are_those_of_the_seed_and_of_the_rounds():
    vectors = units(80, 1)
    first = learn_lsq(vectors, 2, 16, 5, rounds=4)
    assert first.shape == (2, 16, SIZE)
    assert torch.equal(learn_lsq(vectors, 2, 16, 5, rounds=4), first)
    assert not torch.equal(learn_lsq(vectors, 2, 16, 6, rounds=4), first)
    assert not torch.equal(learn_lsq(vectors, 2, 16, 5, rounds=5), first)
