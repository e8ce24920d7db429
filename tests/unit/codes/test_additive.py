"""Additive codes: sums of words, scores by table, and a beam search that depends on no company."""

import itertools

import faiss
import pytest
import torch

from hashquant.codes import additive
from hashquant.codes.additive import (
    beam_codes,
    level_sums,
    settled_codes,
    solve_words,
    sum_tables,
    sum_words,
)
from hashquant.codes.family import Additive, CodeBudget, ProductQuantized
from hashquant.codes.product import table_scores
from hashquant.codes.shallow import learn_rq
from hashquant.errors import BudgetError, HashQuantError


def rng(seed):
    return torch.Generator().manual_seed(seed)


def books_of(books=3, words=8, size=5, seed=1):
    return torch.randn(books, words, size, generator=rng(seed), dtype=torch.float64)


def test_an_additive_code_is_budgeted_and_searched_as_a_product_code():
    family = Additive()
    assert isinstance(family, ProductQuantized)
    assert (family.larger_is_closer, family.name) == (True, "additive")
    for bits in (16, 24, 36, 48, 64):
        assert family.budget(bits) == ProductQuantized(larger_is_closer=True).budget(bits)
    assert Additive(codewords=16).budget(12) == CodeBudget(12, 3, 16)
    with pytest.raises(TypeError):
        Additive(larger_is_closer=False)


def test_sums_after_every_level_are_those_of_a_codes_beginnings():
    books, x = books_of(books=4), torch.randn(6, 5, generator=rng(2), dtype=torch.float64)
    codes = beam_codes(x, books, 1)
    soft, hard = level_sums(x, books, codes, 10.0)
    for level in range(4):
        wanted = sum_words(codes[:, : level + 1], books[: level + 1])
        torch.testing.assert_close(hard[:, level], wanted)
    near, _ = level_sums(x, books, codes, 1e-9)  # all words alike
    torch.testing.assert_close(near, books.mean(1).cumsum(0).expand(6, 4, 5))
    cosines = torch.nn.functional.cosine_similarity(x[:, None], books[0], dim=2)
    sharp, _ = level_sums(x, books, codes, 1e6)
    torch.testing.assert_close(sharp[:, 0], books[0, cosines.argmax(1)])
    assert not torch.allclose(soft, hard)


def test_the_words_of_a_code_are_added():
    books = books_of()
    codes = torch.tensor([[0, 7, 3], [2, 2, 2]])
    found = sum_words(codes, books)
    for row, code in zip(found, codes.tolist(), strict=True):
        for j in range(5):
            wanted = sum(float(books[m, k, j]) for m, k in enumerate(code))
            assert float(row[j]) == pytest.approx(wanted, abs=1e-12)


def test_scores_by_table_are_inner_products_with_the_decoded_item():
    books, codes = books_of(), torch.randint(8, (40, 3), generator=rng(2))
    queries = torch.randn(6, 5, generator=rng(3), dtype=torch.float64)
    decoded = sum_words(codes, books)
    assert torch.allclose(
        table_scores(sum_tables(queries, books), codes), queries @ decoded.T, rtol=0, atol=1e-12
    )
    symmetric = table_scores(sum_tables(decoded, books), codes)
    assert torch.allclose(symmetric, decoded @ decoded.T, rtol=0, atol=1e-12)
    assert torch.allclose(symmetric.diagonal(), decoded.square().sum(1), rtol=0, atol=1e-12)


def test_a_table_of_word_against_word_of_its_own_book_is_another_score():
    books, codes = books_of(), torch.randint(8, (40, 3), generator=rng(2))
    own = (books @ books.mT)[torch.arange(3), codes]  # what a product code adds up
    decoded = sum_words(codes, books)
    assert (table_scores(own, codes) - decoded @ decoded.T).abs().max() > 1


