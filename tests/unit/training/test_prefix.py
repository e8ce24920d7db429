"""The beginning of a code as a code: books and bits in order, scored by what they decode to."""

import pytest
import torch
from torch import nn

import hashquant.api as hq
from hashquant.codes.additive import sum_words
from hashquant.codes.binary import unpack_bits
from hashquant.codes.family import CodeBudget, prefix_budget
from hashquant.codes.product import unpack_indices
from hashquant.errors import BudgetError
from hashquant.plugins.registry import load_method
from hashquant.training.coding import encode_embedding, reconstructed
from hashquant.training.prefix import Prefix


@pytest.fixture(scope="module")
def rq():
    """Return RQ of 4 books of 64 words, fitted to 300 vectors of 16 values, and these."""
    cls = load_method("rq")
    torch.manual_seed(0)
    head = cls(cls.Config(), cls.budget_for(cls.Config(), 24), 16, 3).eval()
    features = torch.randn(300, 16, generator=torch.Generator().manual_seed(1))
    head.fit(features, torch.zeros(300, dtype=torch.int64))
    return head, features


@pytest.mark.parametrize("books", [1, 2, 3, 4])
def test_a_cut_sum_is_the_levels_output_and_its_score_the_inner_product_with_it(rq, books):
    head, features = rq
    cut, embedding = Prefix(head, 6 * books), head(features[:40])
    codes = encode_embedding(cut, embedding)
    assert codes.shape == (40, cut.budget.code_bytes)
    whole = unpack_indices(encode_embedding(head, embedding), head.budget)
    level = torch.zeros(40, 16, dtype=torch.float64)
    for m in range(books):
        level += head.words[m].double()[whole[:, m]]
    decoded = reconstructed(cut, codes)
    assert torch.equal(decoded, level)
    assert torch.equal(
        sum_words(unpack_indices(codes, cut.budget), cut.codebooks().double()), level
    )
    queries = head(torch.randn(7, 16, generator=torch.Generator().manual_seed(2))).double()
    table = cut.query_table(queries)
    found = sum(table[:, m, k] for m, k in enumerate(unpack_indices(codes, cut.budget).T))
    assert torch.allclose(found, queries @ decoded.T, rtol=0, atol=1e-12)


def test_each_book_more_stands_nearer_and_all_of_them_are_the_whole_code(rq):
    head, features = rq
    embedding = head(features)
    left = []
    for bits in (6, 12, 18, 24):
        cut = Prefix(head, bits)
        left.append(
            float((embedding - reconstructed(cut, encode_embedding(cut, embedding))).norm())
        )
    assert left == sorted(left, reverse=True)
    assert torch.equal(encode_embedding(cut, embedding), encode_embedding(head, embedding))


@pytest.mark.parametrize("stem", ["dpgq", "drq"])
def test_the_bytes_of_a_cut_code_are_those_of_the_words_it_needs(stem):
    cls = load_method(stem)
    head = cls(cls.Config(), cls.budget_for(cls.Config(), 24), 16, 3).eval()
    cut, features = Prefix(head, 12), torch.randn(9, 16, generator=torch.Generator().manual_seed(1))
    size = head.codebooks().shape[2]
    # Of one book all words are needed at any length; DRQ's two factors more are counted.
    expected = {"dpgq": 2 * 64 * size * 4, "drq": 64 * size * 4 + 4 * 4}
    assert cut.codebook_bytes == expected[stem]
    assert torch.equal(cut.assign(head(features)), head.assign(head(features))[:, :2])


class Signs(hq.Method):
    """Its features are its embedding."""

    name = "signs"
    family = hq.Binary()

    def forward(self, features):
        return features

    @property
    def hash_centers(self):
        return torch.ones(3, self.budget.bits)


class Words(hq.Method):
    """Product codes of distances, with a query map of its own."""

    name = "words"
    family = hq.ProductQuantized(larger_is_closer=False)

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        self.words = nn.Buffer(torch.randn(budget.subspaces, budget.codewords, 2))

    def forward(self, features):
        return features

    def query_embedding(self, embedding):
        return embedding + 1

    def codebooks(self):
        return self.words


def test_of_bits_the_first_are_kept_with_their_values_and_centres():
    head = Signs(None, CodeBudget(16), 16, 3)
    features = torch.randn(5, 16)
    cut = Prefix(head, 11)
    assert torch.equal(cut(features), features[:, :11])
    packed = encode_embedding(cut, cut(features))
    assert torch.equal(unpack_bits(packed, 11), features[:, :11] > 0)
    assert (cut.hash_centers.shape, cut.name, cut.family) == ((3, 11), "signs", head.family)
    assert Prefix(Words(None, CodeBudget(16, 2, 256), 4, 3), 8).hash_centers is None


def test_of_a_product_code_the_first_tables_are_kept():
    head = Words(None, CodeBudget(18, 3, 64), 6, 3)
    cut, features = Prefix(head, 12), torch.randn(5, 6)
    asked = cut.query_embedding(cut(features))
    assert torch.equal(asked, features + 1)
    assert torch.equal(cut.query_table(asked), head.query_table(asked)[:, :2])
    assert torch.equal(cut.symmetric_table(), head.symmetric_table()[:2])
    assert torch.equal(cut.assign(features), head.assign(features)[:, :2])
    assert cut.codebooks().shape == (2, 64, 2)


@pytest.mark.parametrize(
    ("whole", "bits", "said"),
    [
        (
            CodeBudget(64, 8, 256),
            36,
            "a multiple of 8 in a prefix of 64 (256 codewords a book), got 36",
        ),
        (CodeBudget(48, 8, 64), 64, "within 1 … 48 to be a prefix of these, got 64"),
        (CodeBudget(24), 0, "within 1 … 24 to be a prefix of these, got 0"),
    ],
)
def test_what_is_no_prefix_is_refused(whole, bits, said):
    with pytest.raises(BudgetError) as caught:
        prefix_budget(whole, bits)
    assert said in str(caught.value)
