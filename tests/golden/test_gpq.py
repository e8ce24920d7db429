"""GPQ: codebooks, the three losses and the scores by their formulas."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from hashquant.data.items import Batch
from hashquant.errors import BudgetError, UsageError
from hashquant.methods.gpq import GPQ
from hashquant.settings.reading import check

LABELS = [0, 1, 4, 4, 2, 0]


def build(bits=12, classes=5, **settings):
    torch.manual_seed(0)
    config = GPQ.Config(**settings)
    return GPQ(config, GPQ.budget_for(config, bits), 20, classes).double()


def batch(labels):
    labels = torch.as_tensor(labels)
    return Batch(torch.empty(len(labels), 0), labels, labels >= 0, torch.arange(len(labels)))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def unit(a):
    return [x / math.sqrt(dot(a, a)) for x in a]


def mix(logits, vectors):
    """Return the unit vector of the soft-max mixture."""
    weight = [math.exp(v) for v in logits]
    size = len(vectors[0])
    total = sum(weight)
    mean = [
        sum(w * v[j] for w, v in zip(weight, vectors, strict=True)) / total for j in range(size)
    ]
    return unit(mean)


def blocks(row):
    return [row[i : i + 12] for i in range(0, len(row), 12)]


def literal_codebooks(head):
    """Z~_m = IN(softmax_c(-alpha (1 - Z_m P_m^T)) P_m), or IN(Z_m)."""
    M = head.budget.subspaces
    words = [blocks(row) for row in head.words.tolist()]
    prototypes = [[unit(b) for b in blocks(row)] for row in head.prototypes.tolist()]
    alpha, books = head.config.alpha, []
    for m in range(M):
        own = [p[m] for p in prototypes]
        if head.config.proto_attention:
            books.append([mix([-alpha * (1 - dot(z[m], p)) for p in own], own) for z in words])
        else:
            books.append([unit(z[m]) for z in words])
    return books, prototypes


def literal_loss(head, embedding, labels):
    books, prototypes = literal_codebooks(head)
    M, alpha, beta = head.budget.subspaces, head.config.alpha, head.config.beta
    x = [[unit(b) for b in blocks(row)] for row in embedding.tolist()]
    seen = [i for i, label in enumerate(labels) if label >= 0]
    soft = [[mix([-alpha * (1 - dot(x[i][m], z)) for z in books[m]], books[m]) for m in range(M)]
            for i in range(len(x))]  # fmt: skip

    def class_logits(row):
        return [beta**2 / M * sum(dot(row[m], p[m]) for m in range(M)) for p in prototypes]

    def log_softmax(z):
        return [v - math.log(sum(math.exp(u) for u in z)) for v in z]

    n_pair = classify = 0.0
    for i in seen:
        row = log_softmax([sum(dot(x[i][m], soft[j][m]) for m in range(M)) for j in seen])
        same = [labels[j] == labels[i] for j in seen]
        n_pair -= sum(v for v, s in zip(row, same, strict=True) if s) / sum(same) / len(seen)
        classify -= log_softmax(class_logits(x[i]))[labels[i]] / len(seen)
    terms = {"n_pair": n_pair, "class": head.config.class_weight * classify}
    hidden = [i for i, label in enumerate(labels) if label < 0]
    if hidden:
        p = [[math.exp(v) for v in log_softmax(class_logits(x[i]))] for i in hidden]
        entropy = sum(v * math.log(v + 1e-5) for row in p for v in row) / len(hidden)
        terms["entropy"] = head.config.entropy_weight * entropy
    return terms


@pytest.mark.parametrize("labels", [LABELS, [*LABELS, -1, -1, -1]])
@pytest.mark.parametrize("settings", [{}, {"proto_attention": False, "alpha": 5.0, "beta": 2.0}])
def test_loss_equals_the_formulas(labels, settings):
    head = build(**settings)
    embedding = head._unit(torch.randn(len(labels), 36, dtype=torch.float64)).flatten(1)
    found, expected = head.loss(embedding, batch(labels)), literal_loss(head, embedding, labels)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-10), name


@pytest.mark.parametrize("attention", [True, False])
def test_codebooks_are_unit_and_equal_the_formula(attention):
    head = build(proto_attention=attention)
    expected = torch.tensor(literal_codebooks(head)[0], dtype=torch.float64)
    torch.testing.assert_close(head.codebooks().detach(), expected)
    assert head.codebooks().shape == (3, 16, 12)


def test_embedding_is_a_linear_layer_with_unit_sub_vectors():
    head = build()
    features = torch.randn(4, 20, dtype=torch.float32)
    head.float()
    embedding = head(features)
    assert embedding.shape == (4, 36)
    expected = head.project(features).reshape(4, 3, 12)
    torch.testing.assert_close(embedding.reshape(4, 3, 12), normalize(expected, dim=2))


def test_entropy_gradient_is_reversed_for_features_and_not_for_prototypes():
    head, labels = build(), [*LABELS, -1, -1]
    embedding = torch.randn(8, 36, dtype=torch.float64, requires_grad=True)
    head.loss(embedding, batch(labels))["entropy"].backward()
    to_features, to_prototypes = embedding.grad.clone(), head.prototypes.grad.clone()
    embedding.grad = head.prototypes.grad = None
    x = embedding.reshape(8, 3, 12)[6:]
    p = head._class_logits(x).softmax(1)
    (0.1 * (p * (p + 1e-5).log()).sum(1).mean()).backward()
    torch.testing.assert_close(to_features, -embedding.grad)
    torch.testing.assert_close(to_prototypes, head.prototypes.grad)
    assert bool(to_features[6:].any())
    assert not bool(to_features[:6].any())


def test_without_unlabelled_rows_there_is_no_entropy_term():
    assert set(build().loss(torch.randn(6, 36).double(), batch(LABELS))) == {"n_pair", "class"}


def test_scores_equal_brute_force_cosines():
    head = build().eval().requires_grad_(False)
    query, gallery = (
        head._unit(torch.randn(n, 36, dtype=torch.float64)).flatten(1) for n in (4, 25)
    )
    books, codes, table = head.codebooks(), head.assign(gallery), head.query_table(query)
    found = sum(table[:, m, codes[:, m]] for m in range(3))
    distance = torch.zeros(4, 25, dtype=torch.float64)
    for q in range(4):
        for i in range(25):
            for m in range(3):
                part, stored = query[q, 12 * m : 12 * m + 12], gallery[i, 12 * m : 12 * m + 12]
                k = max(range(16), key=lambda k, m=m, stored=stored: float(books[m, k] @ stored))
                distance[q, i] += 1 - part @ books[m, k]
    torch.testing.assert_close(found, 3 - distance)
    assert head.family.larger_is_closer


@pytest.mark.parametrize(
    ("bits", "books"), [(12, 3), (16, 4), (24, 6), (36, 9), (48, 12), (64, 16)]
)
def test_every_book_has_sixteen_words(bits, books):
    budget = GPQ.budget_for(GPQ.Config(), bits)
    assert (budget.subspaces, budget.codewords) == (books, 16)


def test_bits_that_are_no_multiple_of_four_are_refused():
    with pytest.raises(BudgetError, match="multiple of 4"):
        GPQ.budget_for(GPQ.Config(), 30)


def test_label_fraction_is_a_setting():
    assert build().label_fraction == 1.0
    assert build(label_fraction=0.1).label_fraction == 0.1
    for bad in (0.0, -1.0, 1.5, math.nan):
        with pytest.raises(UsageError, match=r"gpq\.label_fraction must be a .*number above 0"):
            check(GPQ.Config(label_fraction=bad), "gpq.")


def test_recipe_decays_every_ten_epochs():
    recipe = GPQ.recipe()
    assert (recipe.optimizer, recipe.betas, recipe.weight_decay) == ("adam", (0.5, 0.999), 0.0)
    assert recipe.rate(0, 300) == 2e-4
    assert recipe.rate(25, 300) == pytest.approx(2e-4 * 0.95**2)
    assert GPQ.sampling == "balanced"