@pytest.mark.parametrize("width", [1, 3])
def test_a_beam_keeps_the_best_partial_sums(width):
    books, vectors = books_of(), torch.randn(8, 5, generator=rng(4))
    for vector, code in zip(vectors.double(), beam_codes(vectors, books, width), strict=True):
        beam = [()]
        for _ in range(3):
            longer = [(*path, k) for path in beam for k in range(8)]
            beam = sorted(longer, key=lambda p: float((vector - total(books, p)).square().sum()))
            beam = beam[:width]
        assert tuple(code.tolist()) == beam[0]


def total(books, path):
    return sum((books[m, k] for m, k in enumerate(path)), torch.zeros(5, dtype=torch.float64))


def test_a_wide_beam_finds_the_best_code_of_all():
    books, vectors = books_of(words=4), torch.randn(10, 5, generator=rng(4))
    every = torch.tensor(list(itertools.product(range(4), repeat=3)))
    best = torch.cdist(vectors.double(), sum_words(every, books)).argmin(1)
    assert torch.equal(beam_codes(vectors, books, 64), every[best])


def test_of_equal_words_the_lowest_index_is_chosen():
    books = books_of()
    books[1, 5] = books[1, 2]
    books[0, 1:] = books[0, 0]
    codes = beam_codes(torch.randn(200, 5, generator=rng(5)), books, 4)
    assert bool((codes[:, 0] == 0).all())
    assert not bool((codes[:, 1] == 5).any())
    assert bool((codes[:, 1] == 2).any())


def settled(vectors, books, width):
    return settled_codes(vectors, books, width, 6)


@pytest.mark.parametrize("encode", [beam_codes, settled])
@pytest.mark.parametrize("width", [1, 5])
def test_a_code_does_not_depend_on_what_is_encoded_beside_it(encode, width, monkeypatch):
    books, vectors = books_of(4, 16, 16), torch.randn(40, 16, generator=rng(6))
    whole = encode(vectors, books, width)
    order = torch.randperm(40, generator=rng(7))
    assert torch.equal(encode(vectors[order], books, width), whole[order])
    assert torch.equal(torch.cat([encode(v[None], books, width) for v in vectors]), whole)
    monkeypatch.setattr(additive, "_PULL_BYTES", 1)
    assert torch.equal(encode(vectors, books, width), whole)
    assert encode(vectors[:0], books, width).shape == (0, 4)


def descended(vector, books, code, sweeps):
    """Return the code after coordinate descent, and its squared distance, by plain loops."""
    code = list(code)

    def cost(m, k):
        return float((vector - total(books, [*code[:m], k, *code[m + 1 :]])).square().sum())

    for _ in range(sweeps):
        for m in range(len(books)):
            best = min(range(len(books[m])), key=lambda k: cost(m, k))
            code[m] = best if cost(m, best) < cost(m, code[m]) else code[m]
    return code, cost(0, code[0])


@pytest.mark.parametrize("sweeps", [0, 1, 4])
def test_the_nearest_sum_is_kept_that_descent_reaches_from_a_beam(sweeps):
    books, vectors = books_of(), torch.randn(8, 5, generator=rng(4))
    moved = 0
    for vector, code in zip(vectors, settled_codes(vectors, books, 3, sweeps), strict=True):
        beam = [()]
        for _ in range(3):
            longer = [(*path, k) for path in beam for k in range(8)]
            beam = sorted(longer, key=lambda p: float((vector - total(books, p)).square().sum()))
            beam = beam[:3]
        reached = [descended(vector, books, path, sweeps) for path in beam]
        assert code.tolist() == min(reached, key=lambda found: found[1])[0]
        moved += code.tolist() != list(beam[0])
    assert moved if sweeps else not moved


def test_equal_words_are_not_exchanged():
    books = books_of()
    books[1, 5] = books[1, 2]
    codes = settled_codes(torch.randn(200, 5, generator=rng(5)), books, 4, 6)
    assert not bool((codes[:, 1] == 5).any())
    assert bool((codes[:, 1] == 2).any())


