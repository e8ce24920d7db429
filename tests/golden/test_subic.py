"""SUBIC: classification, entropy and usage by plain loops in bits, codes and scores by blocks."""

import math
from itertools import chain

import pytest
import torch

from hashquant.codes.family import CodeBudget
from hashquant.methods.subic import SUBIC
from hashquant.runs.examination import cost
from hashquant.training.coding import encode_embedding, quantization_error, reconstructed
from hashquant.training.network import Network
from tests.golden.classified import cross_entropy
from tests.golden.sixrows import (
    LABELS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)


def head_of(books, words, classes=5, **settings):
    """Return a head of M books of K words in float64."""
    torch.manual_seed(1)
    budget = CodeBudget(books * (words - 1).bit_length(), books, words)
    return SUBIC(SUBIC.Config(**settings), budget, 8, classes).double()


def probabilities(row, books):
    size = len(row) // books
    blocks = [row[m * size : (m + 1) * size] for m in range(books)]
    return [[math.exp(v) / sum(map(math.exp, block)) for v in block] for block in blocks]


def literal(head, h, labels):
    """Return the three terms, entropies in bits over M·log2 K."""
    books, words, config = head.budget.subspaces, head.budget.codewords, head.config
    p = [probabilities(row, books) for row in h]
    classify, _ = cross_entropy(head.classifier, [[*chain(*row)] for row in p], labels)
    most, n = books * math.log2(words), len(h)
    each = -sum(v * math.log2(v) for row in p for block in row for v in block) / n
    mean = [[sum(row[m][k] for row in p) / n for k in range(words)] for m in range(books)]
    together = -sum(v * math.log2(v) for block in mean for v in block)
    return {
        "class": classify / math.log(head.num_classes),
        "entropy": config.entropy_weight * each / most,
        "usage": -config.usage_weight * together / most,
    }


@pytest.mark.parametrize("settings", [{}, {"entropy_weight": 0.3, "usage_weight": 2.0}])
@pytest.mark.parametrize(("books", "words"), [(2, 4), (1, 8), (4, 2)])
def test_loss_equals_the_formulas(books, words, settings):
    head = head_of(books, words, **settings)
    found = head.loss(rows(), batch())
    expected = literal(head, rows().tolist(), LABELS)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, rel=1e-10), name


def test_ideal_codes_have_usage_minus_one_and_no_entropy():
    labels = [0, 1, 2, 3]
    ideal = 800 * torch.eye(4).double().repeat(1, 2)  # each word once, in both blocks
    terms = head_of(2, 4).loss(ideal, batch(labels))
    assert terms["usage"].item() == pytest.approx(-1)
    assert terms["entropy"].item() == pytest.approx(0, abs=1e-12)
    collapsed = head_of(2, 4).loss(ideal[:1].expand(4, -1), batch(labels))
    assert collapsed["usage"].item() == pytest.approx(0, abs=1e-12)
    assert finite_with_gradient(head_of(2, 4), ideal, batch(labels))


def test_classification_starts_near_one_whatever_the_number_of_classes():
    for classes in (10, 530):
        head = build(SUBIC, bits=24, features=64, classes=classes).float()
        features = torch.randn(200, 64, generator=torch.Generator().manual_seed(0))
        labels = torch.arange(200) % classes
        assert head.loss(head(features), batch(labels))["class"].item() == pytest.approx(1, abs=0.1)


def test_one_hot_queries_count_equal_blocks():
    head = head_of(2, 4)
    codes = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    one_hot = torch.nn.functional.one_hot(codes, 4).double().flatten(1)
    assert torch.equal(head.assign(one_hot), codes)
    table, both = head.query_table(one_hot), head.symmetric_table()
    for query in range(16):
        for item in range(16):
            agree = sum(int(codes[query, m] == codes[item, m]) for m in range(2))
            assert sum(table[query, m, codes[item, m]] for m in range(2)) == agree
            assert sum(both[m, codes[query, m], codes[item, m]] for m in range(2)) == agree


def test_no_word_is_stored_and_no_logits_are_approximated():
    network = Network(torch.nn.Identity(), head_of(2, 4).float())
    found = cost(network)
    assert (found.codebook_bytes, found.codewords, found.query_form) == (0, 4, "table")
    source = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    codes = encode_embedding(network.method, source)
    lost = quantization_error(network.method, source, reconstructed(network.method, codes))
    assert lost.isnan().all()


def test_relu_hides_what_is_below_zero():
    features = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    with_relu, without = head_of(2, 4, relu=True).float(), head_of(2, 4).float()
    assert torch.equal(with_relu(features), without(features).relu())
    dead = with_relu(features).reshape(50, 2, 4).amax(dim=2) == 0
    assert bool(dead.any())
    assert not with_relu.assign(with_relu(features))[dead].any()
    assert bool(without.assign(without(features))[dead].any())


def test_traps():
    for labels in ([1] * 6, [0, 1, 2, 3, 4], [2]):
        assert finite_with_gradient(head_of(2, 4), rows()[: len(labels)], batch(labels))
    assert same_with_unlabelled_rows(head_of(2, 4))
    one = head_of(2, 4, classes=1)
    assert bool(total(one.loss(rows(), batch([0] * 6))).isfinite())


def test_absent_terms_are_left_out():
    assert set(head_of(2, 4, entropy_weight=0.0, usage_weight=0.0).loss(rows(), batch())) == {
        "class"
    }
