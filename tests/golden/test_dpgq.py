"""DPgQ: margin, classifier and words' errors by plain loops, whom they reach, codes by prefix."""

from dataclasses import replace

import pytest
import torch

from hashquant.codes.additive import level_sums, sum_words
from hashquant.codes.family import CodeBudget
from hashquant.methods.dpgq import DPgQ
from tests.golden.classified import cross_entropy
from tests.golden.levels import literal_levels, literal_margin, literal_words
from tests.golden.pairs import dot
from tests.golden.sixrows import LABELS, batch, rows, total


def build(books=2, words=4, **settings):
    """Return a head in float64 for eight values, whose words are as long as the rows."""
    torch.manual_seed(0)
    config = DPgQ.Config(**{"size": 8, "start": "normal", **settings})
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    head = DPgQ(config, budget, 8, 5).double()
    head.words.data.mul_(50)
    return head


def given(labels=LABELS, **said):
    """Return a batch with the rows, unlike the embedding, as features."""
    features = rows().flip(1).repeat(2, 1)[: len(labels)]
    return replace(batch(labels), features=features, **said)


SETTINGS = [
    {},
    {"nearest": "cosine", "scale": 1.0, "hard_weight": 0.5, "joint_weight": 2.0, "books": 4},
    {"classes": "all", "class_weight": 0.3, "prototypes": "fixed", "words": 2},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_loss_equals_the_formulas(settings):
    head, x = build(**settings), rows().tanh()
    config, books = head.config, head.words.tolist()
    classify, _ = cross_entropy(head.classifier, given().features.tolist(), LABELS)
    expected = {
        "margin": literal_margin(x.tolist(), LABELS, head.prototypes.tolist(), config.classes),
        "class": config.class_weight * classify,
        "words": literal_words(x.tolist(), books, config, len(books), config.nearest),
    }
    found = head.loss(x, given())
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-10), name


def test_each_path_has_its_own_gradient():
    head, x = build(), rows(grad=True)
    head.loss(x, given())["words"].backward()
    assert x.grad is None
    trained = {name for name, weight in head.named_parameters() if weight.grad is not None}
    assert trained == {"words"}
    words = head.words.grad.clone()
    before = head.words.detach().clone()
    torch.optim.SGD(head.parameters(), 0.1).step()
    assert bool((head.words != before).any(dim=2).all())  # soft sums move all words
    other = build()
    terms = other.loss(rows(grad=True), given())
    (terms["margin"] + terms["class"]).backward()
    assert other.words.grad is None
    assert all(w.grad.any() for w in (other.prototypes, other.classifier.weight))
    # Of squared lengths, not of means over their eight values.
    literal = build()
    soft, hard = level_sums(rows(), literal.words, literal.assign(rows()), 10.0)
    each = (rows()[:, None] - soft).square() + (rows()[:, None] - hard).square()
    joint = 0.1 * (soft[:, -1] - hard[:, -1]).square()
    (each.sum((1, 2)) + joint.sum(1)).mean().backward()
    torch.testing.assert_close(literal.words.grad, words)


def test_what_is_asked_of_an_embedding_does_not_draw_classes_together():
    head, x, other = build(classes="all"), rows().tanh(), build()
    head.loss(x, given())["margin"].backward()
    vectors = torch.nn.functional.normalize(other.prototypes, dim=1)
    asked = 1 - (vectors @ vectors.T).detach()  # a number, whatever the vectors become
    unit = torch.nn.functional.normalize(x, dim=1)
    hinges = [
        (asked[y, j] - unit[i] @ vectors[y] + unit[i] @ vectors[j]).relu()
        for i, y in enumerate(LABELS)
        for j in range(5)
        if j != y
    ]
    (torch.stack(hinges).sum() / 30).backward()
    torch.testing.assert_close(head.prototypes.grad, other.prototypes.grad)


@pytest.mark.parametrize("nearest", ["distance", "cosine"])
def test_beginnings_of_a_code_are_the_levels_of_training(nearest):
    head, x = build(books=8, words=4, nearest=nearest), rows().tanh()
    codes = head.assign(x)
    soft, hard = head.levels(x)
    for i, row in enumerate(x.tolist()):
        code, softs, hards = literal_levels(row, head.words.tolist(), 10.0, nearest)
        assert codes[i].tolist() == code
        torch.testing.assert_close(soft[i], torch.tensor(softs).double())
        torch.testing.assert_close(hard[i], torch.tensor(hards).double())
    for books in (1, 2, 5, 8):
        shorter = build(books=books, words=4, nearest=nearest)
        shorter.words.data.copy_(head.words.data[:books])
        assert torch.equal(shorter.assign(x), codes[:, :books])
        decoded = sum_words(codes[:, :books], head.words[:books])
        torch.testing.assert_close(decoded, hard[:, books - 1])
        table = head.query_table(x)[:, :books]
        for q, i in ((0, 3), (5, 1)):
            score = sum(table[q, m, k] for m, k in enumerate(codes[i, :books].tolist()))
            assert score.item() == pytest.approx(dot(x[q].tolist(), decoded[i].tolist()))


def test_words_begin_at_half_of_the_epochs_from_kmeans():
    head = DPgQ(DPgQ.Config(size=16), CodeBudget(12, 3, 16), 8, 5)
    assert [head.wants_embeddings(e, 5) for e in range(5)] == [False, False, True, False, False]
    assert head.wants_embeddings(0, 1)
    assert not any(build().wants_embeddings(e, 5) for e in range(5))
    x = head(torch.randn(200, 8, generator=torch.Generator().manual_seed(0)))
    drawn = head.words.detach().clone()
    head.on_embeddings(x[:15], torch.zeros(15, dtype=torch.int64), 2)
    assert torch.equal(head.words, drawn)  # fewer images than words
    head.on_embeddings(x, torch.zeros(200, dtype=torch.int64), 2)
    _, hard = head.levels(x)
    lost = (x[:, None] - hard).square().sum(2).mean(0)
    assert lost[0] > lost[1] > lost[2]
    assert lost[2] < 0.5 * x.square().sum(1).mean()


def test_before_it_their_error_is_that_of_no_words():
    head, x = build(), rows().tanh()
    early, late = (head.loss(x, given(epoch=e, epochs=5))["words"] for e in (1, 2))
    assert not early.requires_grad
    assert late.requires_grad
    assert early.item() == pytest.approx(2 * 2 * x.square().mean().item())


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        x = rows()[: len(labels)].requires_grad_()
        terms = build().loss(x, given(labels))
        total(terms).backward()
        assert bool(total(terms).isfinite())
        assert bool(x.grad.isfinite().all())
    alone, more = build().loss(rows(), given()), torch.cat([rows(), 3 * rows()[:2]])
    whole = build().loss(more, given([*LABELS, -1, -1]))
    assert all(torch.allclose(whole[name], term, rtol=1e-12) for name, term in alone.items())
    head = build()
    head.words.data[0, 1] = rows()[0]  # a word that leaves nothing
    zero = head.loss(rows(), given())["words"]
    zero.backward()
    assert bool(head.words.grad.isfinite().all())