@pytest.mark.parametrize("ridge", [1e-3, 2])
def test_solved_words_are_the_ridge_regression_of_vectors_on_their_codes(ridge):
    books, vectors = books_of(), torch.randn(30, 5, generator=rng(4), dtype=torch.float64)
    codes = torch.randint(7, (30, 3), generator=rng(2)).to(torch.int16)  # nobody has word 7
    marks = torch.zeros(30, 24, dtype=torch.float64)
    for row, code in zip(marks, codes.tolist(), strict=True):
        for m, k in enumerate(code):
            row[8 * m + k] = 1
    wanted = torch.linalg.solve(marks.T @ marks + ridge * torch.eye(24), marks.T @ vectors)
    found = solve_words(vectors, codes, books, ridge)
    torch.testing.assert_close(found[:, :7], wanted.view(3, 8, 5)[:, :7], rtol=0, atol=1e-10)
    assert torch.equal(found[:, 7], books[:, 7])
    assert solve_words(vectors, codes, books.float(), ridge).dtype == torch.float32


def test_solved_words_are_nearer_at_their_codes_and_again_when_coded_anew():
    books, vectors = books_of(), torch.randn(200, 5, generator=rng(4), dtype=torch.float64)
    start = settled_codes(vectors, books, 4, 8)
    words = solve_words(vectors, start, books, 1e-9)
    found = [(start, books), (start, words), (settled_codes(vectors, words, 4, 8), words)]
    lost = [float((vectors - sum_words(*pair)).square().sum()) for pair in found]
    assert lost[0] > 1.1 * lost[1] > 1.1 * lost[2]


def test_words_that_are_no_sum_of_the_vector_are_refused():
    with pytest.raises(HashQuantError, match=r"as long as the vectors \(6\)"):
        beam_codes(torch.zeros(2, 6), books_of(), 5)
    with pytest.raises(HashQuantError, match="a beam of at least 1, got 5 and 0"):
        beam_codes(torch.zeros(2, 5), books_of(), 0)
    with pytest.raises(HashQuantError, match=r"as long as the vectors \(6\)"):
        settled_codes(torch.zeros(2, 6), books_of(), 5, 1)


@pytest.mark.parametrize(("books", "words"), [(2, 64), (1, 256)])
def test_our_codes_are_as_near_as_faiss_finds_them(books, words):
    vectors = torch.randn(300, 16, generator=rng(8))
    found = learn_rq(vectors, books, words, seed=3)
    assert found.shape == (books, words, 16)
    assert torch.equal(learn_rq(vectors, books, words, seed=3), found)
    assert not torch.equal(learn_rq(vectors, books, words, seed=4), found)
    width = (words - 1).bit_length()
    quantizer = faiss.ResidualQuantizer(16, books, width)
    quantizer.max_beam_size = 5
    faiss.copy_array_to_vector(found.numpy().ravel(), quantizer.codebooks)
    quantizer.is_trained = True
    packed = quantizer.compute_codes(vectors.numpy())
    theirs = torch.from_numpy(faiss.unpack_bitstrings(packed, books, width).astype("i8"))
    ours = beam_codes(vectors, found, 5)
    assert (ours == theirs).all(1).float().mean() > 0.99
    lost = [(vectors - sum_words(codes, found)).square().sum(1).mean() for codes in (ours, theirs)]
    assert lost[0] == pytest.approx(float(lost[1]), rel=1e-3)


def test_words_are_learned_of_fewer_images_than_values():
    vectors = torch.randn(20, 64, generator=rng(8))
    words = learn_rq(vectors, 2, 16, seed=3, beam=1)
    lost = (vectors - sum_words(beam_codes(vectors, words, 5), words)).square().sum(1)
    assert lost.mean() < 0.1 * vectors.square().sum(1).mean()


def test_more_words_than_images_are_refused():
    with pytest.raises(BudgetError, match="needs at least 64 training images"):
        learn_rq(torch.zeros(63, 4), 2, 64, seed=0)
