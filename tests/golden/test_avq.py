"""AVQ: its loss, codes and words by plain loops; with eta = 1 it is PQ, bit for bit."""

import itertools
import math

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.methods.avq import AVQ
from hashquant.methods.pq import PQ
from hashquant.training.encoding import encode_embedding
from tests.golden.pairs import dot


def build(eta=2.5, books=2, words=4, features=8, **settings):
    """Return a head in float64 with drawn words."""
    torch.manual_seed(0)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    head = AVQ(AVQ.Config(eta=eta, **settings), budget, features, 5).double()
    head.words.normal_(std=0.4)
    return head


def vectors(count, size=8, seed=0):
    x = torch.randn(count, size, generator=torch.Generator().manual_seed(seed)).double()
    return torch.nn.functional.normalize(x, dim=1)


def fitted(method, features, seed=0, **settings):
    config = method.Config(**settings)
    head = method(config, method.budget_for(config, 24), features.shape[1], 5)
    torch.manual_seed(seed)
    head.fit(features, torch.zeros(len(features), dtype=torch.int64))
    return head.eval()


def literal_loss(head, x, code):
    """Return eta |r_par|² + |r_orth|² of one item."""
    coded = [v for m, k in enumerate(code) for v in head.words[m, k].tolist()]
    r = [a - b for a, b in zip(x, coded, strict=True)]
    along = dot(r, x) / math.sqrt(dot(x, x))
    return head.config.eta * along**2 + dot(r, r) - along**2


def literal_code(head, x):
    """Return the code of one item: nearest words, then book after book by the loss itself."""
    books = head.words.tolist()
    d = len(books[0][0])
    parts = [x[m * d : (m + 1) * d] for m in range(len(books))]
    near = [
        [math.dist(part, word) for word in book] for part, book in zip(parts, books, strict=True)
    ]
    code = [row.index(min(row)) for row in near]
    order = sorted(range(len(books)), key=lambda m: -near[m][code[m]])
    for _ in range(head.config.rounds):
        for m in order:
            costs = [
                literal_loss(head, x, [*code[:m], k, *code[m + 1 :]]) for k in range(len(books[m]))
            ]
            code[m] = costs.index(min(costs))
    return code


@pytest.mark.parametrize(("books", "words"), [(2, 4), (4, 8)])
@pytest.mark.parametrize("settings", [{}, {"eta": 8.0}, {"eta": 4.0, "rounds": 1}])
def test_codes_follow_the_descent(books, words, settings):
    head, x = build(books=books, words=words, **settings), vectors(40)
    codes = head.assign(x)
    assert codes.tolist() == [literal_code(head, row) for row in x.tolist()]
    assert not torch.equal(codes, build(1.0, books, words).assign(x))


def test_no_word_of_one_book_lowers_the_loss_of_a_code():
    head, x = build(eta=8.0), vectors(30).tolist()
    for row, code in zip(x, head.assign(torch.tensor(x).double()).tolist(), strict=True):
        least = literal_loss(head, row, code)
        for m, k in itertools.product(range(2), range(4)):
            assert literal_loss(head, row, [*code[:m], k, *code[m + 1 :]]) >= least - 1e-12


def test_words_are_least_squares():
    """The gradient of the loss for the last book's words is 0; no sweep raises the loss."""
    head, x = build(eta=4.0), vectors(60)
    codes = head.assign(x)

    def loss():
        pairs = zip(x.tolist(), codes.tolist(), strict=True)
        return sum(literal_loss(head, row, code) for row, code in pairs)

    before = loss()
    head.words.copy_(head._solved(x, codes))
    after, step = loss(), 1e-5
    assert after < before
    for k, j in itertools.product(range(4), range(4)):
        sides = []
        for side in (step, -step):
            head.words[1, k, j] += side
            sides.append(loss())
            head.words[1, k, j] -= side
        assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(0, abs=1e-7)


def test_a_word_without_items_stays():
    head, x = build(), vectors(20)
    codes = head.assign(x).clamp_max(2)
    words = head._solved(x, codes)
    assert torch.equal(words[:, 3], head.words[:, 3])
    assert bool((words[:, :3] != head.words[:, :3]).any())


def test_eta_of_one_is_pq_bit_for_bit():
    features = vectors(400, 32).float() * 3
    ours, theirs = fitted(AVQ, features, eta=1.0), fitted(PQ, features)
    assert torch.equal(ours.words, theirs.words)
    other = vectors(200, 32, seed=1).float()
    first, second = (encode_embedding(head, head(other)) for head in (ours, theirs))
    assert torch.equal(first, second)
    # The descent itself leaves the nearest words alone where eta is 1.
    nearest = ours.assign(ours(other))
    assert torch.equal(ours._descended(ours(other), nearest), nearest)
    head, x = build(1.0), vectors(60)
    members = head.assign(x)
    for m, k in itertools.product(range(2), range(4)):  # and words are means
        mine = x.reshape(60, 2, 4)[members[:, m] == k, m]
        torch.testing.assert_close(head._solved(x, members)[m, k], mine.mean(dim=0))


def test_learning_lowers_the_loss_and_the_error_along_the_item():
    features = vectors(600, 32).float()
    held = {}
    for eta in (1.0, 4.0):
        head = fitted(AVQ, features, eta=eta)
        z = head(features)
        words = torch.stack([head.words[m][i] for m, i in enumerate(head.assign(z).T)], dim=1)
        r = z - words.flatten(1)
        along = (r * z).sum(1).square()
        held[eta] = float(along.mean()), float((r.square().sum(1) - along).mean())
    assert held[4.0][0] < 0.7 * held[1.0][0]
    assert 4 * held[4.0][0] + held[4.0][1] < 4 * held[1.0][0] + held[1.0][1]
    assert held[1.0][0] + held[1.0][1] < held[4.0][0] + held[4.0][1]


def test_scores_are_inner_products_and_codes_hang_on_their_item_alone():
    features = vectors(300, 31).float()  # padded to 32
    head = fitted(AVQ, features)
    z, codes = head(features), head.assign(head(features))
    words = torch.cat([head.words[m][codes[:, m]] for m in range(4)], dim=1)
    table = head.query_table(z[:7])
    found = sum(table[:, m, codes[:, m]] for m in range(4))
    torch.testing.assert_close(found, z[:7] @ words.T)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    assert torch.equal(head.assign(z[order]), codes[order])
    assert torch.equal(torch.cat([head.assign(row[None]) for row in z]), codes)
